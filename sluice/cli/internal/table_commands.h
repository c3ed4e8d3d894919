#pragma once
/// \file
/// Commands on any Delta table, by path or URI: without a server, and without a project.

#include <cstdint>
#include <optional>
#include <string>

#include "sluice/cli/internal/commands.h"

namespace sluice::cli::internal {

struct TableArguments {
  std::string address;  ///< Folder or `s3://bucket/path`.
  std::optional<int64_t> version;
  std::string timestamp;  ///< `2026-01-31T12:00:00Z`, instead of a version.
  std::string columns;    ///< With commas; all if empty.
  std::string where;      ///< A condition.
  std::string zone = "UTC";
  std::optional<int64_t> to;  ///< `changes`: the last version.
  uint64_t limit = 0;         ///< `history`, `read`: at most so many; 0: all.
};

int ReadTable(const Global& global, const TableArguments& arguments);
int DescribeTable(const Global& global, const TableArguments& arguments);
int ShowTableHistory(const Global& global, const TableArguments& arguments);
int ListTableFiles(const Global& global, const TableArguments& arguments);
int ShowTableChanges(const Global& global, const TableArguments& arguments);
int CheckTableFiles(const Global& global, const TableArguments& arguments);

}  // namespace sluice::cli::internal
