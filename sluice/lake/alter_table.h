#pragma once
/// \file
/// Changing a table itself: its columns, properties, constraints and features.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sluice/lake/delta_table.h"

namespace sluice::lake {

/// Returns the type that Delta, or SQL, calls `name`: `long` or `bigint`, `decimal(10,2)`. Structs,
/// lists and maps have no name here. kInvalid: there is none.
Result<std::shared_ptr<arrow::DataType>> TypeByName(std::string_view name);

/// Names from a column down to a field in it; `element`, `key` and `value` lead into lists and
/// maps. Matched without regard to case.
using ColumnPath = std::vector<std::string>;

/// Where a field stands among its neighbours.
struct ColumnPlace {
  enum class Where : uint8_t { kLast, kFirst, kAfter };
  Where where = Where::kLast;
  std::string neighbour = {};  ///< With kAfter.
};

/// A nullable column, or a field of a struct that is there. Rows that are there read as null, also
/// with a default, which is for rows to come. A default is for columns alone, not for fields.
struct AddColumn {
  ColumnPath path;
  std::shared_ptr<arrow::DataType> type;
  std::string comment = {};
  std::string default_value = {};  ///< An expression; empty: none.
  ColumnPlace place = {};
};
/// Needs a table that maps its columns, for files keep the names they were written with.
struct RenameColumn {
  ColumnPath path;
  std::string name;
};
/// Likewise. Its values stay in files that are there, until those are rewritten.
struct DropColumn {
  ColumnPath path;
};
/// To a type that holds all values of the present one; needs `delta.enableTypeWidening`.
struct WidenColumn {
  ColumnPath path;
  std::shared_ptr<arrow::DataType> type;
};
/// Rows that are there are checked.
struct SetNotNull {
  ColumnPath path;
};
struct DropNotNull {
  ColumnPath path;
};
struct MoveColumn {
  ColumnPath path;
  ColumnPlace place;
};
struct CommentColumn {
  ColumnPath path;
  std::string comment;  ///< Empty: it loses its own.
};
/// For rows to come that lack the column.
struct SetDefault {
  ColumnPath path;
  std::string value;  ///< An expression; empty: the column loses its own.
};
/// With the features that they need: `delta.enableDeletionVectors` and so on;
/// `delta.feature.NAME = supported` adds a feature by itself. `delta.columnMapping.mode` only goes
/// from `none` to `name`.
struct SetProperties {
  std::map<std::string, std::string> properties;
};
struct UnsetProperties {
  std::vector<std::string> names;
};
/// Rows that are there are checked.
struct AddConstraint {
  std::string name;
  std::string condition;
};
struct DropConstraint {
  std::string name;
};
/// At most four columns that have statistics; none ends clustering. Files that are there stay.
struct ClusterBy {
  std::vector<ColumnPath> columns;
};

using TableAlteration =
    std::variant<AddColumn, RenameColumn, DropColumn, WidenColumn, SetNotNull, DropNotNull,
                 MoveColumn, CommentColumn, SetDefault, SetProperties, UnsetProperties,
                 AddConstraint, DropConstraint, ClusterBy>;

/// An engine that can no longer do what it could before.
struct LockedOut {
  std::string engine;                 ///< With the version that was looked at.
  bool reading = false;               ///< Else it can still read, but not write.
  std::vector<std::string> features;  ///< Because of which.
};

/// What a change would mean.
struct AlterPlan {
  bool changes_anything = false;
  int reader_version = 0;  ///< Afterwards, as all below.
  int writer_version = 0;
  std::vector<std::string> reader_features;
  std::vector<std::string> writer_features;
  std::vector<std::string> new_features;
  std::vector<LockedOut> locked_out;
  bool reads_rows = false;      ///< Rows that are there must be checked.
  int64_t files_to_number = 0;  ///< Files whose rows get ids, in commits of their own before.
};

struct AlterOptions {
  int attempts_max = 20;  ///< Commits that lose their race.
};

/// Says what AlterTable() would do; nothing is written, and rows are not looked at. Errors as
/// there.
Result<AlterPlan> PlanAlter(const DeltaTable& table, const std::shared_ptr<const Snapshot>& base,
                            std::span<const TableAlteration> changes);

/// Makes all changes in one commit, one after the other, or none. Only where rows begin to be
/// tracked do commits of their own come before: the feature, then ids for the files that are there.
///
/// `base` null: the newest state. kInvalid: naming what cannot be, and how it could. kUnsupported:
/// a feature that we do not have, by name. kConflict: another writer has changed the table itself
/// since `base`, or it keeps adding rows; nothing was changed, but what the paragraph above says.
Result<std::shared_ptr<const Snapshot>> AlterTable(DeltaTable& table,
                                                   const std::shared_ptr<const Snapshot>& base,
                                                   std::span<const TableAlteration> changes,
                                                   const AlterOptions& options = {});

}  // namespace sluice::lake
