#include "sluice/server/config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sluice/base/diagnostic.h"

namespace sluice::server {
namespace {

TEST(ConfigTest, FoldersOutsideAreAbsolute) {
  const auto config = ParseConfig("sql: {external: [/data/lake, 's3://b/lake']}\n", "sluice.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->external, (std::vector<std::string>{"/data/lake", "s3://b/lake"}));
  const auto bad = ParseConfig("sql: {external: [lake]}\n", "sluice.yaml");
  ASSERT_FALSE(bad.ok());
  EXPECT_NE(bad.error().ToString().find("absolute"), std::string::npos) << bad.error().ToString();
  EXPECT_EQ(ParseConfig("sql: {external: /data}\n", "sluice.yaml")->external,
            std::vector<std::string>{"/data"});
  EXPECT_FALSE(ParseConfig("sql: {external: {a: b}}\n", "sluice.yaml").ok());
}

TEST(ConfigTest, ReadsWhatIsSaidAndKeepsDefaultsElsewhere) {
  const auto config = ParseConfig(
      "version: 1\nproject: shop\nserve: {http: 127.0.0.1:8080}\nland: {every: 10s}\n"
      "limits: {body: 1MiB}\ntopics:\n  raw.bytes: {schema: none}\n  a.b: {unknown: error}\n"
      "  moves: {dedup: {by: batch, horizon: 1h}}\n",
      "sluice.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->project, "shop");
  EXPECT_EQ(config->port, 8080);
  EXPECT_EQ(config->land_every, std::chrono::seconds(10));
  EXPECT_EQ(config->body_bytes_max, 1u << 20);
  EXPECT_EQ(config->rows_max, 10'000);
  EXPECT_TRUE(config->topics.at("raw.bytes").schemaless);
  EXPECT_EQ(config->topics.at("a.b").unknown, event::UnknownFields::kError);
  EXPECT_FALSE(config->topics.at("a.b").by_batch);
  EXPECT_TRUE(config->topics.at("moves").by_batch);
  EXPECT_EQ(config->topics.at("moves").dedupe_horizon, std::chrono::hours(1));
  EXPECT_FALSE(config->topics.at("moves").dedupe_ids_max.has_value());
}

TEST(ConfigTest, SharesOfMemoryAreTogetherWhatItIs) {
  const auto config = ParseConfig("limits: {memory: 64MiB}\n", "sluice.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->BodyBytes() + config->QueueBytes() + config->TailBytes() + config->LandBytes() +
                config->MaintenanceBytes() + config->DedupeBytes(),
            64u << 20);
  EXPECT_EQ(config->CompactFileBytes(), 8 << 20);
  EXPECT_EQ(ParseConfig("", "sluice.yaml")->CompactFileBytes(), 128 << 20);
  EXPECT_EQ(ParseConfig("limits: {memory: 1}\n", "sluice.yaml")->CompactFileBytes(), 1 << 20)
      << "never 0, which would be no limit";
  EXPECT_EQ(config->ClusterBytes(), 4 << 20);
  EXPECT_EQ(ParseConfig("", "sluice.yaml")->ClusterBytes(), 64 << 20);
  EXPECT_EQ(ParseConfig("limits: {memory: 16GiB}\n", "sluice.yaml")->ClusterBytes(), 64 << 20);
  EXPECT_EQ(ParseConfig("limits: {queue: 5MiB}\n", "sluice.yaml")->QueueBytes(), 5u << 20);
}

TEST(ConfigTest, TopicsHaveALimit) {
  EXPECT_EQ(ParseConfig("version: 1\n", "sluice.yaml")->topics_max, 1'000u);
  EXPECT_EQ(ParseConfig("limits: {topics: 25}\n", "sluice.yaml")->topics_max, 25u);
  EXPECT_FALSE(ParseConfig("limits: {topics: 0}\n", "sluice.yaml").ok());
}

TEST(ConfigTest, MaintenanceHasSharesAndLimits) {
  const auto config = ParseConfig(
      "maintenance: {enabled: false, cpu: 12.5%, bytes_per_second: 8MiB, every: 5s,\n"
      "  compact: {files_min: 3, target: 64MiB}, vacuum: {retention: 2d}}\n"
      "topics: {a: {maintenance: off}, b: {maintenance: on, cluster_by: [user_id, page]}}\n",
      "sluice.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_FALSE(config->maintenance);
  EXPECT_EQ(config->maintenance_processor_share, 0.125);
  EXPECT_EQ(config->maintenance_bytes_per_second, 8 << 20);
  EXPECT_EQ(config->maintenance_every, std::chrono::seconds(5));
  EXPECT_EQ(config->compact_files_min, 3);
  EXPECT_EQ(config->compact_file_bytes, 64 << 20);
  EXPECT_EQ(config->vacuum_retention, std::chrono::hours(48));
  EXPECT_FALSE(config->topics.at("a").maintenance);
  EXPECT_TRUE(config->topics.at("b").maintenance);
  EXPECT_EQ(config->topics.at("b").cluster_by, (std::vector<std::string>{"user_id", "page"}));
  for (const char* const wrong : {"user_id", "[]", "[a, b, c, d, e]", "[[a]]", "['']"}) {
    EXPECT_FALSE(ParseConfig(fmt::format("topics: {{a: {{cluster_by: {}}}}}\n", wrong), "f").ok());
  }
  for (const char* const wrong :
       {"cpu: 0%", "cpu: 101%", "cpu: 25", "every: 1ms", "compact: {files_min: 1}",
        "compact: {target: 1KiB}", "vacuum: {retention: 10m}", "enabled: maybe",
        "bytes_per_second: 1"}) {
    EXPECT_FALSE(ParseConfig(fmt::format("maintenance: {{{}}}\n", wrong), "f").ok()) << wrong;
  }
}

TEST(ConfigTest, TablesMayBeInABucketWhileTheJournalIsHere) {
  const auto config = ParseConfig("storage: {path: 's3://b/shop', cache: 1GiB}\n", "sluice.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->bucket, "s3://b/shop");
  EXPECT_EQ(config->data, "data");
  EXPECT_EQ(config->cache_bytes_max, 1ull << 30);
  EXPECT_FALSE(ParseConfig("storage: {path: 'gs://b/shop'}\n", "sluice.yaml").ok());
}

TEST(ConfigTest, NamesEveryMistakeWithItsPlace) {
  const auto config = ParseConfig("projct: shop\nland:\n  every: soon\n", "sluice.yaml");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().message(),
            "sluice.yaml:1:1: SL1002: unknown key \"projct\" in the project file; did you mean "
            "\"project\"?\n"
            "sluice.yaml:3:10: SL1003: expected a value such as 90s, 5m or 24h");
  EXPECT_EQ(DiagnosticsOf(config.error()).size(), 2u);
  EXPECT_FALSE(ParseConfig("a: [1,", "sluice.yaml").ok());
  EXPECT_EQ(ParseConfig("serve: {connections: 5GiB}\n", "sluice.yaml").error().message(),
            "sluice.yaml:1:22: SL1003: at most 2147483647 is possible");
  EXPECT_EQ(ParseConfig("", "sluice.yaml", {.profile = "prod", .settings = {}}).error().message(),
            "sluice.yaml:1:1: SL1003: there is no profile 'prod'");
  EXPECT_TRUE(ParseConfig("", "sluice.yaml").ok());
}

TEST(ConfigTest, AProfileLiesOverTheFileAndSingleSettingsOverBoth) {
  constexpr std::string_view kText =
      "project: shop\nland: {every: 5m, bytes: 1MiB}\ntopics: {a.b: {unknown: error}}\n"
      "profiles:\n  prod:\n    serve: {http: 0.0.0.0:80}\n    land: {every: 3s}\n"
      "    topics: {a.b: {compatibility: full}, c: {schema: none}}\n";
  const auto config = ParseConfig(kText, "sluice.yaml",
                                  {.profile = "prod",
                                   .settings = {{"limits.rows", "7", "$SLUICE_LIMITS_ROWS"},
                                                {"limits.rows", "8", "-X limits.rows"},
                                                {"land", "{compression: none}", "-X land"}}});
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->address, "0.0.0.0");
  EXPECT_EQ(config->land_every, std::chrono::seconds(3));
  EXPECT_EQ(config->land_bytes_max, 1 << 20);
  EXPECT_EQ(config->land_compression, columnar::Compression::kNone);
  EXPECT_EQ(config->rows_max, 8);
  EXPECT_EQ(config->topics.at("a.b").unknown, event::UnknownFields::kError);
  EXPECT_EQ(config->topics.at("a.b").compatibility, event::Compatibility::kFull);
  EXPECT_TRUE(config->topics.at("c").schemaless);
  EXPECT_EQ(ParseConfig(kText, "sluice.yaml")->address, "127.0.0.1");
}

TEST(ConfigTest, WhatIsByDefaultCanBeLaidOverWhatIsNot) {
  const auto over = [](std::string_view text, Override setting) {
    setting.origin = "-X";
    const auto config = ParseConfig(text, "sluice.yaml", {.profile = {}, .settings = {setting}});
    EXPECT_TRUE(config.ok()) << config.error().ToString();
    return config.ok() ? *config : Config();
  };
  EXPECT_EQ(over("land: {compression: none}\n", {"land.compression", "zstd", {}}).land_compression,
            columnar::Compression::kZstd);
  // Else tables would be written to the bucket by who meant a folder.
  const Config folder = over("storage: {path: s3://b/lake}\n", {"storage.path", "data", {}});
  EXPECT_EQ(folder.bucket, "");
  EXPECT_EQ(folder.TablesAddress(), "data/tables");
  EXPECT_EQ(over("storage: {path: elsewhere}\n", {"storage.path", "s3://b/lake", {}}).DataPath(),
            "elsewhere");
}

TEST(ConfigTest, MistakesOfProfilesAndSingleSettingsNameWhereTheyAre) {
  const auto mistake = [](std::string_view text, const Overrides& overrides) {
    const auto config = ParseConfig(text, "sluice.yaml", overrides);
    return config.ok() ? "fits" : config.error().message();
  };
  EXPECT_EQ(mistake("profiles: {prod: {land: {evry: 3}}}\n", {}),
            "sluice.yaml:1:26: SL1002: unknown key \"evry\" in land; did you mean \"every\"?");
  EXPECT_EQ(mistake("project: a\n", {.profile = "prod", .settings = {}}),
            "sluice.yaml:1:1: SL1003: there is no profile 'prod'");
  EXPECT_EQ(mistake("", {.profile = {}, .settings = {{"land.every", "soon", "-X land.every"}}}),
            "-X land.every: SL1003: expected a value such as 90s, 5m or 24h");
  EXPECT_EQ(mistake("", {.profile = {}, .settings = {{"land.every.x", "1", "-X land.every.x"}}}),
            "-X land.every.x: SL1003: expected a value such as 90s, 5m or 24h");
  EXPECT_EQ(mistake("", {.profile = {}, .settings = {{"..", "[", "-X .."}}}).substr(0, 28),
            "-X ..: the value is no YAML:");
  EXPECT_EQ(mistake("profiles: 3\n", {}),
            "sluice.yaml:1:11: SL1003: profiles must be a mapping of at most 100 names");
  EXPECT_EQ(mistake("profiles: {a: {profiles: {}}}\n", {}).substr(0, 45),
            "sluice.yaml:1:16: SL1002: unknown key \"profil");
}

TEST(ConfigTest, SaysWhatHasNoEffect) {
  const auto config = ParseConfig(
      "serve: {flight: 127.0.0.1:1}\ntopics: {a: {partitions: 1}, b: {partitions: 3}}\n",
      "sluice.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  ASSERT_EQ(config->warnings.size(), 2u);
  EXPECT_EQ(ToString(config->warnings[0]),
            "sluice.yaml:1:17: SL1005: serve.flight has no effect: this program does not have it");
  EXPECT_EQ(config->warnings[0].severity, Severity::kWarning);
  EXPECT_EQ(config->warnings[1].place.line, 2);
}

}  // namespace
}  // namespace sluice::server
