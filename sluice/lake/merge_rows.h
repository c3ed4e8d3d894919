#pragma once
/// \file
/// MERGE: rows of a source against those of a table, by key.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/row_changes.h"

namespace sluice::lake {

/// What becomes of a row. The first clause of its kind whose condition is true, or that has none,
/// decides; a row that no clause is for stays, or does not come.
struct MergeClause {
  enum class When : uint8_t {
    kMatched,             ///< A row of the table that has a row of the source.
    kNotMatched,          ///< A row of the source that has none of the table.
    kNotMatchedBySource,  ///< A row of the table that has none of the source.
  };
  enum class Action : uint8_t { kUpdate, kDelete, kInsert };
  When when = When::kMatched;
  Action action = Action::kUpdate;
  std::optional<Expression> condition = {};
  /// Empty: every column that the source has under the same name. Columns that an insert does not
  /// name get their default, else null.
  std::vector<Assignment> assignments = {};
};

struct MergeKey {
  std::string target;  ///< A column of the table.
  std::string source;  ///< Its counterpart in the source, which is cast to its type.
};

/// Changes rows of the table that have one in `source`, adds those that have none, in one commit.
/// Rows match when all keys are equal; null equals nothing.
///
/// Expressions name columns of the table as `target.c` or `c`, those of the source as `source.c`,
/// or `c` where the table has none of that name. The source is held in memory, and with it 16 bytes
/// a row, and as many for each row of the table that keeps one from being inserted; of the table as
/// UpdateRows(). Files whose statistics rule the keys out are not read. Else as UpdateRows(): where
/// others have deleted or changed a row that kept one of the source from being inserted, it is made
/// again. kInvalid: also a row of the table that several rows of the source would change.
Result<ChangeReport> MergeRows(DeltaTable& table, std::span<const columnar::Batch> source,
                               std::span<const MergeKey> keys, std::span<const MergeClause> clauses,
                               const ChangeOptions& options = {});

}  // namespace sluice::lake
