#include "sluice/server/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/event/compatibility.h"
#include "sluice/server/internal/config_reader.h"
#include "sluice/store/store_set.h"

namespace sluice::server {
namespace {

using internal::Reader;

constexpr uint64_t kFileBytesMax = 1 << 20;
constexpr int kProfilesMax = 100;
constexpr size_t kClusterColumnsMax = 4;

struct Unit {
  std::string_view name;
  double factor;
};

Result<double> ParseWithUnit(std::string_view text, std::initializer_list<Unit> units,
                             std::string_view example) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
  if (error == std::errc() && number >= 0) {
    for (const Unit& unit : units) {
      if (rest == unit.name && number * unit.factor < 9e15) return number * unit.factor;
    }
  }
  return Invalid("expected a value such as {}", example);
}

void ReadAddress(Reader& reader, const YAML::Node& node, Config& config) {
  const std::string text = node.IsScalar() ? node.Scalar() : std::string();
  const size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? text : text.substr(colon + 1);
  uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) {
    return reader.Mistake(node, "expected ADDRESS:PORT, such as 127.0.0.1:7117");
  }
  if (colon != std::string::npos && colon > 0) config.address = text.substr(0, colon);
  config.port = number;
}

void ReadDedup(Reader& reader, const YAML::Node& node, TopicConfig& topic) {
  reader.Map(
      node, "dedup of a topic",
      {{"by",
        [&](const YAML::Node& value) {
          const std::string text = value.IsScalar() ? value.Scalar() : "";
          topic.by_producer = text == "producer";
          topic.by_batch = text == "batch";
          if (!topic.by_producer && !topic.by_batch && text != "id") {
            reader.Mistake(value, "expected id, producer or batch");
          }
        }},
       {"horizon",
        [&](const YAML::Node& value) { reader.Duration(topic.dedupe_horizon.emplace())(value); }},
       {"ids_max", [&](const YAML::Node& value) {
          reader.Parsed(topic.dedupe_ids_max.emplace(), ParseSize)(value);
        }}});
}

Reader::Read Flag(Reader& reader, bool& into, std::string_view yes, std::string_view no) {
  return [&reader, &into, yes, no](const YAML::Node& node) {
    const std::string text = node.IsScalar() ? node.Scalar() : "";
    into = text == yes;
    if (!into && text != no) reader.Mistake(node, fmt::format("expected {} or {}", yes, no));
  };
}

// A share of one processor: `25%`.
Result<double> ParseShare(std::string_view text) {
  SLUICE_ASSIGN_OR_RETURN(const double share, ParseWithUnit(text, {{"%", 0.01}}, "25%"));
  if (share < 0.01 || share > 1) return Invalid("expected 1% to 100%, of one processor");
  return share;
}

template <typename T>
void ReadAtLeast(Reader& reader, const YAML::Node& node, T& into, T least, std::string_view text,
                 const Reader::Read& read) {
  read(node);
  if (into >= least) return;
  reader.Mistake(node, fmt::format("at least {} is possible", text));
  into = least;
}

void ReadMaintenance(Reader& reader, const YAML::Node& node, Config& config) {
  const auto compact = [&](const YAML::Node& value) {
    reader.Map(value, "maintenance.compact",
               {{"files_min",
                 [&](const YAML::Node& number) {
                   ReadAtLeast(reader, number, config.compact_files_min, 2, "2",
                               reader.Parsed(config.compact_files_min, ParseSize));
                 }},
                {"target", [&](const YAML::Node& size) {
                   ReadAtLeast<int64_t>(reader, size, config.compact_file_bytes, 1 << 20, "1MiB",
                                        reader.Parsed(config.compact_file_bytes, ParseSize));
                 }}});
  };
  const auto vacuum = [&](const YAML::Node& value) {
    reader.Map(value, "maintenance.vacuum", {{"retention", [&](const YAML::Node& time) {
                                                ReadAtLeast<std::chrono::milliseconds>(
                                                    reader, time, config.vacuum_retention,
                                                    std::chrono::hours(1), "1h, as long as a query",
                                                    reader.Duration(config.vacuum_retention));
                                              }}});
  };
  reader.Map(node, "maintenance",
             {{"enabled", Flag(reader, config.maintenance, "true", "false")},
              {"cpu",
               [&](const YAML::Node& value) {
                 const auto share = ParseShare(value.IsScalar() ? value.Scalar() : "");
                 if (!share.ok()) return reader.Mistake(value, share.error().message());
                 config.maintenance_processor_share = *share;
               }},
              {"bytes_per_second",
               [&](const YAML::Node& value) {
                 ReadAtLeast<int64_t>(
                     reader, value, config.maintenance_bytes_per_second, 64 << 10, "64KiB",
                     reader.Parsed(config.maintenance_bytes_per_second, ParseSize));
               }},
              {"every",
               [&](const YAML::Node& value) {
                 ReadAtLeast<std::chrono::milliseconds>(reader, value, config.maintenance_every,
                                                        std::chrono::milliseconds(100), "100ms",
                                                        reader.Duration(config.maintenance_every));
               }},
              {"compact", compact},
              {"vacuum", vacuum}});
}

void ReadClusterBy(Reader& reader, const YAML::Node& node, TopicConfig& topic) {
  topic.cluster_by.clear();
  if (node.IsSequence() && node.size() >= 1 && node.size() <= kClusterColumnsMax) {
    for (const YAML::Node& column : node) {
      if (column.IsScalar() && !column.Scalar().empty())
        topic.cluster_by.push_back(column.Scalar());
    }
    if (topic.cluster_by.size() == node.size()) return;
  }
  reader.Mistake(node, "expected one to four names of columns");
}

void ReadTopic(Reader& reader, const YAML::Node& node, TopicConfig& topic) {
  reader.Map(node, "a topic",
             {{"schema",
               [&](const YAML::Node& value) {
                 topic.schemaless = value.IsScalar() && value.Scalar() == "none";
                 if (!topic.schemaless) reader.Mistake(value, "the only value is none");
               }},
              {"unknown",
               [&](const YAML::Node& value) {
                 const std::string text = value.IsScalar() ? value.Scalar() : "";
                 if (text == "keep") {
                   topic.unknown = event::UnknownFields::kKeep;
                 } else if (text == "error") {
                   topic.unknown = event::UnknownFields::kError;
                 } else if (text == "ignore") {
                   topic.unknown = event::UnknownFields::kIgnore;
                 } else {
                   reader.Mistake(value, "expected keep, error or ignore");
                 }
               }},
              {"dedup", [&](const YAML::Node& value) { ReadDedup(reader, value, topic); }},
              {"maintenance", Flag(reader, topic.maintenance, "on", "off")},
              {"cluster_by", [&](const YAML::Node& value) { ReadClusterBy(reader, value, topic); }},
              reader.NotServed("partitions", "partitions of a topic", "1"),
              reader.NotServed("journal", "journal of a topic"),
              {"compatibility", [&](const YAML::Node& value) {
                 topic.compatibility =
                     event::ParseCompatibility(value.IsScalar() ? value.Scalar() : "");
                 if (!topic.compatibility) {
                   reader.Mistake(value, "expected none, backward, forward or full");
                 }
               }}});
}

void ReadPath(Reader& reader, const YAML::Node& node, Config& config) {
  std::string path;
  reader.Text(path)(node);
  if (store::IsBucketAddress(path)) {
    config.bucket = std::move(path);
  } else if (path.find("://") != std::string::npos) {
    reader.Mistake(node, "expected a folder or s3://bucket/folder");
  } else if (!path.empty()) {
    config.data = std::move(path);
    config.bucket.clear();  // Of a layer below, which this one replaces.
  }
}

void ReadExternal(Reader& reader, const YAML::Node& node, Config& config) {
  std::vector<std::string> folders;
  if (node.IsSequence()) {
    for (const YAML::Node& folder : node)
      folders.push_back(folder.IsScalar() ? folder.Scalar() : "");
  } else if (node.IsScalar()) {  // One folder, or none.
    if (!node.Scalar().empty()) folders.push_back(node.Scalar());
  } else {
    return reader.Mistake(node, "expected a list of folders");
  }
  for (const std::string& folder : folders) {
    if (!folder.starts_with('/') && !folder.starts_with("s3://")) {
      return reader.Mistake(node, "expected absolute folders or s3://bucket/folder");
    }
  }
  config.external = std::move(folders);
}

void ReadWrites(Reader& reader, const YAML::Node& node, Config& config) {
  const std::string text = node.IsScalar() ? node.Scalar() : "";
  if (text == "auto") {
    config.journal_writes = journal::Writes::kAuto;
  } else if (text == "cached") {
    config.journal_writes = journal::Writes::kCached;
  } else if (text == "direct") {
    config.journal_writes = journal::Writes::kDirect;
  } else {
    reader.Mistake(node, "expected auto, cached or direct");
  }
}

/// What one layer says: the project file, a profile of it, or a setting given elsewhere.
void ReadSettings(const YAML::Node& root, std::string_view what, Reader& reader, Config& config,
                  Reader::Keys more = {}) {
  std::string version = "1";
  std::string format = "delta";
  Reader::Keys keys = {
      {"version", reader.Text(version)},
      {"project", reader.Text(config.project)},
      {"storage",
       [&](const YAML::Node& node) {
         reader.Map(node, "storage",
                    {{"path", [&](const YAML::Node& value) { ReadPath(reader, value, config); }},
                     {"keys", reader.Text(config.keys)},
                     {"format", reader.Text(format)},
                     {"cache", reader.Parsed(config.cache_bytes_max, ParseSize)},
                     {"free_min", reader.Parsed(config.free_bytes_min, ParseSize)},
                     {"reserve", reader.Parsed(config.reserve_bytes, ParseSize)},
                     {"segment", reader.Parsed(config.segment_bytes, ParseSize)}});
       }},
      {"journal",
       [&](const YAML::Node& node) {
         reader.Map(
             node, "journal",
             {{"writes", [&](const YAML::Node& value) { ReadWrites(reader, value, config); }}});
       }},
      {"serve",
       [&](const YAML::Node& node) {
         reader.Map(node, "serve",
                    {{"http", [&](const YAML::Node& value) { ReadAddress(reader, value, config); }},
                     {"tls",
                      [&](const YAML::Node& value) {
                        reader.Map(value, "serve.tls",
                                   {{"certificate", reader.Text(config.tls_certificate)},
                                    {"key", reader.Text(config.tls_key)}});
                        if (config.tls_certificate.empty() != config.tls_key.empty()) {
                          reader.Mistake(value, "certificate and key belong together");
                        }
                      }},
                     reader.NotServed("flight", "serve.flight"),
                     reader.NotServed("postgres", "serve.postgres"),
                     {"connections", reader.Parsed(config.connections_max, ParseSize)},
                     {"header_time", reader.Duration(config.header_time_max)},
                     {"body_time", reader.Duration(config.body_time_max)},
                     {"reader_idle", reader.Duration(config.reader_idle_max)}});
       }},
      {"land",
       [&](const YAML::Node& node) {
         reader.Map(node, "land",
                    {{"every", reader.Duration(config.land_every)},
                     {"wait_max", reader.Duration(config.land_wait_max)},
                     {"bytes", reader.Parsed(config.land_bytes_max, ParseSize)},
                     {"compression", [&](const YAML::Node& value) {
                        const std::string text = value.IsScalar() ? value.Scalar() : "";
                        if (text == "none") {
                          config.land_compression = columnar::Compression::kNone;
                        } else if (text == "zstd") {
                          config.land_compression = columnar::Compression::kZstd;
                        } else {
                          reader.Mistake(value, "expected zstd or none");
                        }
                      }}});
       }},
      {"maintenance", [&](const YAML::Node& node) { ReadMaintenance(reader, node, config); }},
      {"limits",
       [&](const YAML::Node& node) {
         reader.Map(node, "limits",
                    {{"body", reader.Parsed(config.body_bytes_max, ParseSize)},
                     {"rows", reader.Parsed(config.rows_max, ParseSize)},
                     {"row", reader.Parsed(config.row_bytes_max, ParseSize)},
                     {"depth", reader.Parsed(config.depth_max, ParseSize)},
                     {"memory", reader.Parsed(config.memory_bytes_max, ParseSize)},
                     {"queue", reader.Parsed(config.queue_bytes_max, ParseSize)},
                     {"query_memory", reader.Parsed(config.query_memory_max, ParseSize)},
                     {"error_bytes", reader.Parsed(config.error_bytes_a_day, ParseSize)},
                     {"topics", [&](const YAML::Node& value) {
                        ReadAtLeast<uint64_t>(reader, value, config.topics_max, 1, "1",
                                              reader.Parsed(config.topics_max, ParseSize));
                      }}});
       }},
      {"sql",
       [&](const YAML::Node& node) {
         reader.Map(
             node, "sql",
             {{"external", [&](const YAML::Node& value) { ReadExternal(reader, value, config); }}});
       }},
      {"dedup",
       [&](const YAML::Node& node) {
         reader.Map(node, "dedup",
                    {{"horizon", reader.Duration(config.dedupe_horizon)},
                     {"ids_max", reader.Parsed(config.dedupe_ids_max, ParseSize)}});
       }},
      {"errors",
       [&](const YAML::Node& node) {
         reader.Map(node, "errors", {{"retain", reader.Duration(config.errors_retain)}});
       }},
      {"keys",
       [&](const YAML::Node& node) {
         reader.Map(node, "keys",
                    {{"command", reader.Text(config.keys_command)},
                     {"environment", reader.Text(config.keys_environment)}});
         if (!config.keys_command.empty() && !config.keys_environment.empty()) {
           reader.Mistake(node, "keys takes a command or an environment variable, not both");
         }
       }},
      {"privacy",
       [&](const YAML::Node& node) {
         reader.Map(node, "privacy",
                    {{"hash_key", reader.Parsed(config.kids[0], ParseSize)},
                     {"token_key", reader.Parsed(config.kids[1], ParseSize)},
                     {"subject_key", reader.Parsed(config.kids[2], ParseSize)}});
       }},
      {"topics",
       [&](const YAML::Node& node) {
         if (!node.IsMap()) return reader.Mistake(node, "topics must be a mapping");
         for (const auto& entry : node) {
           TopicConfig& topic = config.topics[entry.first.Scalar()];
           topic.place = reader.PlaceOf(entry.first);
           ReadTopic(reader, entry.second, topic);
         }
       }},
      reader.NotServed("tenants", "tenants"),
      reader.NotServed("models", "models"),
      reader.NotServed("secrets", "secrets")};
  keys.insert(keys.end(), more.begin(), more.end());
  reader.Map(root, what, keys);
  if (version != "1") reader.Mistake(root["version"], "this program reads version 1");
  if (format != "delta") reader.Mistake(root["storage"]["format"], "the only format is delta");
}

/// Reads the profile that is chosen into `config`; the others only to find their mistakes.
void ReadProfiles(const YAML::Node& node, const std::string& chosen, Reader& reader,
                  Config& config) {
  if (!node.IsMap() || node.size() > kProfilesMax) {
    return reader.Mistake(
        node, fmt::format("profiles must be a mapping of at most {} names", kProfilesMax));
  }
  for (const auto& entry : node) {
    Config unused;
    const bool wanted = entry.first.Scalar() == chosen;
    ReadSettings(entry.second, "a profile", reader, wanted ? config : unused);
  }
}

/// `serve.http`, `0.0.0.0:80` → a document with that one setting.
Result<YAML::Node> OneSetting(const Override& setting) {
  YAML::Node value;
  try {
    value = YAML::Load(setting.value);
  } catch (const YAML::Exception& error) {
    return Invalid("{}: the value is no YAML: {}", setting.origin, error.msg);
  }
  std::string_view key = setting.key;
  while (true) {
    const size_t dot = key.rfind('.');
    YAML::Node parent(YAML::NodeType::Map);
    parent[std::string(key.substr(dot == std::string_view::npos ? 0 : dot + 1))] = value;
    if (dot == std::string_view::npos) return parent;
    value = parent;
    key = key.substr(0, dot);
  }
}

}  // namespace

std::string InFolder(const std::string& folder, const std::string& path) {
  if (path.starts_with('/') || folder.empty() || folder == ".") return path;
  return folder + "/" + path;
}

std::string Config::DataPath() const { return InFolder(folder, data); }
std::string Config::TablesAddress() const {
  if (bucket.empty()) return DataPath() + "/tables";
  return bucket + (bucket.ends_with('/') ? "tables" : "/tables");
}
std::string Config::KeysPath() const { return InFolder(folder, keys); }
std::string Config::TokensPath() const { return KeysPath() + "/tokens"; }
std::string Config::TlsCertificatePath() const { return InFolder(folder, tls_certificate); }
std::string Config::TlsKeyPath() const { return InFolder(folder, tls_key); }

Result<std::chrono::microseconds> ParseDuration(std::string_view text) {
  SLUICE_ASSIGN_OR_RETURN(
      const double micros,
      ParseWithUnit(text, {{"ms", 1e3}, {"s", 1e6}, {"m", 6e7}, {"h", 3.6e9}, {"d", 8.64e10}},
                    "90s, 5m or 24h"));
  return std::chrono::microseconds(static_cast<int64_t>(micros));
}

Result<uint64_t> ParseSize(std::string_view text) {
  SLUICE_ASSIGN_OR_RETURN(const double bytes, ParseWithUnit(text,
                                                            {{"", 1},
                                                             {"kB", 1e3},
                                                             {"MB", 1e6},
                                                             {"GB", 1e9},
                                                             {"KiB", 1024},
                                                             {"MiB", 1 << 20},
                                                             {"GiB", 1 << 30}},
                                                            "16MiB or 10000"));
  return static_cast<uint64_t>(bytes);
}

Result<Config> ParseConfig(std::string_view text, std::string_view file,
                           const Overrides& overrides) {
  Config config;
  Reader reader(file);
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    YAML::Node profiles(YAML::NodeType::Undefined);
    if (!root.IsNull()) {
      ReadSettings(root, "the project file", reader, config,
                   {{"profiles", [&](const YAML::Node& node) { profiles.reset(node); }}});
    }
    if (profiles.IsDefined()) ReadProfiles(profiles, overrides.profile, reader, config);
    const bool known = profiles.IsDefined() && profiles.IsMap() && profiles[overrides.profile];
    if (!overrides.profile.empty() && !known) {
      reader.Mistake(profiles.IsDefined() ? profiles : root,
                     fmt::format("there is no profile '{}'", overrides.profile));
    }
  } catch (const YAML::Exception& error) {
    const YAML::Mark mark = error.mark.is_null() ? YAML::Mark() : error.mark;
    reader.Mistake(mark, error.msg, internal::kNotYaml);
  }
  for (const Override& setting : overrides.settings) {
    SLUICE_ASSIGN_OR_RETURN(const YAML::Node node, OneSetting(setting));
    reader.LeaveFile(setting.origin);
    ReadSettings(node, "the project file", reader, config);
  }
  auto mistakes = reader.TakeMistakes();
  if (!mistakes.empty()) return ToError(ErrorCode::kInvalid, std::move(mistakes));
  config.warnings = reader.TakeWarnings();
  return config;
}

Result<Config> LoadConfig(os::Disk& disk, const std::string& folder, const Overrides& overrides) {
  const std::string path = InFolder(folder, "sluice.yaml");
  auto text = os::ReadFile(disk, path, kFileBytesMax);
  if (!text.ok()) {
    if (text.error().code() == ErrorCode::kNotFound) {
      return NotFound("there is no {}; `sluice init` makes a project", path);
    }
    return std::move(text).error();
  }
  SLUICE_ASSIGN_OR_RETURN(Config config, ParseConfig(*text, path, overrides));
  config.folder = folder;
  return config;
}

}  // namespace sluice::server
