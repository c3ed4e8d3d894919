#pragma once
/// \file
/// What changes make of a table's metadata and protocol.

#include <map>
#include <set>
#include <string>
#include <vector>

#include "sluice/lake/alter_table.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/internal/schema_tree.h"
#include "sluice/lake/internal/table_state.h"

namespace sluice::lake::internal {

/// What all rows that are there must meet.
struct RowCondition {
  std::string name;  ///< For the error.
  Expression expression;
  std::string not_null_column = {};  ///< A top-level column that it says is never null; else empty.
};

/// The outcome.
struct TableEdit {
  Metadata metadata;
  Protocol protocol;
  std::vector<Domain> domains = {};  ///< Changed ones.
  std::vector<RowCondition> conditions = {};
  bool begins_row_tracking = false;
  bool begins_commit_times = false;

  bool Changes(const TableState& state) const;
};

/// Makes changes of one state, in their order. Nothing is read or written.
///
/// Not thread-safe: used once.
class TableEditor {
 public:
  /// `state` and `random` must outlive the editor.
  static Result<TableEditor> Of(const TableState& state, os::Random& random);

  Status Apply(const TableAlteration& change);
  Result<TableEdit> Finish();

 private:
  TableEditor(const TableState& state, os::Random& random)
      : state_(state), random_(random), metadata_(state.metadata()) {}

  Status Make(const AddColumn& change);
  Status Make(const RenameColumn& change);
  Status Make(const DropColumn& change);
  Status Make(const WidenColumn& change);
  Status Make(const SetNotNull& change);
  Status Make(const DropNotNull& change);
  Status Make(const MoveColumn& change);
  Status Make(const CommentColumn& change);
  Status Make(const SetDefault& change);
  Status Make(const SetProperties& change);
  Status Make(const UnsetProperties& change);
  Status Make(const AddConstraint& change);
  Status Make(const DropConstraint& change);
  Status Make(const ClusterBy& change);

  Status SetProperty(const std::string& name, const std::string& value);
  Status SetMapping(const std::string& mode);
  Status SetDefaultOf(SchemaField& field, const std::string& value);
  /// kInvalid: an expression of the table, a partition or clustering needs the column.
  Status CheckNotNeeded(const FoundField& found, const ColumnPath& path,
                        std::string_view what) const;
  Status CheckMapped(std::string_view what) const;
  bool Clusters(const SchemaField& column) const;
  /// Writes the tree and the ids of new fields into the metadata.
  Status WriteSchema();
  bool IsOn(const std::string& property) const;
  bool Partitions(const FoundField& found) const;

  const TableState& state_;
  os::Random& random_;
  Metadata metadata_;
  SchemaType schema_;
  std::vector<std::string> features_;  // Asked for by name.
  std::map<std::string, Domain> domains_;
  std::vector<RowCondition> conditions_;
};

/// Names the columns in which writers that copy rows keep their ids, unless they have names.
void NameRowTrackingColumns(std::map<std::string, std::string>& properties, os::Random& random);

}  // namespace sluice::lake::internal
