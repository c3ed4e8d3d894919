#include "sluice/columnar/row_writer.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace sluice::columnar {
namespace {

std::string Written(RowForm form, const Batch& batch) {
  std::string bytes;
  auto writer = RowWriter::Open(form, batch->schema(), [&bytes](std::string_view more) {
    bytes += more;
    return Status();
  });
  SLUICE_CHECK(writer.ok());
  SLUICE_CHECK((*writer)->Write(batch).ok());
  SLUICE_CHECK((*writer)->Finish().ok());
  return bytes;
}

Batch One(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  const auto column = arrow::json::ArrayFromJSONString(type, "[" + json + "]").ValueOrDie();
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("x", type)}), 1, {column});
}

TEST(RowWriterTest, WritesObjectsOrFieldsWithTheirNames) {
  const Batch batch = One(arrow::utf8(), R"("a\"b,\n")");
  EXPECT_EQ(Written(RowForm::kNdjson, batch), "{\"x\":\"a\\\"b,\\n\"}\n");
  EXPECT_EQ(Written(RowForm::kCsv, batch), "x\r\n\"a\"\"b,\n\"\r\n");
}

TEST(RowWriterTest, TellsHowManyRowsTheBytesHold) {
  const Batch batch = One(arrow::int32(), "7");
  for (const RowForm form : {RowForm::kArrow, RowForm::kParquet, RowForm::kNdjson, RowForm::kCsv}) {
    const bool text = form == RowForm::kNdjson || form == RowForm::kCsv;
    auto writer = RowWriter::Open(form, batch->schema(), [](std::string_view) { return Status(); });
    ASSERT_TRUE(writer.ok());
    for (int64_t rows = 1; rows <= 3; ++rows) {
      ASSERT_TRUE((*writer)->Write(batch).ok());
      EXPECT_EQ((*writer)->rows(), form == RowForm::kParquet ? std::nullopt : std::optional(rows));
    }
    ASSERT_TRUE((*writer)->Finish().ok());
    EXPECT_EQ((*writer)->rows(), 3);
    if (!text) continue;
    // Text ends with a row wherever the sink gets some.
    const std::string value = '"' + std::string(200u << 10, 'x') + '"';
    const Batch large =
        arrow::RecordBatch::Make(arrow::schema({arrow::field("x", arrow::utf8())}), 3,
                                 {arrow::json::ArrayFromJSONString(
                                      arrow::utf8(), "[" + value + "," + value + "," + value + "]")
                                      .ValueOrDie()});
    std::vector<int64_t> told;
    writer = RowWriter::Open(form, large->schema(), [&](std::string_view bytes) {
      EXPECT_EQ(bytes.back(), '\n');
      told.push_back((*writer)->rows().value());
      return Status();
    });
    ASSERT_TRUE((*writer)->Write(large).ok());
    EXPECT_EQ(told, (std::vector<int64_t>{2, 3}));
  }
}

}  // namespace
}  // namespace sluice::columnar
