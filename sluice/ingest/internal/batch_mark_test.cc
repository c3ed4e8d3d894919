#include "sluice/ingest/internal/batch_mark.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

namespace sluice::ingest::internal {
namespace {

TEST(BatchMarkTest, LastsInTheMetadataBesideWhatIsThere) {
  arrow::StringBuilder builder;
  ASSERT_TRUE(builder.AppendNull().ok());
  ASSERT_TRUE(builder.AppendValues({"{}", "{ \"a\": 1}", "sealed"}).ok());
  const auto metadata = builder.Finish().ValueOrDie();
  const auto marked = MarkMetadata(*metadata, 0x123);
  ASSERT_TRUE(marked.ok());
  const auto& texts = static_cast<const arrow::StringArray&>(**marked);
  EXPECT_EQ(texts.GetView(0), R"({"$batch":"0000000000000123"})");
  EXPECT_EQ(texts.GetView(1), R"({"$batch":"0000000000000123"})");
  EXPECT_EQ(texts.GetView(2), R"({"$batch":"0000000000000123","a": 1})");
  EXPECT_EQ(texts.GetView(3), R"({"$batch":"0000000000000123","metadata":"sealed"})");

  const auto schema = arrow::schema({arrow::field("_metadata", arrow::utf8())});
  std::vector<uint64_t> contents = {1, 2, 3, 4};
  TakeMarks(arrow::RecordBatch::Make(schema, 4, {*marked}), contents);
  EXPECT_EQ(contents, (std::vector<uint64_t>{0x123, 0x123, 0x123, 0x123}));
  contents = {1, 2, 3, 4};
  TakeMarks(arrow::RecordBatch::Make(schema, 4, {metadata}), contents);
  EXPECT_EQ(contents, (std::vector<uint64_t>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace sluice::ingest::internal
