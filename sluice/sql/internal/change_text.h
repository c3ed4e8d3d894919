#pragma once
/// \file
/// Which statements change rows, and of which table, by their first words.

#include <optional>
#include <string>
#include <string_view>

#include "sluice/lake/edit_rows.h"

namespace sluice::sql::internal {

struct ChangeText {
  lake::EditKind kind = lake::EditKind::kDelete;
  std::string schema;  ///< As written, without quotes; empty: none.
  std::string table;   ///< Empty: what stands there is no name.
};

/// Reads the beginning of a statement; nothing where it does not begin with INSERT, UPDATE, DELETE
/// or MERGE. What follows the name is for DuckDB to read, in a worker.
std::optional<ChangeText> ReadChangeText(std::string_view sql);

/// `INSERT`, and so on, in small letters.
std::string_view NameOf(lake::EditKind kind);

}  // namespace sluice::sql::internal
