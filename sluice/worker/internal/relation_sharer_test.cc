#include "sluice/worker/internal/relation_sharer.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <string>

namespace sluice::worker::internal {
namespace {

duck::Relation RelationOf(const std::string& name) {
  arrow::StringBuilder texts;
  EXPECT_TRUE(texts.Append(std::string(1000, 'x')).ok());
  const auto schema = arrow::schema({arrow::field("t", arrow::utf8())});
  duck::Relation relation;
  relation.schema_name = "bronze";
  relation.name = name;
  relation.schema = schema;
  relation.batches = {arrow::RecordBatch::Make(schema, 1, {*texts.Finish()})};
  return relation;
}

TEST(RelationSharerTest, ForgetsWhatNobodyAsksForAnyMore) {
  os::SimulatedClock clock{os::Timestamp()};
  RelationSharer sharer(clock);
  ASSERT_TRUE(sharer.Share("a", RelationOf("old")).ok());
  clock.Advance(std::chrono::seconds(20));
  ASSERT_TRUE(sharer.Share("a", RelationOf("new")).ok());
  const uint64_t both = sharer.Bytes();
  EXPECT_GT(both, 2000u);
  clock.Advance(std::chrono::seconds(20));
  sharer.DropUnused(std::chrono::seconds(30));
  EXPECT_EQ(sharer.Bytes(), both / 2);
  clock.Advance(std::chrono::seconds(20));
  sharer.DropUnused(std::chrono::seconds(30));
  EXPECT_EQ(sharer.Bytes(), 0u);
}

TEST(RelationSharerTest, GivesNoTenantMemoryWithRowsOfAnother) {
  os::SimulatedClock clock{os::Timestamp()};
  RelationSharer sharer(clock);
  duck::Relation several = RelationOf("t");
  several.batches.push_back(RelationOf("t").batches.front());
  const auto first = sharer.Share("a", several);
  const auto other = sharer.Share("b", RelationOf("t"));
  ASSERT_TRUE(first.ok() && other.ok());
  ASSERT_EQ(first->answer.memories.size(), 2u);
  for (const auto& memory : other->answer.memories) {
    for (const auto& of_first : first->answer.memories) EXPECT_NE(memory.number, of_first.number);
  }
  // The same rows are not copied again for the next query of the same tenant.
  const auto again = sharer.Share("a", several);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->answer.memories[0].number, first->answer.memories[0].number);
  EXPECT_EQ(again->answer.memories[1].number, first->answer.memories[1].number);
}

}  // namespace
}  // namespace sluice::worker::internal
