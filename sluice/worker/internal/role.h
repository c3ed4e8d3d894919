#pragma once
/// \file
/// How a process is told that it is a query worker.

#include <string_view>

namespace sluice::worker::internal {

inline constexpr std::string_view kRole = "query-worker";
/// Set in a worker's environment. Where it is set no Pool starts: a program that does not know the
/// role would start itself without end.
inline constexpr const char* kRoleVariable = "SLUICE_QUERY_WORKER";

}  // namespace sluice::worker::internal
