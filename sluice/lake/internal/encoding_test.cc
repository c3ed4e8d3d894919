#include <arrow/api.h>
#include <gtest/gtest.h>

#include <random>

#include "sluice/base/percent.h"
#include "sluice/lake/internal/log_names.h"
#include "sluice/lake/internal/path_encoding.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/statistics.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {
namespace {

TEST(PathEncodingTest, EscapesTwiceAndDecodesOnce) {
  EXPECT_EQ(HiveEscape("US/East"), "US%2FEast");
  EXPECT_EQ(UriEncode(HiveEscape("US/East")), "US%252FEast");
  EXPECT_EQ(PercentDecode("US%252FEast"), "US%2FEast");
  EXPECT_EQ(HiveEscape("a b}é\x01\x7f\"#%'*:=?\\{[]^"),
            "a b}%C3%A9%01%7F%22%23%25%27%2A%3A%3D%3F%5C%7B%5B%5D%5E");
  EXPECT_EQ(UriEncode("a b/c=d<>|`é"), "a%20b/c=d%3C%3E%7C%60é");
  // What Java 17's `new URI(null, null, path, null)` makes of them.
  EXPECT_EQ(UriEncode("ß\u0301日本\U0001F600"), "ß\u0301日本\U0001F600");
  EXPECT_EQ(UriEncode("\u0085|\u00A0|\u2003|\u3000"), "%C2%85%7C%C2%A0%7C%E2%80%83%7C%E3%80%80");
  EXPECT_EQ(UriEncode("\xC3"), "%C3");
  EXPECT_EQ(PercentDecode("100%/%zz%4"), "100%/%zz%4");
  EXPECT_EQ(UriEncode("\xE0%\x80\xC3\xA9"),
            "%E0%25%80\xC3\xA9");  // Damaged in the middle of a character.
  for (int c = 1; c < 256; ++c) {
    const std::string text = {'x', static_cast<char>(c), 'y'};
    EXPECT_EQ(PercentDecode(UriEncode(text)), text) << c;
    EXPECT_EQ(PercentDecode(HiveEscape(text)), text) << c;
  }
}

TEST(PathEncodingTest, KnowsOneFileByAllItsNames) {
  for (const std::string_view path :
       {"file:///a/b%20c", "file:/a/b%20c", "/a/b%20c", "/a/b c", "file:/a/b c"}) {
    EXPECT_EQ(CanonicalPath(path), "/a/b c") << path;
    EXPECT_TRUE(IsAbsolute(path)) << path;
  }
  EXPECT_TRUE(IsAbsolute("s3://bucket/x"));
  EXPECT_FALSE(IsAbsolute("at=10:30/x"));
  EXPECT_FALSE(IsAbsolute("a/b:c"));
  EXPECT_FALSE(CheckRelativePath("../x").ok());
  EXPECT_FALSE(CheckRelativePath("a/%2E%2E/%2e./x").ok());
  EXPECT_FALSE(CheckRelativePath("").ok());
  EXPECT_TRUE(CheckRelativePath("a/b%2Fc").ok());
}

TEST(LogNamesTest, TakesWhatIsCompleteAndKnown) {
  const std::string v5 = VersionName(5);
  const std::string uuid = "80a083e8-7026-4e79-81be-64bd76c43a11";
  const LogListing listing =
      ClassifyLog({v5 + ".json", v5 + ".crc", "." + v5 + ".json.crc", v5 + ".checkpoint.parquet",
                   v5 + ".checkpoint." + uuid + ".json",
                   VersionName(4) + "." + VersionName(6) + ".compacted.json",
                   VersionName(7) + ".checkpoint.0000000001.0000000002.parquet",
                   VersionName(6) + ".checkpoint.0000000001.0000000002.parquet",
                   VersionName(6) + ".checkpoint.0000000002.0000000002.parquet",
                   VersionName(6) + ".checkpoint.0000000003.0000000002.parquet",
                   VersionName(8) + ".checkpoint.what.parquet", "_last_checkpoint", "5.json",
                   "99999999999999999999.json", v5 + ".json.tmp", "000000000000000000-1.json"});
  EXPECT_EQ(listing.commits.size(), 1U);
  ASSERT_EQ(listing.checkpoints.size(), 3U);
  EXPECT_EQ(listing.checkpoints[0].version, 6);
  EXPECT_EQ(listing.checkpoints[0].names.size(), 2U);
  EXPECT_EQ(listing.checkpoints[1].kind, CheckpointFiles::Kind::kV2Json);
  EXPECT_EQ(listing.checkpoints[2].kind, CheckpointFiles::Kind::kClassic);
}

TEST(StatisticsTest, BoundsTextsByTheirBeginnings) {
  const std::string z(100, 'z');
  EXPECT_EQ(LowerBound("short", 32), "short");
  EXPECT_EQ(UpperBound("short", 32), "short");
  EXPECT_EQ(LowerBound(z, 32), z.substr(0, 32));
  EXPECT_EQ(UpperBound(z, 32), z.substr(0, 32) + "\x7F");
  EXPECT_EQ(UpperBound("abé", 2), "ab\xF4\x8F\xBF\xBF");
  EXPECT_EQ(UpperBound("ab\x7Fx", 2), "ab\xF4\x8F\xBF\xBF");
  const std::string last = "\xF4\x8F\xBF\xBF";  // U+10FFFF: nothing is greater, so look further on.
  EXPECT_EQ(UpperBound("abc" + last + "d", 3), "abc" + last + "\x7F");
  EXPECT_EQ(UpperBound("ab" + last + last + last, 2), std::nullopt);
  EXPECT_EQ(LowerBound("a😀b", 2), "a");  // A pair of surrogates is not split.
  EXPECT_EQ(UpperBound("\xFF", 2), std::nullopt);
  EXPECT_EQ(LowerBound("\xFF", 2), std::nullopt);
}

TEST(StatisticsTest, BoundsEveryText) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const std::vector<std::string> points = {
      "a", "~", "\x7F", "é", "\uFFFD", "😀", "\xF4\x8F\xBF\xBF", "\x01"};
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (uint64_t n = random() % 14; n > 0; --n) text += points[random() % points.size()];
    const size_t units = random() % 6;
    const auto low = LowerBound(text, units);
    const auto high = UpperBound(text, units);
    ASSERT_TRUE(low && *low <= text);
    ASSERT_TRUE(!high || *high >= text);
  }
}

std::string Roundtrip(const std::string& schema) {
  const auto parsed = ParseSchema(schema);
  return parsed.ok() ? SchemaToJson(*parsed->schema) : parsed.error().ToString();
}

std::string One(const std::string& type) {
  return R"({"type":"struct","fields":[{"name":"a","type":)" + type +
         R"(,"nullable":true,"metadata":{}}]})";
}

TEST(SchemaJsonTest, ComesBackWhole) {
  for (const std::string type :
       {R"("byte")", R"("short")", R"("integer")", R"("long")", R"("float")", R"("double")",
        R"("string")", R"("binary")", R"("boolean")", R"("date")", R"("timestamp")",
        R"("timestamp_ntz")", R"x("decimal(38,18)")x", R"("void")",
        R"({"type":"array","elementType":"string","containsNull":false})",
        R"({"type":"map","keyType":"string","valueType":{"type":"struct","fields":[]},)"
        R"("valueContainsNull":true})"}) {
    EXPECT_EQ(Roundtrip(One(type)), One(type));
  }
  EXPECT_EQ(Roundtrip(One(R"x("decimal( 5 , 2 )")x")), One(R"x("decimal(5,2)")x"));
  EXPECT_EQ(Roundtrip(One(R"("geometry")")),
            "schema: column 'a': type 'geometry' is not known (unsupported)");
  EXPECT_EQ(Roundtrip(One(R"x("decimal(99,2)")x")),
            "schema: column 'a': 'decimal(99,2)' is no type (corrupt)");
  EXPECT_EQ(Roundtrip("{}"), "schema: a struct has no fields (corrupt)");
  std::string deep = "\"long\"";
  for (int i = 0; i < 500; ++i) {
    deep = R"({"type":"array","elementType":)" + deep + R"(,"containsNull":true})";
  }
  EXPECT_FALSE(ParseSchema(One(deep)).ok());
}

TEST(SchemaJsonTest, AddsFieldsAndLeavesTheRestAlone) {
  const std::string odd =
      R"({"fields" : [ {"name":"a]","type":"long","nullable":true,"metadata":{"x":1.50,"y":"]é"}} ] , "type":"struct","z":[1]})";
  const auto added = AppendFields(odd, {arrow::field("b", arrow::utf8())});
  ASSERT_TRUE(added.ok());
  EXPECT_EQ(
      *added,
      R"({"fields" : [ {"name":"a]","type":"long","nullable":true,"metadata":{"x":1.50,"y":"]é"}} ,{"name":"b","type":"string","nullable":true,"metadata":{}}] , "type":"struct","z":[1]})");
  EXPECT_EQ(
      *AppendFields(R"({"type":"struct","fields":[]})", {arrow::field("b", arrow::int8())}),
      R"({"type":"struct","fields":[{"name":"b","type":"byte","nullable":true,"metadata":{}}]})");
  EXPECT_FALSE(AppendFields("{}", {}).ok());
}

TEST(SchemaJsonTest, NotesAnnotationsThatWritersMustHonour) {
  const auto parsed = ParseSchema(
      R"({"type":"struct","fields":[{"name":"a","type":"long","nullable":true,"metadata":
          {"delta.generationExpression":"1","comment":"x"}}]})");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->features, std::set<std::string>{"generatedColumns"});
}

TEST(TableFeaturesTest, AreNamedWhenRefused) {
  const auto readable = [](Protocol protocol) {
    const Status status = CheckReadable(protocol, {.id = "x", .schema = ""});
    return status.ok() ? "ok" : status.error().message();
  };
  EXPECT_EQ(readable({.reader = 2, .writer = 5}), "ok");
  EXPECT_EQ(readable({.reader = 3, .writer = 7, .reader_features = {{"v2Checkpoint"}}}), "ok");
  EXPECT_EQ(readable({.reader = 3, .writer = 7, .reader_features = {{"catalogManaged"}}}),
            "the table needs the reader feature 'catalogManaged', which is not supported");
  EXPECT_EQ(readable({.reader = 4, .writer = 7}),
            "the table needs reader version 4, at most 3 is supported");

  const auto writable = [](Protocol protocol, std::map<std::string, std::string> properties = {}) {
    const Status status = CheckAppendable(
        protocol, {.id = "x", .schema = "", .configuration = std::move(properties)}, {});
    return status.ok() ? "ok" : status.error().message();
  };
  EXPECT_EQ(writable({.reader = 1, .writer = 6}), "ok");
  EXPECT_EQ(writable({.reader = 3, .writer = 7, .writer_features = {{"icebergCompatV2"}}}),
            "the table needs the writer feature 'icebergCompatV2', which is not supported");
  EXPECT_EQ(writable({.reader = 1, .writer = 3}, {{"delta.constraints.c", "a > 0"}}), "ok");
  EXPECT_EQ(writable({.reader = 2, .writer = 5}, {{"delta.columnMapping.mode", "name"}}), "ok");
  EXPECT_EQ(writable({.reader = 1, .writer = 6}, {{"delta.enableIcebergCompatV1", "true"}}),
            "the table uses the writer feature 'icebergCompatV1', which is not supported");
}

TEST(TableFeaturesTest, ReadsIntervals) {
  EXPECT_EQ(ParseInterval("interval 7 days"), 7 * 86'400'000LL);
  EXPECT_EQ(ParseInterval("INTERVAL 1 week"), 604'800'000);
  EXPECT_EQ(ParseInterval("2 hours"), 7'200'000);
  EXPECT_EQ(ParseInterval("interval 0 seconds"), 0);
  EXPECT_EQ(ParseInterval("interval 1 month"), std::nullopt);
  EXPECT_EQ(ParseInterval("interval -1 days"), std::nullopt);
  EXPECT_EQ(ParseInterval(""), std::nullopt);
}

}  // namespace
}  // namespace sluice::lake::internal
