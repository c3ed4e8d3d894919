#pragma once
/// \file
/// Commands that change any Delta table, by path or URI, or keep it healthy: without a server, and
/// without a project.

#include <string>
#include <vector>

#include "sluice/cli/internal/commands.h"

namespace CLI {
class App;
}  // namespace CLI

namespace sluice::cli::internal {

struct TableChangeArguments {
  std::string address;                   ///< Folder or `s3://bucket/path`.
  std::string where;                     ///< A condition.
  bool all = false;                      ///< Every row, instead of a condition.
  std::vector<std::string> assignments;  ///< `update`: `column=expression`.
  std::string source;                    ///< `merge`: a Parquet file, or another table.
  std::vector<std::string> keys;         ///< `merge`: `column`, or `column=column of the source`.
  std::string matched = "update";        ///< `merge`: `update`, `delete`, `keep`.
  std::string not_matched = "insert";    ///< `merge`: `insert`, `ignore`.
  std::string file_size;                 ///< `compact`: `128MiB`; the table's own if empty.
  std::string retention;                 ///< `vacuum`: `7d`; the table's own if empty.
  bool force = false;                    ///< `vacuum`: also a shorter one than the table's.
  bool dry_run = false;                  ///< `vacuum`, `convert`: only say what would be.
  std::vector<std::string> by;           ///< `cluster`: columns; the table's own if empty.
  std::string curve = "hilbert";         ///< `cluster`: or `z-order`.
  bool full = false;                     ///< `cluster`: also what is clustered already.
  std::string partitioned_by;            ///< `convert`: `column type, column`; as found if empty.
  std::string values;                    ///< `erase`: a file, one value of `keys` a line.
  std::string prove;                     ///< `erase`: a file, one value to look for a line.
  std::string request;                   ///< `erase`: its name, for log and report.
  bool landed = false;                   ///< `erase`: nothing waits in a journal.
  bool alone = false;                    ///< `erase`: nobody else writes.
};

int DeleteTableRows(const Global& global, const TableChangeArguments& arguments);
int UpdateTableRows(const Global& global, const TableChangeArguments& arguments);
int MergeTableRows(const Global& global, const TableChangeArguments& arguments);
int CompactTable(const Global& global, const TableChangeArguments& arguments);
int ClusterTable(const Global& global, const TableChangeArguments& arguments);
int PurgeTable(const Global& global, const TableChangeArguments& arguments);
int VacuumTable(const Global& global, const TableChangeArguments& arguments);
int ConvertFolder(const Global& global, const TableChangeArguments& arguments);
int EraseTableRows(const Global& global, const TableChangeArguments& arguments);

/// Give `cluster`, `convert` and `erase` their options.
void AddConvertOptions(CLI::App& command, TableChangeArguments& arguments);
void AddClusterOptions(CLI::App& command, TableChangeArguments& arguments);
void AddEraseOptions(CLI::App& command, TableChangeArguments& arguments);

}  // namespace sluice::cli::internal
