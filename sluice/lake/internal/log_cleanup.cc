#include "sluice/lake/internal/log_cleanup.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/commit_lines.h"
#include "sluice/lake/internal/log_names.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kRetentionMs = 30 * kDayMs;

// The version that a name begins with; -1 if it has none.
Version VersionOf(std::string_view name) {
  Version version = -1;
  if (name.size() < 21 || name[20] != '.') return -1;
  const auto parsed = std::from_chars(name.data(), name.data() + 20, version);
  return parsed.ec == std::errc() && parsed.ptr == name.data() + 20 ? version : -1;
}

}  // namespace

ExpiredLog ExpiredLogFiles(const TableState& state, const std::vector<store::ObjectInfo>& log,
                           int64_t now_ms) {
  const auto& properties = state.properties();
  const auto features = WriterFeatures(state.protocol());
  if (LowerCase(Property(properties, "delta.enableExpiredLogCleanup", "true")) != "true" ||
      std::ranges::find(features, "checkpointProtection") != features.end()) {
    return {};
  }
  const std::string_view text = Property(properties, "delta.logRetentionDuration", "");
  const auto retention = text.empty() ? std::optional(kRetentionMs) : ParseInterval(text);
  if (!retention) return {};  // It cannot be read, so nothing is old enough.
  int64_t cutoff = now_ms - *retention;
  cutoff -= ((cutoff % kDayMs) + kDayMs) % kDayMs;  // The midnight before.

  std::vector<std::string> names;
  Version newest_old = -1;  // The newest commit before the cutoff.
  int64_t last_ms = INT64_MIN;
  for (const store::ObjectInfo& object : log) {  // By name, so by version.
    names.push_back(object.path);
    const LogListing one = ClassifyLog({object.path});
    if (one.commits.empty()) continue;
    const int64_t at = ModifiedMs(object);
    if (at <= 0) return {};
    last_ms = std::max(last_ms + 1, at);  // Times of commits only grow.
    if (last_ms <= cutoff) newest_old = one.commits.begin()->first;
  }
  const LogListing listing = ClassifyLog(names);
  const auto kept = std::ranges::find_if(listing.checkpoints, [&](const auto& checkpoint) {
    return checkpoint.version <= newest_old && listing.commits.contains(checkpoint.version);
  });
  if (kept == listing.checkpoints.end()) return {};
  return {.names = LogFilesBefore(kept->version, names), .first = kept->version};
}

std::vector<std::string> LogFilesBefore(Version first, const std::vector<std::string>& names) {
  std::vector<std::string> commits;
  std::vector<std::string> others;
  for (const std::string& name : names) {
    const Version version = VersionOf(name);
    if (version < 0 || version >= first) continue;
    const LogListing one = ClassifyLog({name});
    (one.commits.empty() ? others : commits).push_back(name);
  }
  commits.insert(commits.end(), others.begin(), others.end());
  return commits;
}

std::vector<std::string> ExpiredSidecars(const std::vector<store::ObjectInfo>& sidecars,
                                         const std::set<std::string>& used, int64_t now_ms) {
  std::vector<std::string> expired;
  for (const store::ObjectInfo& object : sidecars) {
    const int64_t at = ModifiedMs(object);
    if (at > 0 && at < now_ms - kDayMs && !used.contains(object.path)) {
      expired.push_back(object.path);
    }
  }
  return expired;
}

}  // namespace sluice::lake::internal
