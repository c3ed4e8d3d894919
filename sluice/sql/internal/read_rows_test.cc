#include "sluice/sql/internal/read_rows.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gtest/gtest.h>

#include <cstring>

namespace sluice::sql::internal {
namespace {

/// An Arrow stream of one column of text, with these texts.
std::string Stream(const std::vector<std::string>& texts) {
  arrow::StringBuilder builder;
  EXPECT_TRUE(builder.AppendValues(texts).ok());
  const auto schema = arrow::schema({arrow::field("t", arrow::utf8())});
  const auto column = builder.Finish().ValueOrDie();
  const auto batch = arrow::RecordBatch::Make(schema, column->length(), {column});
  const auto output = arrow::io::BufferOutputStream::Create().ValueOrDie();
  const auto writer = arrow::ipc::MakeStreamWriter(output, schema).ValueOrDie();
  EXPECT_TRUE(writer->WriteRecordBatch(*batch).ok());
  EXPECT_TRUE(writer->Close().ok());
  return output->Finish().ValueOrDie()->ToString();
}

TEST(ReadRowsTest, ReadsTheFirstColumn) {
  const auto rows = ReadArrowStream(Stream({"a", "", "bc"}));
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(FirstTexts(*rows), (std::vector<std::string>{"a", "", "bc"}));
}

// A worker may be in an attacker's hands: offsets that lead out of the answer would show what else
// lies in the server's memory.
TEST(ReadRowsTest, RefusesTextsThatLieElsewhere) {
  std::string stream = Stream({"a", "bc", "def"});
  const int32_t offsets[] = {0, 1, 3, 6};
  const size_t at = stream.find(std::string_view(reinterpret_cast<const char*>(offsets), 16));
  ASSERT_NE(at, std::string::npos);
  const int32_t far = 1 << 20;
  std::memcpy(stream.data() + at + 12, &far, sizeof(far));
  const auto rows = ReadArrowStream(stream);
  ASSERT_FALSE(rows.ok());
  EXPECT_EQ(rows.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::sql::internal
