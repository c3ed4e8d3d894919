#pragma once
/// \file
/// What a table asks of new rows: defaults, identity and generated columns, constraints.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/internal/table_state.h"
#include "sluice/lake/row_changes.h"

namespace sluice::lake::internal {

/// An identity column, and how far its values have come.
struct Identity {
  int64_t start = 1;
  int64_t step = 1;
  std::optional<int64_t> last = {};  ///< The high water mark; absent: none was given out yet.
  bool explicit_allowed = false;

  /// kInvalid: the column's values are used up.
  Result<int64_t> Next();
};

/// Immutable. Thread-safe.
class RowRules {
 public:
  /// kUnsupported: naming an expression of the table that is not understood here.
  static Result<RowRules> Of(const TableState& table);

  /// The identity columns, by name, as the table has them.
  const std::map<std::string, Identity>& identities() const { return identities_; }

  /// Brings rows of one partition to all columns of the table, partition columns too, in its types
  /// and order. `absent` gets the columns that hold nothing but the nulls that were put in.
  /// `identities` move forward. kInvalid: a column that the table does not have, another type, a
  /// null where none may be, a generated value that is not what it must be, or a broken constraint,
  /// which is named.
  Result<columnar::Batch> Apply(const arrow::RecordBatch& rows, const PartitionValues& partition,
                                std::map<std::string, Identity>& identities,
                                std::vector<std::string>& absent) const;

  /// The same for rows of any partition: partition columns are columns as others.
  Result<columnar::Batch> Complete(const arrow::RecordBatch& rows,
                                   std::map<std::string, Identity>& identities,
                                   std::vector<std::string>& absent) const;

  /// Returns rows, which have all columns of the table first, with columns assigned from
  /// expressions over `values` and generated columns that follow. Their schema is the table's.
  /// kInvalid: no such column, or a value that does not fit it.
  Result<columnar::Batch> Assign(const arrow::RecordBatch& rows, const arrow::RecordBatch& values,
                                 std::span<const Assignment> assignments) const;

  /// Returns values as the column of that place in the table has them. kInvalid: they do not fit.
  Result<std::shared_ptr<arrow::Array>> AsColumn(const std::shared_ptr<arrow::Array>& values,
                                                 int column) const;
  /// Whether the column is generated, or gives out identities.
  bool MakesItself(const std::string& column) const;

  /// Checks rows that have exactly the columns of the table. Errors as Apply().
  Result<columnar::Batch> Check(const arrow::RecordBatch& rows) const;

  /// The column's place in the table, its name matched without regard to case; -1 if there is none.
  int FindColumn(std::string_view name) const;

 private:
  Status CheckRows(const arrow::RecordBatch& full) const;

  struct Rule {
    std::string name;
    Expression expression;
  };

  std::shared_ptr<arrow::Schema> schema_;
  std::vector<std::string> partition_columns_;
  std::vector<Rule> defaults_;     // By column.
  std::vector<Rule> generated_;    // By column, in the table's order.
  std::vector<Rule> constraints_;  // By name.
  std::map<std::string, Identity> identities_;
};

}  // namespace sluice::lake::internal
