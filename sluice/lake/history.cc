#include "sluice/lake/history.h"

#include <simdjson.h>

#include <algorithm>

#include "sluice/lake/internal/commit_times.h"
#include "sluice/lake/internal/log_names.h"

namespace sluice::lake {

namespace {

using internal::CommitTimes;

}  // namespace

Result<std::vector<CommitRecord>> ReadHistory(const DeltaTable& table, size_t commits_max) {
  SLUICE_ASSIGN_OR_RETURN(CommitTimes times, CommitTimes::List(table), "table '{}'", table.name());
  std::vector<CommitRecord> records;
  const auto& versions = times.versions();
  for (auto v = versions.rbegin(); v != versions.rend() && records.size() < commits_max; ++v) {
    CommitRecord& record = records.emplace_back();
    record.version = *v;
    SLUICE_ASSIGN_OR_RETURN(record.info, times.ReadInfo(*v), "table '{}'", table.name());
    SLUICE_ASSIGN_OR_RETURN(record.timestamp_ms, times.At(*v), "table '{}'", table.name());
    simdjson::dom::parser parser;
    std::string_view operation;
    if (parser.parse(record.info.data(), record.info.size())["operation"].get(operation) ==
        simdjson::SUCCESS) {
      record.operation = operation;
    }
  }
  return records;
}

Result<Version> VersionAt(const DeltaTable& table, int64_t timestamp_ms) {
  SLUICE_ASSIGN_OR_RETURN(CommitTimes times, CommitTimes::List(table), "table '{}'", table.name());
  const auto& versions = times.versions();
  // The first version that came later; times only grow.
  size_t low = 0;
  size_t high = versions.size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    SLUICE_ASSIGN_OR_RETURN(const int64_t at, times.At(versions[middle]), "table '{}'",
                            table.name());
    if (at <= timestamp_ms) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) {
    SLUICE_ASSIGN_OR_RETURN(const int64_t first, times.At(versions.front()), "table '{}'",
                            table.name());
    return NotFound("table '{}': the log begins at {} ms since 1970, after the time asked for",
                    table.name(), first);
  }
  return versions[low - 1];
}

}  // namespace sluice::lake
