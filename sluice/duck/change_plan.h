#pragma once
/// \file
/// What a statement that changes rows asks for, as rows.

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"

namespace sluice::duck {

/// A relation that is named with this argument is the one to change: it shows where its rows stand.
inline constexpr const char* kChangeArgument = "change";
/// Its column with the number of each row's file, which whoever gives the relation adds.
inline constexpr const char* kFileColumn = "_sluice_file";

/// One of the ways in which a statement changes rows.
struct ChangeAction {
  enum class Kind : uint8_t { kDelete, kUpdate, kInsert };
  Kind kind = Kind::kDelete;
  std::vector<std::string> columns;  ///< That get values, as the table spells them.
  bool operator==(const ChangeAction&) const = default;
};

/// The rows of Engine::Change() begin with three columns: the number of the row's file
/// (kFileColumn) and its position there, null for rows to insert; and the index of an action. Then
/// come the values, of the columns of the first action, of the second, and so on: those of others
/// are null.
struct ChangePlan {
  static constexpr int kFile = 0;
  static constexpr int kRow = 1;
  static constexpr int kAction = 2;
  static constexpr int kValues = 3;

  std::vector<ChangeAction> actions;

  /// Returns the schema of such rows, which tells the plan. `types` are those of the rows.
  columnar::Schema Mark(const columnar::Schema& types) const;
  /// Reads what Mark() made. kCorrupt: these are no such rows.
  static Result<ChangePlan> Of(const columnar::Schema& schema);
};

}  // namespace sluice::duck
