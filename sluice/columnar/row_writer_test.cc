#include "sluice/columnar/row_writer.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>

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

TEST(RowWriterTest, WritesTimesInIso8601) {
  const auto utc = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto local = arrow::timestamp(arrow::TimeUnit::MICRO);
  struct Case {
    std::shared_ptr<arrow::DataType> type;
    std::string value;
    std::string text;
  };
  for (const auto& [type, value, text] :
       std::vector<Case>{{utc, "1700000000005000", "2023-11-14T22:13:20.005000Z"},
                         {local, "1700000000005000", "2023-11-14T22:13:20.005000"},
                         {utc, "-1", "1969-12-31T23:59:59.999999Z"},
                         {local, "-62135596800000000", "0001-01-01T00:00:00.000000"},
                         {arrow::date32(), "-141428", "1582-10-14"}}) {
    EXPECT_EQ(Written(RowForm::kNdjson, One(type, value)), "{\"x\":\"" + text + "\"}\n");
    EXPECT_EQ(Written(RowForm::kCsv, One(type, value)), "x\r\n" + text + "\r\n");
  }
}

TEST(RowWriterTest, WritesValuesThatJsonHasNoWordFor) {
  EXPECT_EQ(Written(RowForm::kNdjson, One(arrow::float64(), "NaN")), "{\"x\":\"NaN\"}\n");
  EXPECT_EQ(Written(RowForm::kNdjson, One(arrow::float64(), "-Inf")), "{\"x\":\"-Infinity\"}\n");
  EXPECT_EQ(Written(RowForm::kNdjson, One(arrow::binary(), "\"ab\"")), "{\"x\":\"YWI=\"}\n");
  EXPECT_EQ(Written(RowForm::kNdjson, One(arrow::utf8(), "null")), "{\"x\":null}\n");
  EXPECT_EQ(Written(RowForm::kCsv, One(arrow::utf8(), R"("a\"b,\n")")), "x\r\n\"a\"\"b,\n\"\r\n");
}

}  // namespace
}  // namespace sluice::columnar
