#include "sluice/columnar/parquet_footer.h"

#include <arrow/api.h>
#include <arrow/extension/json.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <arrow/util/key_value_metadata.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

namespace sluice::columnar {
namespace {

std::shared_ptr<arrow::Table> TableOf(const arrow::FieldVector& fields,
                                      const std::vector<std::string>& columns) {
  arrow::ArrayVector arrays;
  for (size_t i = 0; i < fields.size(); ++i) {
    arrays.push_back(arrow::json::ArrayFromJSONString(fields[i]->type(), columns[i]).ValueOrDie());
  }
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

std::string Write(const arrow::Table& table, bool int96 = false, bool with_statistics = true) {
  auto sink = arrow::io::BufferOutputStream::Create().ValueOrDie();
  parquet::WriterProperties::Builder properties;
  if (!with_statistics) properties.disable_statistics();
  parquet::ArrowWriterProperties::Builder arrow_properties;
  if (int96) arrow_properties.enable_deprecated_int96_timestamps();
  arrow_properties.store_schema();
  EXPECT_TRUE(parquet::arrow::WriteTable(table, arrow::default_memory_pool(), sink,
                                         /*chunk_size=*/2, properties.build(),
                                         arrow_properties.build())
                  .ok());
  return sink->Finish().ValueOrDie()->ToString();
}

Result<ParquetFooter> Read(const std::string& bytes) {
  return ReadParquetFooter(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(bytes)));
}

// Statistics of such a column come as bytes, its values as text.
TEST(ParquetFooterTest, HasNoBoundsThatAreOfAnotherTypeThanTheColumn) {
  const auto texts = arrow::json::ArrayFromJSONString(arrow::utf8(), R"(["{}", "[1]"])");
  const auto type = arrow::extension::json(arrow::utf8());
  const auto table =
      arrow::Table::Make(arrow::schema({arrow::field("j", type)}),
                         {arrow::ExtensionType::WrapArray(type, texts.ValueOrDie())});
  const auto footer = Read(Write(*table));
  ASSERT_TRUE(footer.ok()) << footer.error().message();
  EXPECT_EQ(footer->schema->field(0)->type()->id(), arrow::Type::STRING);
  const ColumnStatistics& column = footer->columns.at("j");
  EXPECT_EQ(column.null_count, 0);
  EXPECT_EQ(column.minimum, nullptr);
  EXPECT_EQ(column.maximum, nullptr);
}

TEST(ParquetFooterTest, HasTheTypesOfTheFileAndTheBoundsOfAllRowGroups) {
  const auto table = TableOf(
      {arrow::field("n", arrow::int32()), arrow::field("text", arrow::large_utf8()),
       arrow::field("real", arrow::float64()), arrow::field("list", arrow::list(arrow::int8())),
       arrow::field("price", arrow::decimal128(9, 2)), arrow::field("must", arrow::int64(), false)},
      {"[5, null, -3]", R"(["b", "a", null])", "[1.5, 2.5, 3.5]", "[[1], null, []]",
       R"(["1.50", "-2.25", null])", "[7, 9, 8]"});
  const auto footer = Read(Write(*table));
  ASSERT_TRUE(footer.ok()) << footer.error().message();
  EXPECT_EQ(footer->rows, 3);
  // Not the type that Arrow remembers.
  EXPECT_EQ(footer->schema->GetFieldByName("text")->type()->id(), arrow::Type::STRING);
  EXPECT_EQ(footer->schema->GetFieldByName("list")->type()->ToString(), "list<element: int8>");
  const auto bounds = [&](const char* name) {
    const ColumnStatistics& column = footer->columns.at(name);
    if (column.minimum == nullptr) return fmt::format("{} nulls", column.null_count);
    return fmt::format("{} nulls, {} to {}", column.null_count, column.minimum->ToString(),
                       column.maximum->ToString());
  };
  EXPECT_EQ(bounds("n"), "1 nulls, -3 to 5");
  EXPECT_EQ(bounds("text"), "1 nulls, a to b");
  EXPECT_EQ(bounds("real"), "0 nulls");
  EXPECT_EQ(bounds("price"), "1 nulls, -2.25 to 1.50");
  EXPECT_EQ(bounds("must"), "0 nulls, 7 to 9");
  EXPECT_FALSE(footer->columns.contains("list"));

  const auto silent = Read(Write(*table, false, /*with_statistics=*/false));
  ASSERT_TRUE(silent.ok()) << silent.error().message();
  EXPECT_FALSE(silent->columns.contains("n"));
}

TEST(ParquetFooterTest, OldTimesAreInUtcAndOldCalendarsHaveNoBounds) {
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO);
  const auto table = TableOf({arrow::field("at", micros), arrow::field("day", arrow::date32()),
                              arrow::field("s", arrow::struct_({arrow::field("at", micros)}))},
                             {"[1, 2]", "[-200000, 1]", R"([{"at": 1}, null])"});
  const auto footer = Read(Write(*table, /*int96=*/true));
  ASSERT_TRUE(footer.ok()) << footer.error().message();
  const auto utc = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  EXPECT_TRUE(footer->schema->field(0)->type()->Equals(utc)) << footer->schema->ToString();
  EXPECT_TRUE(footer->schema->field(2)->type()->field(0)->type()->Equals(utc));
  EXPECT_NE(footer->columns.at("day").minimum, nullptr);

  const auto noted = table->ReplaceSchemaMetadata(
      arrow::key_value_metadata({"org.apache.spark.legacyDateTime"}, {""}));
  const auto julian = Read(Write(*noted));
  ASSERT_TRUE(julian.ok()) << julian.error().message();
  EXPECT_EQ(julian->columns.at("day").minimum, nullptr);
}

TEST(ParquetFooterTest, WhatIsNoParquetFileIsRefused) {
  const std::string whole = Write(*TableOf({arrow::field("n", arrow::int32())}, {"[1]"}));
  std::string liar(1000, ' ');  // The footer would be larger than the file.
  liar += "\x7f\x7f\x7f\x7fPAR1";
  const std::vector<std::string> mistakes = {"", "id,name\n1,x\n",
                                             whole.substr(0, whole.size() - 1), liar};
  for (const std::string& bytes : mistakes) {
    const auto footer = Read(bytes);
    ASSERT_FALSE(footer.ok());
    EXPECT_EQ(footer.error().code(), ErrorCode::kInvalid) << footer.error().message();
  }
}

}  // namespace
}  // namespace sluice::columnar
