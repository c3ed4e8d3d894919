#include "sluice/server/settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "sluice/server/config.h"

namespace sluice::server {
namespace {

constexpr uint64_t kFileBytesMax = 1 << 20;
constexpr std::string_view kOfTopics = "topics.";

std::string DurationText(std::chrono::microseconds time) {
  static constexpr std::pair<int64_t, std::string_view> kUnits[] = {
      {86'400'000'000, "d"}, {3'600'000'000, "h"}, {60'000'000, "m"}, {1'000'000, "s"}};
  for (const auto& [micros, unit] : kUnits) {
    if (time.count() > 0 && time.count() % micros == 0) {
      return fmt::format("{}{}", time.count() / micros, unit);
    }
  }
  return time.count() == 0 ? "0" : fmt::format("{}ms", time.count() / 1000);
}

std::string SizeText(uint64_t bytes) {
  static constexpr std::pair<uint64_t, std::string_view> kUnits[] = {
      {1ull << 30, "GiB"}, {1ull << 20, "MiB"}, {1ull << 10, "KiB"}};
  for (const auto& [size, unit] : kUnits) {
    if (bytes > 0 && bytes % size == 0) return fmt::format("{}{}", bytes / size, unit);
  }
  return std::to_string(bytes);
}

std::vector<Setting> Resolve(const Config& config) {
  const auto number = [](auto value) { return std::to_string(value); };
  std::vector<Setting> settings = {
      {"version", "1", {}},
      {"project", config.project, {}},
      {"storage.path", config.bucket.empty() ? config.data : config.bucket, {}},
      {"storage.keys", config.keys, {}},
      {"storage.format", "delta", {}},
      {"storage.free_min", SizeText(config.free_bytes_min), {}},
      {"storage.reserve", SizeText(config.reserve_bytes), {}},
      {"storage.segment", SizeText(config.segment_bytes), {}},
      {"storage.cache", SizeText(config.cache_bytes_max), {}},
      {"journal.writes",
       config.journal_writes == journal::Writes::kAuto     ? "auto"
       : config.journal_writes == journal::Writes::kDirect ? "direct"
                                                           : "cached",
       {}},
      {"serve.http", fmt::format("{}:{}", config.address, config.port), {}},
      {"serve.tls.certificate", config.tls_certificate, {}},
      {"serve.tls.key", config.tls_key, {}},
      {"serve.connections", number(config.connections_max), {}},
      {"serve.header_time", DurationText(config.header_time_max), {}},
      {"serve.body_time", DurationText(config.body_time_max), {}},
      {"serve.reader_idle", DurationText(config.reader_idle_max), {}},
      {"land.every", DurationText(config.land_every), {}},
      {"land.wait_max", DurationText(config.land_wait_max), {}},
      {"land.bytes", SizeText(static_cast<uint64_t>(config.land_bytes_max)), {}},
      {"land.compression",
       config.land_compression == columnar::Compression::kNone ? "none" : "zstd",
       {}},
      {"maintenance.enabled", config.maintenance ? "true" : "false", {}},
      {"maintenance.cpu", fmt::format("{:g}%", config.maintenance_processor_share * 100), {}},
      {"maintenance.bytes_per_second",
       SizeText(static_cast<uint64_t>(config.maintenance_bytes_per_second)),
       {}},
      {"maintenance.every", DurationText(config.maintenance_every), {}},
      {"maintenance.compact.files_min", number(config.compact_files_min), {}},
      {"maintenance.compact.target",
       SizeText(static_cast<uint64_t>(config.compact_file_bytes)),
       {}},
      {"maintenance.vacuum.retention", DurationText(config.vacuum_retention), {}},
      {"limits.body", SizeText(config.body_bytes_max), {}},
      {"limits.rows", number(config.rows_max), {}},
      {"limits.row", SizeText(static_cast<uint64_t>(config.row_bytes_max)), {}},
      {"limits.depth", number(config.depth_max), {}},
      {"limits.memory", SizeText(config.memory_bytes_max), {}},
      {"limits.queue", SizeText(config.QueueBytes()), {}},
      {"limits.topics", number(config.topics_max), {}},
      {"limits.query_memory", SizeText(config.query_memory_max), {}},
      {"limits.error_bytes", SizeText(static_cast<uint64_t>(config.error_bytes_a_day)), {}},
      {"sql.external", fmt::format("{}", fmt::join(config.external, ", ")), {}},
      {"dedup.horizon", DurationText(config.dedupe_horizon), {}},
      {"dedup.ids_max", number(config.dedupe_ids_max), {}},
      {"errors.retain", DurationText(config.errors_retain), {}},
      {"privacy.hash_key", number(config.kids[0]), {}},
      {"privacy.token_key", number(config.kids[1]), {}},
      {"privacy.subject_key", number(config.kids[2]), {}},
  };
  for (Setting& setting : settings) setting.origin = "default";
  return settings;
}

/// Says where a setting comes from; what differs for topics is added.
void AddOrigin(const std::string& key, const std::string& value, std::string origin,
               std::vector<Setting>& settings) {
  const auto found = std::ranges::find(settings, key, &Setting::key);
  if (found == settings.end()) {
    settings.push_back({key, value, std::move(origin)});
    return;
  }
  found->origin = std::move(origin);
  if (key.starts_with(kOfTopics)) found->value = value;
}

/// Says of each value of the file where it stands.
void AddOrigins(const YAML::Node& node, const std::string& key, const std::string& file,
                std::vector<Setting>& settings) {
  if (node.IsMap()) {
    for (const auto& entry : node) {
      const std::string name = entry.first.Scalar();
      AddOrigins(entry.second, key.empty() ? name : key + "." + name, file, settings);
    }
  } else if (node.IsScalar()) {
    AddOrigin(key, node.Scalar(), fmt::format("{}:{}", file, node.Mark().line + 1), settings);
  }
}

}  // namespace

std::vector<std::string> SettingKeys() {
  std::vector<std::string> keys;
  for (Setting& setting : Resolve(Config())) keys.push_back(std::move(setting.key));
  return keys;
}

Result<std::vector<Setting>> LoadSettings(os::Disk& disk, const std::string& folder,
                                          const Overrides& overrides) {
  SLUICE_ASSIGN_OR_RETURN(const Config config, LoadConfig(disk, folder, overrides));
  std::vector<Setting> settings = Resolve(config);
  const std::string path = InFolder(folder, "sluice.yaml");
  SLUICE_ASSIGN_OR_RETURN(const std::string text, os::ReadFile(disk, path, kFileBytesMax));
  try {
    YAML::Node root = YAML::Load(text);
    YAML::Node profile;
    if (root.IsMap()) {
      const YAML::Node profiles = root["profiles"];
      if (profiles && !overrides.profile.empty()) profile.reset(profiles[overrides.profile]);
      root.remove("profiles");
    }
    AddOrigins(root, {}, path, settings);
    AddOrigins(profile, {}, path, settings);
    for (const Override& setting : overrides.settings) {
      AddOrigin(setting.key, setting.value, setting.origin, settings);
    }
  } catch (const YAML::Exception& error) {
    return Internal("'{}' was read, and cannot be read again: {}", path, error.msg);
  }
  return settings;
}

}  // namespace sluice::server
