#pragma once
/// \file
/// From rows to a data file of a table.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/columnar/parquet.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/row_rules.h"

namespace sluice::lake::internal {

/// Returns the path of a new file in the table, as the store spells it:
/// `country=US%2FEast/part-<uuid>.parquet`; with two random characters for a folder where the table
/// maps its columns or asks for it. kInvalid: the values are not those of the partition columns.
Result<std::string> NewFilePath(const TableState& table, const NewFile& file,
                                std::string_view uuid);

/// A file's bytes and what the log says about it.
struct EncodedFile {
  std::string store_path;  ///< Relative to the table's root.
  std::string bytes;
  DataFile entry;
};

/// Brings rows to the table's columns and writes them. `identities` move forward. kInvalid: the
/// rows are not what the table asks for.
Result<EncodedFile> EncodeFile(const TableState& table, const RowRules& rules, const NewFile& file,
                               const AppendOptions& options, std::string_view uuid, int64_t now_ms,
                               std::map<std::string, Identity>& identities);

}  // namespace sluice::lake::internal
