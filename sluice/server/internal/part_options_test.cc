#include "sluice/server/internal/part_options.h"

#include <gtest/gtest.h>

#include <chrono>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/server/settings.h"

namespace sluice::server::internal {
namespace {

using namespace std::chrono_literals;

Config Parse(std::string_view text) {
  const auto config = ParseConfig(text, "sluice.yaml");
  EXPECT_TRUE(config.ok()) << config.error().ToString();
  return config.ok() ? *config : Config();
}

ingest::IngestOptions IngestOf(const Config& config) { return IngestOptionsOf(config, {}); }

/// A setting, given another value than the one by default, and whether its part has that.
struct Passed {
  std::string_view key;
  std::string_view text;  ///< Of a project file.
  bool (*has)(const Config&);
};

const std::vector<Passed> kPassed = {
    {"storage.path", "storage: {path: elsewhere}",
     [](const Config& c) {
       return SpaceOptionsOf(c).folder == "elsewhere" &&
              JournalOptionsOf(c).folder == "elsewhere/journal" &&
              IngestOf(c).dedupe.folder == "elsewhere/dedupe";
     }},
    {"storage.free_min", "storage: {free_min: 7MiB}",
     [](const Config& c) {
       return SpaceOptionsOf(c).free_bytes_min == 7 << 20 &&
              JournalOptionsOf(c).free_bytes_min == 7 << 20;
     }},
    {"storage.reserve", "storage: {reserve: 7MiB}",
     [](const Config& c) { return SpaceOptionsOf(c).reserve_bytes == 7 << 20; }},
    {"storage.segment", "storage: {segment: 7MiB}",
     [](const Config& c) { return JournalOptionsOf(c).segment_bytes == 7 << 20; }},
    {"storage.cache", "storage: {cache: 7MiB}",
     [](const Config& c) { return ExternalOptionsOf(c).cache_bytes_max == 7 << 20; }},
    {"journal.writes", "journal: {writes: direct}",
     [](const Config& c) { return JournalOptionsOf(c).writes == journal::Writes::kDirect; }},
    {"serve.http", "serve: {http: '127.0.0.2:99'}",
     [](const Config& c) {
       return HttpOptionsOf(c).address == "127.0.0.2" && HttpOptionsOf(c).port == 99;
     }},
    {"serve.tls.certificate", "serve: {tls: {certificate: c.pem, key: k.pem}}",
     [](const Config& c) {
       const auto tls = HttpOptionsOf(c).tls;
       return tls && tls->certificate == "c.pem";
     }},
    {"serve.tls.key", "serve: {tls: {certificate: c.pem, key: k.pem}}",
     [](const Config& c) {
       const auto tls = HttpOptionsOf(c).tls;
       return tls && tls->key == "k.pem";
     }},
    {"serve.connections", "serve: {connections: 7}",
     [](const Config& c) { return HttpOptionsOf(c).connections_max == 7; }},
    {"serve.header_time", "serve: {header_time: 7s}",
     [](const Config& c) { return HttpOptionsOf(c).header_time_max == 7s; }},
    {"serve.body_time", "serve: {body_time: 7s}",
     [](const Config& c) { return HttpOptionsOf(c).body_time_max == 7s; }},
    {"serve.reader_idle", "serve: {reader_idle: 7s}",
     [](const Config& c) { return RouteOptionsOf(c).reader_idle_max == 7s; }},
    {"land.every", "land: {every: 7s}",
     [](const Config& c) { return LandOptionsOf(c).every == 7s; }},
    {"land.wait_max", "land: {wait_max: 7s}",
     [](const Config& c) { return IngestOf(c).table_wait_max == 7s; }},
    {"land.bytes", "land: {bytes: 7MiB}",
     [](const Config& c) { return LandOptionsOf(c).bytes_max == 7 << 20; }},
    {"land.compression", "land: {compression: none}",
     [](const Config& c) { return LandOptionsOf(c).compression == columnar::Compression::kNone; }},
    {"maintenance.cpu", "maintenance: {cpu: 50%}",
     [](const Config& c) { return PaceOptionsOf(c).processor_share == 0.5; }},
    {"maintenance.bytes_per_second", "maintenance: {bytes_per_second: 7MiB}",
     [](const Config& c) { return PaceOptionsOf(c).bytes_per_second == 7 << 20; }},
    {"maintenance.every", "maintenance: {every: 7s}",
     [](const Config& c) { return MaintenanceOptionsOf(c).every == 7s; }},
    {"maintenance.compact.files_min", "maintenance: {compact: {files_min: 7}}",
     [](const Config& c) { return MaintenanceOptionsOf(c).files_min == 7; }},
    {"maintenance.compact.target", "maintenance: {compact: {target: 7MiB}}",
     [](const Config& c) { return MaintenanceOptionsOf(c).file_bytes == 7 << 20; }},
    {"maintenance.vacuum.retention", "maintenance: {vacuum: {retention: 7h}}",
     [](const Config& c) { return MaintenanceOptionsOf(c).vacuum_retention == 7h; }},
    {"limits.body", "limits: {body: 7MiB}",
     [](const Config& c) {
       return HttpOptionsOf(c).body_bytes_max == 7 << 20 &&
              RouteOptionsOf(c).body_bytes_max == 7 << 20;
     }},
    {"limits.rows", "limits: {rows: 7}",
     [](const Config& c) { return IngestOf(c).limits.rows_max == 7; }},
    {"limits.row", "limits: {row: 7KiB}",
     [](const Config& c) { return IngestOf(c).limits.row_bytes_max == 7 << 10; }},
    {"limits.depth", "limits: {depth: 7}",
     [](const Config& c) { return IngestOf(c).limits.depth_max == 7; }},
    {"limits.memory", "limits: {memory: 64MiB}",
     [](const Config& c) {
       const auto maintenance = MaintenanceOptionsOf(c);
       return JournalOptionsOf(c).queue_bytes_max == 8 << 20 &&
              LandOptionsOf(c).tail_bytes_max == 16 << 20 &&
              LandOptionsOf(c).write_bytes_max == 12 << 20 &&
              maintenance.memory_bytes_max == 8 << 20 && maintenance.file_bytes == 8 << 20 &&
              maintenance.cluster_bytes == 4 << 20;
     }},
    {"limits.queue", "limits: {queue: 7MiB}",
     [](const Config& c) { return JournalOptionsOf(c).queue_bytes_max == 7 << 20; }},
    {"limits.topics", "limits: {topics: 7}",
     [](const Config& c) { return IngestOf(c).topics_max == 7; }},
    {"limits.query_memory", "limits: {query_memory: 7MiB}",
     [](const Config& c) { return PoolOptionsOf(c).memory_bytes_max == 7 << 20; }},
    {"limits.error_bytes", "limits: {error_bytes: 7MiB}",
     [](const Config& c) { return IngestOf(c).error_bytes_a_day == 7 << 20; }},
    {"sql.external", "sql: {external: /lake}",
     [](const Config& c) {
       return ExternalOptionsOf(c).allowed == std::vector<std::string>{"/lake"};
     }},
    {"dedup.horizon", "dedup: {horizon: 7h}",
     [](const Config& c) { return IngestOf(c).dedupe.horizon == 7h; }},
    {"dedup.ids_max", "dedup: {ids_max: 7}",
     [](const Config& c) { return IngestOf(c).dedupe.ids_max == 7; }},
};

// Of the server itself, which has tests of the whole program.
const std::set<std::string> kOwn = {"version",
                                    "project",
                                    "storage.keys",
                                    "storage.format",
                                    "maintenance.enabled",
                                    "errors.retain",
                                    "privacy.hash_key",
                                    "privacy.token_key",
                                    "privacy.subject_key"};

TEST(PartOptionsTest, EachSettingReachesItsPart) {
  for (const Passed& setting : kPassed) {
    EXPECT_FALSE(setting.has(Config())) << setting.key << " is so by default";
    EXPECT_TRUE(setting.has(Parse(setting.text))) << setting.key;
  }
}

TEST(PartOptionsTest, NoSettingIsLeftOut) {
  std::multiset<std::string> known(kOwn.begin(), kOwn.end());
  for (const Passed& setting : kPassed) known.emplace(setting.key);
  const std::vector<std::string> keys = SettingKeys();
  EXPECT_EQ(known, std::multiset<std::string>(keys.begin(), keys.end()));
}

TEST(PartOptionsTest, TopicsDifferWhereTheFileSaysSo) {
  const Config config = Parse(
      "dedup: {horizon: 2h, ids_max: 20}\n"
      "topics:\n"
      "  a: {dedup: {horizon: 7h}, maintenance: off}\n"
      "  b: {dedup: {ids_max: 7}, cluster_by: [x, y]}\n");
  const auto memory = std::make_shared<ingest::DedupeMemory>(1 << 20);
  const auto topics = IngestOptionsOf(config, {.memory = memory}).topic_dedupe;
  EXPECT_EQ(topics.at("a").horizon, 7h);
  EXPECT_EQ(topics.at("a").ids_max, 20u);
  EXPECT_EQ(topics.at("b").horizon, 2h);
  EXPECT_EQ(topics.at("b").ids_max, 7u);
  EXPECT_EQ(topics.at("b").memory, memory);
  EXPECT_EQ(topics.at("b").folder, IngestOf(config).dedupe.folder);
  EXPECT_EQ(MaintenanceOptionsOf(config).off, std::set<std::string>{"a"});
  EXPECT_EQ(MaintenanceOptionsOf(config).cluster_by.size(), 1u);
  EXPECT_EQ(MaintenanceOptionsOf(config).cluster_by.at("b"), (std::vector<std::string>{"x", "y"}));
}

}  // namespace
}  // namespace sluice::server::internal
