#pragma once
/// \file
/// What statistics say of a column.

#include <arrow/util/decimal.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sluice/lake/delta_table.h"

namespace sluice::lake::internal {

/// What is known of one column in one file. Absent: not known.
struct ColumnBounds {
  std::shared_ptr<arrow::Scalar> low = {};   ///< Of the column's type; no value is smaller.
  std::shared_ptr<arrow::Scalar> high = {};  ///< No value is larger; NaN apart.
  std::optional<int64_t> nulls = {};
  std::optional<int64_t> rows = {};
};

/// Numbers, texts and times as something that can be compared, within one type.
using BoundValue = std::variant<std::monostate, int64_t, double, std::string, arrow::Decimal128>;

/// Returns nothing for null, and for types without an order of use.
BoundValue ToBoundValue(const arrow::Scalar& scalar);

/// A file's statistics, parsed. What cannot be trusted counts as absent.
///
/// Not thread-safe.
class StatisticsText {
 public:
  explicit StatisticsText(std::string_view json);
  ~StatisticsText();
  StatisticsText(const StatisticsText&) = delete;
  StatisticsText& operator=(const StatisticsText&) = delete;

  /// Whether bounds and counts are those of the rows that are left, not only wide enough.
  bool tight() const;
  /// `path` has the names in the file. Bounds are as wide as other writers' rounding needs.
  ColumnBounds Find(const std::vector<std::string>& path,
                    const std::shared_ptr<arrow::DataType>& type) const;

 private:
  struct Document;
  std::unique_ptr<Document> document_;  // Null: there are none.
};

}  // namespace sluice::lake::internal
