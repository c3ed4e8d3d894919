#pragma once
/// \file
/// How a process is told that it is a query worker.

#include <cstdint>
#include <string_view>

namespace sluice::worker::internal {

inline constexpr std::string_view kRole = "query-worker";
/// Set in a worker's environment. Where it is set no Pool starts: a program that does not know the
/// role would start itself without end.
inline constexpr const char* kRoleVariable = "SLUICE_QUERY_WORKER";

/// What a worker may have beyond what DuckDB counts: its parser and planner, code and tables of
/// libraries, stacks.
inline constexpr uint64_t kDataBytes = 768ull << 20;

}  // namespace sluice::worker::internal
