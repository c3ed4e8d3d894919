#include "sluice/lake/internal/known_engines.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

/// What one engine is known to do, as of late 2026. Lists are in the order of features' names.
struct Engine {
  std::string_view name;
  std::string_view reads;   // Reader features.
  std::string_view writes;  // Those that its writers cope with, appending at least.
};

// Features that ask nothing of those who append, or that all of these know, are in each list.
constexpr std::array<Engine, 6> kEngines = {{
    {"Spark (delta-spark 4)",
     "columnMapping deletionVectors timestampNtz typeWidening typeWidening-preview v2Checkpoint "
     "vacuumProtocolCheck",
     "allowColumnDefaults appendOnly changeDataFeed checkConstraints checkpointProtection "
     "clustering columnMapping deletionVectors domainMetadata generatedColumns identityColumns "
     "inCommitTimestamp invariants rowTracking timestampNtz typeWidening typeWidening-preview "
     "v2Checkpoint vacuumProtocolCheck"},
    {"delta-rs (deltalake 1.6)", "columnMapping deletionVectors timestampNtz v2Checkpoint",
     "appendOnly changeDataFeed checkConstraints columnMapping deletionVectors generatedColumns "
     "invariants timestampNtz v2Checkpoint"},
    {"delta-kernel-rs 0.27",
     "columnMapping deletionVectors timestampNtz typeWidening typeWidening-preview v2Checkpoint "
     "vacuumProtocolCheck",
     "allowColumnDefaults appendOnly changeDataFeed clustering columnMapping deletionVectors "
     "domainMetadata inCommitTimestamp invariants rowTracking timestampNtz v2Checkpoint "
     "vacuumProtocolCheck"},
    {"DuckDB (delta extension)",
     "columnMapping deletionVectors timestampNtz typeWidening typeWidening-preview v2Checkpoint "
     "vacuumProtocolCheck",
     "appendOnly inCommitTimestamp invariants timestampNtz"},
    {"ClickHouse",
     "columnMapping deletionVectors timestampNtz typeWidening typeWidening-preview v2Checkpoint "
     "vacuumProtocolCheck",
     "appendOnly invariants"},
    {"Trino",
     "columnMapping deletionVectors timestampNtz typeWidening typeWidening-preview v2Checkpoint "
     "vacuumProtocolCheck",
     "appendOnly changeDataFeed checkConstraints columnMapping deletionVectors invariants "
     "timestampNtz v2Checkpoint vacuumProtocolCheck"},
}};

bool Has(std::string_view list, const std::string& feature) {
  for (size_t at = 0; (at = list.find(feature, at)) != std::string_view::npos; ++at) {
    const size_t end = at + feature.size();
    if ((at == 0 || list[at - 1] == ' ') && (end == list.size() || list[end] == ' ')) return true;
  }
  return false;
}

std::vector<std::string> Lacking(std::string_view list, const std::vector<std::string>& features) {
  std::vector<std::string> lacking;
  std::ranges::copy_if(features, std::back_inserter(lacking),
                       [list](const std::string& feature) { return !Has(list, feature); });
  return lacking;
}

}  // namespace

std::vector<LockedOut> FindLockedOut(const Protocol& before, const Protocol& after) {
  std::vector<LockedOut> found;
  for (const Engine& engine : kEngines) {
    const std::vector<std::string> unread = Lacking(engine.reads, ReaderFeatures(after));
    const std::vector<std::string> unwritten = Lacking(engine.writes, WriterFeatures(after));
    const bool could_read = Lacking(engine.reads, ReaderFeatures(before)).empty();
    const bool could_write = could_read && Lacking(engine.writes, WriterFeatures(before)).empty();
    if (could_read && !unread.empty()) {
      found.push_back({std::string(engine.name), /*reading=*/true, unread});
    } else if (could_write && !unwritten.empty()) {
      found.push_back({std::string(engine.name), /*reading=*/false, unwritten});
    }
  }
  return found;
}

}  // namespace sluice::lake::internal
