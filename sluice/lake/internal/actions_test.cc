#include "sluice/lake/internal/actions.h"

#include <gtest/gtest.h>

#include <random>

#include "sluice/lake/internal/checkpoint.h"

namespace sluice::lake::internal {
namespace {

std::string Sample() {
  std::string text;
  AppendCommitInfo(text,
                   {.id = "id", .at_ms = 1, .operation = "WRITE", .parameters = {{"a", "b"}}});
  AppendProtocol(text, {.reader = 3, .writer = 7, .reader_features = {{"timestampNtz"}}});
  AppendMetadata(text, {.id = "m",
                        .name = "n\"",
                        .schema = R"({"type":"struct","fields":[]})",
                        .partition_columns = {"day"},
                        .configuration = {{"k", "v"}},
                        .created_ms = 5});
  AppendTransaction(text, {.app_id = "app", .version = -1, .last_updated_ms = 9});
  AppendAdd(text, {.path = "day=1/a%20b",
                   .partition_values = {{"day", std::nullopt}},
                   .size = 7,
                   .modified_ms = 8,
                   .stats = R"({"numRecords":3})",
                   .rows = 3});
  return text;
}

TEST(ActionsTest, ComeBackFromTheirLines) {
  const auto actions = ParseActions(Sample());
  ASSERT_TRUE(actions.ok()) << actions.error().ToString();
  EXPECT_EQ(actions->commit_id, "id");
  EXPECT_EQ(actions->protocol->reader_features, std::vector<std::string>{"timestampNtz"});
  EXPECT_EQ(actions->protocol->writer_features, std::nullopt);
  EXPECT_EQ(actions->metadata->name, "n\"");
  EXPECT_EQ(actions->metadata->configuration.at("k"), "v");
  EXPECT_EQ(actions->transactions.at(0).last_updated_ms, 9);
  EXPECT_EQ(actions->adds.at(0).file.path, "day=1/a%20b");
  EXPECT_EQ(actions->adds.at(0).file.rows, 3);
  EXPECT_EQ(actions->adds.at(0).file.partition_values.at("day"), std::nullopt);
}

TEST(ActionsTest, AreReadLiberally) {
  const auto actions = ParseActions(
      "\n{\"future\":{\"x\":1}}\r\n{\"cdc\":{\"path\":\"c\"}}\n{}\n{\"add\":null}\n"
      "{\"add\":{\"path\":\"a\",\"size\":1.0,\"partitionValues\":{\"n\":5,\"e\":\"\"},"
      "\"deletionVector\":{\"storageType\":null},\"unknown\":[]}}");
  ASSERT_TRUE(actions.ok()) << actions.error().ToString();
  const Add& add = actions->adds.at(0);
  EXPECT_EQ(add.file.size, 1);
  EXPECT_EQ(add.file.partition_values.at("n"), "5");
  EXPECT_EQ(add.file.partition_values.at("e"), std::nullopt);
  EXPECT_EQ(add.file.deletion_vector, nullptr);
  EXPECT_FALSE(add.file.rows);
}

TEST(ActionsTest, AreRefusedWhenTheyMeanNothing) {
  for (const std::string_view text :
       {"{", "[]", "{\"add\":{}}", "{\"add\":{\"path\":5}}", "{\"add\":{\"path\":\"../x\"}}",
        "{\"remove\":{}}", "{\"add\":{\"path\":\"a\",\"size\":\"x\"}}",
        "{\"protocol\":{\"minReaderVersion\":99999999999}}"}) {
    const auto actions = ParseActions(text);
    ASSERT_FALSE(actions.ok()) << text;
    EXPECT_EQ(actions.error().code(), ErrorCode::kCorrupt);
    EXPECT_TRUE(actions.error().message().starts_with("line 1: ")) << actions.error().message();
  }
}

TEST(ActionsTest, SurviveDamage) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const std::string whole = Sample();
  for (int i = 0; i < 5000; ++i) {
    std::string damaged = whole;
    for (int flips = 0; flips < 3; ++flips) {
      damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
    }
    static_cast<void>(ParseActions(damaged).ok());
    static_cast<void>(ReadCheckpoint(damaged, [](const Actions&) {}).ok());
  }
}

TEST(ActionsTest, CountRowsWhereverTheCountStands) {
  EXPECT_EQ(RowsOf(R"({"numRecords":12,"minValues":{}})"), 12);
  EXPECT_EQ(RowsOf(R"({"numRecords":12})"), 12);
  EXPECT_EQ(RowsOf(R"({"minValues":{"numRecords":5},"numRecords": 12})"), 12);
  EXPECT_EQ(RowsOf(R"({"minValues":{"numRecords":5}})"), std::nullopt);
  EXPECT_EQ(RowsOf(R"({"numRecords":})"), std::nullopt);
  EXPECT_EQ(RowsOf(""), std::nullopt);
}

TEST(ActionsTest, KeyAFileByItsPathAndItsVector) {
  const DeletionVector vector{.storage = "u", .data = "ab^-aqEH.-t@S}K{vb[*k^", .offset = 4};
  EXPECT_EQ(vector.Id(), "uab^-aqEH.-t@S}K{vb[*k^@4");
  EXPECT_NE(FileKey("a", &vector), FileKey("a", nullptr));
  EXPECT_EQ(FileKey("file:///a%20b", nullptr), FileKey("/a b", nullptr));
}

}  // namespace
}  // namespace sluice::lake::internal
