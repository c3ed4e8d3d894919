// Project files with something done to them: settings, or an error with a place; never a crash.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/base/text_mutator.h"
#include "sluice/server/config.h"

namespace sluice::server {
namespace {

constexpr int kTexts = 10'000;

const std::vector<std::string>& Samples() {
  static const std::vector<std::string> samples = {
      R"(# yaml-language-server: $schema=.sluice/schema/project.json
version: 1
project: shop
storage: {path: data, format: delta, keys: keys, cache: 1GiB, free_min: 64MiB, reserve: 1MiB, segment: 8MiB}
journal: {writes: auto}
serve:
  http: 127.0.0.1:7117
  tls: {certificate: cert.pem, key: key.pem}
  connections: 100
  header_time: 10s
  body_time: 1m
  flight: 127.0.0.1:7118
land: {every: 5m, wait_max: 90s, bytes: 128MiB, compression: zstd}
limits: {body: 16MiB, rows: 10000, row: 1MiB, depth: 64, memory: 1GiB, queue: 256MiB, query_memory: 1GiB, error_bytes: 1GiB}
dedup: {horizon: 24h, ids_max: 20000000}
errors: {retain: 90d}
keys: {environment: SLUICE_KEY}
privacy: {hash_key: 2, token_key: 1, subject_key: 1}
tenants: [acme, globex]
)",
      R"(version: 1
topics:
  shop.user-events: {partitions: 3, journal: {retain: 24h}, compatibility: full}
  pointer.moved:
    dedup: {by: batch, horizon: 1h, ids_max: 5000}
    unknown: error
  "raw bytes": {schema: none}
profiles:
  dev: &dev
    land: {every: 10s}
  prod:
    serve: {http: "0.0.0.0:80"}
    storage: {path: 's3://bucket/prefix'}
    topics: {pointer.moved: {unknown: keep}, other: *dev}
secrets: {from: env}
)",
  };
  return samples;
}

const std::vector<std::string>& Pieces() {
  static const std::vector<std::string> pieces = {"{",
                                                  "}",
                                                  "[",
                                                  "]",
                                                  ":",
                                                  ": ",
                                                  ",",
                                                  "-",
                                                  "- ",
                                                  "? ",
                                                  "&a ",
                                                  "*a",
                                                  "*dev",
                                                  "<<: *dev",
                                                  "|",
                                                  ">",
                                                  "!",
                                                  "!!int ",
                                                  "!<x> ",
                                                  "%YAML 9.9\n",
                                                  "%TAG",
                                                  "---\n",
                                                  "...\n",
                                                  "\n",
                                                  "\n  ",
                                                  "\t",
                                                  "'",
                                                  "\"",
                                                  "#",
                                                  "~",
                                                  "null",
                                                  "true",
                                                  "0",
                                                  "-1",
                                                  "0x10",
                                                  "1e400",
                                                  ".inf",
                                                  ".nan",
                                                  "nan",
                                                  "999999999999999999999",
                                                  "10s",
                                                  "5 m",
                                                  "3GB",
                                                  "9e99d",
                                                  "\xff",
                                                  "\xef\xbb\xbf",
                                                  "\r",
                                                  "ä",
                                                  "\\",
                                                  "\"\\x\"",
                                                  "land: ",
                                                  "topics: ",
                                                  "topics: []\n",
                                                  "profiles: ",
                                                  "profiles: *dev\n",
                                                  "serve: {http: :::}\n",
                                                  "storage: s3://\n",
                                                  "? {a: b}\n",
                                                  "[]: []\n",
                                                  "&a [*a]",
                                                  std::string(1, '\0'),
                                                  std::string(600, '['),
                                                  std::string(600, '{'),
                                                  std::string(600, ' '),
                                                  std::string(300, '-') + "\n"};
  return pieces;
}

void ChangeIndentation(TextMutator& mutator, std::string& text, size_t at) {
  if (const size_t line = text.find('\n', at); line != text.npos) {
    text.insert(line + 1, 1 + mutator.Below(4), ' ');
  }
}

TEST(ConfigFuzzTest, TenThousandTextsGetSettingsOrAnErrorWithAPlace) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  TextMutator mutate(seed, Samples(), Pieces(), ChangeIndentation);
  const std::regex place(R"(sluice\.yaml:[1-9][0-9]*:[1-9][0-9]*: SL10[0-9][0-9]: .+)");
  int refused = 0;
  for (int i = 0; i < kTexts; ++i) {
    const std::string text = mutate.Next();
    Overrides overrides;
    if (i % 3 == 0) overrides.profile = "prod";
    if (i % 5 == 0) overrides.settings = {{"limits.rows", "7", "-X limits.rows"}};
    const auto config = ParseConfig(text, "sluice.yaml", overrides);
    if (config.ok()) {
      ASSERT_TRUE(i % 5 != 0 || config->rows_max == 7) << text;
      continue;
    }
    ++refused;
    ASSERT_EQ(config.error().code(), ErrorCode::kInvalid) << text;
    const auto& mistakes = DiagnosticsOf(config.error());
    ASSERT_FALSE(mistakes.empty()) << config.error().ToString() << "\n" << text;
    const auto lines = std::ranges::count(text, '\n') + 1;
    for (const Diagnostic& mistake : mistakes) {
      ASSERT_TRUE(std::regex_search(ToString(mistake), place)) << ToString(mistake) << "\n" << text;
      ASSERT_LE(mistake.place.line, lines + 1) << ToString(mistake) << "\n" << text;
    }
  }
  EXPECT_GT(refused, kTexts / 3);
  EXPECT_LT(refused, kTexts);
}

// The values of single settings are of users, too.
TEST(ConfigFuzzTest, SingleSettingsGetAnErrorWithTheirOrigin) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  TextMutator mutate(seed, Samples(), Pieces(), ChangeIndentation);
  const std::vector<std::string> keys = {"land.every", "serve", "topics", "limits.rows",
                                         "",           ".",     "a..b",   "land."};
  for (int i = 0; i < 2'000; ++i) {
    const std::string value = mutate.Next();
    const auto config = ParseConfig(
        "", "sluice.yaml",
        {.profile = {}, .settings = {{keys[mutate.Below(keys.size())], value, "-X it"}}});
    if (config.ok()) continue;
    ASSERT_NE(config.error().message().find("-X it"), std::string::npos)
        << config.error().ToString() << "\n"
        << value;
  }
}

}  // namespace
}  // namespace sluice::server
