#pragma once
/// \file
/// Which files a condition rules out, by partition values and statistics.

#include <arrow/type_fwd.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/internal/bounds.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

/// Judges files by one condition. Immutable. Thread-safe.
class FileSkipper {
 public:
  /// `schema` is annotated. What is given must outlive the skipper.
  FileSkipper(const Expression& condition, const arrow::Schema& schema,
              const std::vector<std::string>& partition_columns, ColumnMapping mapping,
              std::string zone);

  /// Whether the file may have a row for which the condition is true. What cannot be understood
  /// keeps the file.
  bool MayMatch(const DataFile& file) const;

 private:
  struct Column {
    std::string path = {};                   // The names as the condition spells them.
    std::vector<std::string> physical = {};  // Names in the file.
    std::shared_ptr<arrow::DataType> type = {};
    bool partition = false;
  };

  const Expression& condition_;
  const std::string zone_;
  std::vector<Column> columns_;
};

}  // namespace sluice::lake::internal
