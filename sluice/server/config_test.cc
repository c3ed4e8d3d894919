#include "sluice/server/config.h"

#include <gtest/gtest.h>

#include "sluice/base/diagnostic.h"

namespace sluice::server {
namespace {

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
  EXPECT_TRUE(ParseConfig("", "sluice.yaml").ok());
}

}  // namespace
}  // namespace sluice::server
