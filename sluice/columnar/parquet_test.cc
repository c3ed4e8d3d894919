#include "sluice/columnar/parquet.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>

namespace sluice::columnar {
namespace {

std::shared_ptr<arrow::Array> Array(const std::shared_ptr<arrow::DataType>& type,
                                    const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

Batch Sample() {
  const auto at = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("n", arrow::int64()), arrow::field("s", arrow::utf8()),
                     arrow::field("at", at), arrow::field("ok", arrow::boolean()),
                     arrow::field("d", arrow::float64()),
                     arrow::field("price", arrow::decimal128(10, 2)),
                     arrow::field("id", arrow::fixed_size_binary(4)),
                     arrow::field("list", arrow::list(arrow::int32()))}),
      3,
      {Array(arrow::int64(), "[5, null, -3]"), Array(arrow::utf8(), R"(["b", "a", null])"),
       Array(at, "[1, 1700000000000001, null]"), Array(arrow::boolean(), "[true, false, null]"),
       Array(arrow::float64(), "[1.5, null, 0.25]"),
       Array(arrow::decimal128(10, 2), R"(["1.50", "-2.25", null])"),
       Array(arrow::fixed_size_binary(4), R"(["abcd", null, "efgh"])"),
       Array(arrow::list(arrow::int32()), "[[1, 2], null, []]")});
}

TEST(ParquetTest, ComesBackFromItsBytes) {
  const Batch batch = Sample();
  const auto file = WriteParquet(batch->schema(), {batch, batch}, {.row_group_rows_max = 4});
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  EXPECT_EQ(file->rows, 6);
  const auto read = ReadParquet(file->bytes);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  const auto joined = *Concatenate(*read);
  EXPECT_TRUE(joined->Slice(3)->Equals(*batch)) << joined->ToString();

  const auto two = ReadParquet(file->bytes, {"list", "n"});
  ASSERT_TRUE(two.ok()) << two.error().ToString();
  EXPECT_EQ(two->front()->schema()->field_names(), (std::vector<std::string>{"list", "n"}));
  const auto older = ReadParquet(file->bytes, {"x", "n"});
  ASSERT_TRUE(older.ok()) << older.error().ToString();
  EXPECT_EQ(older->front()->schema()->field_names(), (std::vector<std::string>{"n"}));
}

// Spark writes timestamps as 12-byte integers of nanoseconds unless told otherwise, and Arrow would
// wrap what lies outside of 1677 .. 2262.
TEST(ParquetTest, ReadsTheTimestampsOfOtherWritersAsMicroseconds) {
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const auto millis = arrow::timestamp(arrow::TimeUnit::MILLI, "UTC");
  const auto table = arrow::Table::Make(
      arrow::schema({arrow::field("old", micros), arrow::field("coarse", millis)}),
      {Array(micros, "[-1, 1700000000000001, null, 95617584000000001]"),
       Array(millis, "[-1, 1700000000000, null, 95617584000000]")});
  const auto arrow_properties =
      parquet::ArrowWriterProperties::Builder().enable_deprecated_int96_timestamps()->build();
  for (const bool int96 : {true, false}) {
    const auto output = arrow::io::BufferOutputStream::Create().ValueOrDie();
    ASSERT_TRUE(parquet::arrow::WriteTable(
                    *table, arrow::default_memory_pool(), output, 1 << 20,
                    parquet::default_writer_properties(),
                    int96 ? arrow_properties : parquet::default_arrow_writer_properties())
                    .ok());
    const auto read = ReadParquet(output->Finish().ValueOrDie()->ToString());
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    const auto column = [&](const char* name) {
      return std::static_pointer_cast<arrow::TimestampArray>(read->front()->GetColumnByName(name));
    };
    const auto unit = [](const arrow::Array& array) {
      return static_cast<const arrow::TimestampType&>(*array.type()).unit();
    };
    EXPECT_EQ(unit(*column("old")), arrow::TimeUnit::MICRO);
    EXPECT_EQ(unit(*column("coarse")), arrow::TimeUnit::MICRO);
    EXPECT_EQ(column("old")->Value(0), -1);
    EXPECT_EQ(column("old")->Value(1), 1700000000000001);
    EXPECT_TRUE(column("old")->IsNull(2));
    EXPECT_EQ(column("old")->Value(3), 95617584000000001);
    EXPECT_EQ(column("coarse")->Value(0), -1000);
    EXPECT_EQ(column("coarse")->Value(3), 95617584000000000);
  }
}

TEST(ParquetTest, HasStatistics) {
  const Batch batch = Sample();
  const auto file = WriteParquet(batch->schema(), {batch->Slice(2), batch},
                                 {.row_group_rows_max = 1, .random_columns = {"id"}});
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  const auto show = [&](const std::string& name) {
    const ColumnStatistics& column = file->columns.at(name);
    return std::to_string(column.null_count) + " " +
           (column.minimum ? column.minimum->ToString() : "-") + " " +
           (column.maximum ? column.maximum->ToString() : "-");
  };
  EXPECT_EQ(show("n"), "1 -3 5");
  EXPECT_EQ(show("s"), "2 a b");
  EXPECT_EQ(show("at"), "2 1970-01-01 00:00:00.000001Z 2023-11-14 22:13:20.000001Z");
  EXPECT_EQ(show("ok"), "2 - -");
  EXPECT_EQ(show("d"), "1 0.25 1.5");
  EXPECT_EQ(show("price"), "2 -2.25 1.50");
  EXPECT_EQ(show("id"), "1 - -");
  EXPECT_EQ(file->columns.at("list").minimum, nullptr);
}

TEST(ParquetTest, GivesNoBoundsThatEnginesWouldReadDifferently) {
  const auto schema =
      arrow::schema({arrow::field("d", arrow::float64()), arrow::field("s", arrow::utf8())});
  arrow::StringBuilder text;
  ASSERT_TRUE(text.Append(std::string(10'000, 'x')).ok());
  ASSERT_TRUE(text.Append("a").ok());
  const auto batch = arrow::RecordBatch::Make(
      schema, 2, {Array(arrow::float64(), "[NaN, 1]"), text.Finish().ValueOrDie()});
  const auto file = WriteParquet(schema, {batch});
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(file->columns.at("d").maximum, nullptr);
  EXPECT_EQ(file->columns.at("s").maximum, nullptr);
}

TEST(ParquetTest, TellsReadersWhereNotToLookForAValue) {
  const Batch batch = Sample();
  const auto file = WriteParquet(
      batch->schema(), {batch}, {.random_columns = {"id"}, .bloom_filter_columns = {"id", "none"}});
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  const auto reader = parquet::ParquetFileReader::Open(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(file->bytes)));
  const auto group = reader->metadata()->RowGroup(0);
  for (int i = 0; i < group->num_columns(); ++i) {
    const auto column = group->ColumnChunk(i);
    EXPECT_EQ(column->bloom_filter_offset().has_value(),
              column->path_in_schema()->ToDotString() == "id");
  }
}

TEST(ParquetTest, LeavesFilesOfAFewRowsUncompressed) {
  const Batch batch = Sample();
  const auto compression_of = [&](size_t batches) {
    const auto file = WriteParquet(batch->schema(), std::vector<Batch>(batches, batch));
    return parquet::ParquetFileReader::Open(
               std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(file->bytes)))
        ->metadata()
        ->RowGroup(0)
        ->ColumnChunk(1)
        ->compression();
  };
  EXPECT_EQ(compression_of(1), parquet::Compression::UNCOMPRESSED);
  EXPECT_EQ(compression_of(100), parquet::Compression::ZSTD);
}

TEST(ParquetTest, UsesTheSettingsOfEachColumn) {
  const Batch batch = Sample();
  const auto file =
      WriteParquet(batch->schema(), std::vector<Batch>(100, batch), {.random_columns = {"id"}});
  ASSERT_TRUE(file.ok());
  const auto reader = parquet::ParquetFileReader::Open(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(file->bytes)));
  const auto group = reader->metadata()->RowGroup(0);
  const auto has = [&](int column, parquet::Encoding::type encoding) {
    const auto encodings = group->ColumnChunk(column)->encodings();
    return std::ranges::find(encodings, encoding) != encodings.end();
  };
  EXPECT_TRUE(has(0, parquet::Encoding::DELTA_BINARY_PACKED));
  EXPECT_TRUE(has(1, parquet::Encoding::RLE_DICTIONARY));
  EXPECT_TRUE(has(2, parquet::Encoding::DELTA_BINARY_PACKED));
  EXPECT_EQ(group->ColumnChunk(1)->compression(), parquet::Compression::ZSTD);
  EXPECT_EQ(group->ColumnChunk(6)->compression(), parquet::Compression::UNCOMPRESSED);
  EXPECT_FALSE(group->ColumnChunk(6)->is_stats_set());
  EXPECT_TRUE(group->ColumnChunk(0)->GetColumnIndexLocation().has_value());
}

TEST(ParquetTest, StoresTextByHowOftenItRepeats) {
  const auto schema =
      arrow::schema({arrow::field("few", arrow::utf8()), arrow::field("many", arrow::utf8()),
                     arrow::field("unique", arrow::utf8())});
  std::vector<Batch> batches;
  for (int part = 0; part < 50; ++part) {
    arrow::StringBuilder few, many, unique;
    for (int i = 0; i < 1000; ++i) {
      const int row = part * 1000 + i;
      // Nulls in some of the batches only.
      ASSERT_TRUE((part % 3 == 1 && i % 7 == 0 ? few.AppendNull()
                                               : few.Append("f" + std::to_string(row % 10)))
                      .ok());
      ASSERT_TRUE(many.Append("m" + std::to_string(row * 7919 % 20'000 + 10'000)).ok());
      ASSERT_TRUE(unique.Append("u" + std::to_string(row + 100'000)).ok());
    }
    batches.push_back(arrow::RecordBatch::Make(
        schema, 1000,
        {few.Finish().ValueOrDie(), many.Finish().ValueOrDie(), unique.Finish().ValueOrDie()}));
  }
  batches[7] = batches[7]->Slice(100, 800);
  const auto file = WriteParquet(schema, batches, {.row_group_rows_max = 30'000});
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  const Batch read = *Concatenate(*ReadParquet(file->bytes));
  const Batch written = *Concatenate(batches);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(read->column(i)->Equals(*written->column(i))) << i;
  // Only a column with nulls may have them in the file.
  EXPECT_TRUE(read->schema()->field(0)->nullable());
  EXPECT_FALSE(read->schema()->field(1)->nullable());

  const auto reader = parquet::ParquetFileReader::Open(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(file->bytes)));
  for (int group = 0; group < 2; ++group) {
    const auto metadata = reader->metadata()->RowGroup(group);
    const auto has = [&](int column, parquet::Encoding::type encoding) {
      const auto encodings = metadata->ColumnChunk(column)->encodings();
      return std::ranges::find(encodings, encoding) != encodings.end();
    };
    EXPECT_TRUE(has(0, parquet::Encoding::RLE_DICTIONARY));
    EXPECT_TRUE(metadata->ColumnChunk(0)->is_stats_set());
    EXPECT_TRUE(has(1, parquet::Encoding::RLE_DICTIONARY));
    EXPECT_TRUE(has(2, parquet::Encoding::DELTA_LENGTH_BYTE_ARRAY));
    EXPECT_FALSE(has(2, parquet::Encoding::RLE_DICTIONARY));
  }
  const auto bounds = [&](const std::string& name) {
    return file->columns.at(name).minimum->ToString() + " " +
           file->columns.at(name).maximum->ToString();
  };
  EXPECT_EQ(bounds("few"), "f0 f9");
  EXPECT_EQ(bounds("many"), "m10000 m29999");
  EXPECT_EQ(bounds("unique"), "u100000 u149999");
  EXPECT_EQ(file->columns.at("few").null_count, written->column(0)->null_count());
}

// Of floating-point numbers a trial decides, for what they measure is often all noise.
TEST(ParquetTest, StoresNumbersByWhatMakesThemSmaller) {
  constexpr int kRows = 20'000;
  arrow::DoubleBuilder noise;
  arrow::DoubleBuilder prices;
  arrow::DoubleBuilder steps;
  arrow::FloatBuilder late;  // Noise, but for its first tenth.
  uint64_t state = 7;
  for (int i = 0; i < kRows; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    ASSERT_TRUE(noise.Append(static_cast<double>(state >> 11) * 1e-15).ok());
    ASSERT_TRUE(prices.Append(static_cast<double>(state >> 59) + 0.99).ok());
    ASSERT_TRUE(steps.Append(i).ok());
    ASSERT_TRUE(late.Append(i < kRows / 10 ? 0 : 1e-9F * static_cast<float>(state >> 33)).ok());
  }
  arrow::ArrayVector columns = {*noise.Finish(), *prices.Finish(), *steps.Finish(), *late.Finish()};
  const auto batch = arrow::RecordBatch::Make(
      arrow::schema(
          {arrow::field("noise", arrow::float64()), arrow::field("prices", arrow::float64()),
           arrow::field("steps", arrow::float64()), arrow::field("late", arrow::float32())}),
      kRows, columns);
  const auto file = WriteParquet(batch->schema(), {batch->Slice(0, 500), batch->Slice(500)});
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  const auto metadata =
      parquet::ParquetFileReader::Open(
          std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(file->bytes)))
          ->metadata();
  const auto column = [&](int i) { return metadata->RowGroup(0)->ColumnChunk(i); };
  EXPECT_FALSE(column(0)->has_dictionary_page());
  EXPECT_EQ(column(0)->compression(), parquet::Compression::UNCOMPRESSED);
  EXPECT_TRUE(column(1)->has_dictionary_page());
  EXPECT_FALSE(column(2)->has_dictionary_page());
  EXPECT_EQ(column(2)->compression(), parquet::Compression::ZSTD);
  EXPECT_FALSE(column(3)->has_dictionary_page());
  EXPECT_TRUE(file->columns.at("noise").minimum != nullptr);
  const auto read = ReadParquet(file->bytes);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ((*Concatenate(*read))->ToString(), batch->ToString());
}

TEST(ParquetTest, WritesNoRows) {
  const auto schema = Sample()->schema();
  const auto file = WriteParquet(schema, {});
  ASSERT_TRUE(file.ok()) << file.error().ToString();
  EXPECT_EQ(file->rows, 0);
  EXPECT_TRUE(ReadParquet(file->bytes).ok());
}

TEST(ParquetTest, RefusesDamagedFiles) {
  const Batch batch = Sample();
  const std::string bytes = WriteParquet(batch->schema(), {batch})->bytes;
  for (size_t size = 0; size < bytes.size(); size += 7) {
    EXPECT_EQ(ReadParquet(std::string_view(bytes).substr(0, size)).error().code(),
              ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace sluice::columnar
