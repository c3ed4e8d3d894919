#pragma once
/// \file
/// One query of the command line: sent, shown, stopped.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/cli/internal/client.h"

namespace sluice::cli::internal {

struct SqlOptions {
  std::string form;  ///< table, json, ndjson, csv, arrow, parquet
  std::string as_of;
  std::vector<std::pair<std::string, std::string>> parameters;  ///< `k=v`, v as typed.
  int64_t time_max_ms = 0;                                      ///< 0: the server's own limit.
  bool progress = false;  ///< On standard error, after half a second.
};

/// Cuts a text at semicolons outside of quotes and comments. A last part without one is `rest`.
std::vector<std::string> SplitStatements(std::string_view text, std::string& rest);

/// The text that a statement is from, for places in messages.
struct SqlSource {
  std::string name = "query";  ///< Its file, or what stands for one.
  std::string text = {};       ///< Empty: the statement itself.
  size_t begin = 0;            ///< The statement begins there or later.
};

/// Runs one statement and writes its answer to standard output. A signal cancels it on the server.
/// Returns the exit code; an error is printed with its place in `source`.
int RunStatement(const Global& global, const SqlOptions& options, const std::string& sql,
                 SqlSource source = {});

}  // namespace sluice::cli::internal
