#include <arrow/api.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <fmt/format.h>

#include <chrono>

#include "fuzz/targets.h"
#include "sluice/columnar/batch.h"
#include "sluice/columnar/parquet.h"
#include "sluice/columnar/parquet_footer.h"
#include "sluice/store/internal/s3_text.h"

namespace sluice::fuzz {

namespace {

using columnar::Batch;
using columnar::Schema;

bool RunStoreText(std::string_view input) {
  using namespace store::internal;  // NOLINT
  // What we write into XML and addresses reads back.
  SLUICE_CHECK(XmlText("<a>" + EscapeXml(input) + "</a>", "a") == input);
  SLUICE_CHECK(DecodeUri(input).size() <= input.size());
  for (const char* const key : {"aws_access_key_id", "region"}) {
    SLUICE_CHECK(ProfileValue(input, "default", key).size() <= input.size());
  }
  const os::Timestamp time = ParseHttpTime(input);
  SLUICE_CHECK(time >= std::chrono::sys_days(std::chrono::year(0) / 1 / 1));
  SLUICE_CHECK(time < std::chrono::sys_days(std::chrono::year(10'001) / 1 / 1));
  std::vector<store::ObjectInfo> objects;
  const auto token = ParseListing(input, objects);
  if (!Understood(token)) return time != os::Timestamp();
  SLUICE_CHECK(objects.size() * std::string_view("<Contents></Contents>").size() <= input.size());
  for (const store::ObjectInfo& object : objects) {
    SLUICE_CHECK(!object.path.empty() && object.size <= uint64_t{INT64_MAX});
  }
  return true;
}

/// Touches every value. Texts of a foreign file may be no UTF-8.
void Visit(const arrow::RecordBatch& batch) {
  SLUICE_CHECK(batch.Validate().ok());
  static_cast<void>(columnar::HashRows(batch, batch.schema()->field_names()).ok());
}

bool RunFooter(std::string_view input) {
  const auto footer = columnar::ReadParquetFooter(
      std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::string(input))));
  if (!Understood(footer)) return false;
  for (const auto& [name, column] : footer->columns) {
    const auto field = footer->schema->GetFieldByName(name);
    if (field == nullptr) continue;  // Two columns have the name.
    for (const auto& bound : {column.minimum, column.maximum}) {
      if (bound != nullptr) SLUICE_CHECK(bound->type->Equals(field->type()));
    }
  }
  return true;
}

bool RunParquet(std::string_view input) {
  const auto batches = columnar::ReadParquet(input);
  const auto one = columnar::ReadParquet(input, {"i", "none"});
  if (one.ok()) {
    for (const Batch& batch : *one) Visit(*batch);
  }
  if (!Understood(batches)) return false;
  for (const Batch& batch : *batches) Visit(*batch);
  return true;
}

Schema FrameLike() {
  return arrow::schema(
      {arrow::field("i", arrow::int64()), arrow::field("t", arrow::utf8()),
       arrow::field("b", arrow::boolean()), arrow::field("d", arrow::decimal128(20, 0)),
       arrow::field("id", arrow::fixed_size_binary(16)),
       arrow::field("at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")),
       arrow::field("l", arrow::list(arrow::struct_({arrow::field("x", arrow::float64()),
                                                     arrow::field("y", arrow::binary())})))});
}

Batch Rows(int64_t rows) {
  const Schema schema = FrameLike();
  std::unique_ptr<arrow::RecordBatchBuilder> builder =
      arrow::RecordBatchBuilder::Make(schema, arrow::default_memory_pool()).ValueOrDie();
  auto& list = *builder->GetFieldAs<arrow::ListBuilder>(6);
  auto& item = static_cast<arrow::StructBuilder&>(*list.value_builder());
  for (int64_t row = 0; row < rows; ++row) {
    const bool null = row % 5 == 4;
    const std::string text = fmt::format("value {}", row * 7919 % 13);
    arrow::Status status;
    if (null) {
      for (int column = 0; column < schema->num_fields(); ++column) {
        status &= builder->GetField(column)->AppendNull();
      }
    } else {
      status &= builder->GetFieldAs<arrow::Int64Builder>(0)->Append(row);
      status &= builder->GetFieldAs<arrow::StringBuilder>(1)->Append(text);
      status &= builder->GetFieldAs<arrow::BooleanBuilder>(2)->Append(row % 2 == 0);
      status &= builder->GetFieldAs<arrow::Decimal128Builder>(3)->Append(arrow::Decimal128(row));
      status &= builder->GetFieldAs<arrow::FixedSizeBinaryBuilder>(4)->Append("0123456789abcdef");
      status &= builder->GetFieldAs<arrow::TimestampBuilder>(5)->Append(row * 1'000'000);
      status &= list.Append();
      status &= item.Append();
      status &= static_cast<arrow::DoubleBuilder&>(*item.field_builder(0)).Append(0.5);
      status &= static_cast<arrow::BinaryBuilder&>(*item.field_builder(1)).Append(text);
    }
    SLUICE_CHECK(status.ok());
  }
  return builder->Flush().ValueOrDie();
}

bool RunBatch(std::string_view input) {
  static const Schema kSchema = FrameLike();
  bool any = false;
  if (const auto schema = columnar::DeserializeSchema(input); Understood(schema)) {
    any = true;
    const auto bytes = columnar::SerializeSchema(**schema);
    if (bytes.ok()) {
      const auto again = columnar::DeserializeSchema(*bytes);
      SLUICE_CHECK(again.ok() && (*again)->Equals(**schema));
    }
    static_cast<void>(columnar::DeserializeBatch(*schema, input).ok());
  }
  const auto batch = columnar::DeserializeBatch(kSchema, input);
  if (!Understood(batch)) return any;
  Visit(**batch);
  const auto bytes = columnar::SerializeBatch(**batch);
  SLUICE_CHECK(bytes.ok());
  const auto again = columnar::DeserializeBatch(kSchema, *bytes);
  SLUICE_CHECK(again.ok());
  SLUICE_CHECK((*again)->Equals(**batch, false, arrow::EqualOptions::Defaults().nans_equal(true)));
  return true;
}

}  // namespace

std::vector<Target> ColumnTargets() {
  std::vector<Target> targets;
  targets.push_back(
      {.name = "store-text",
       .corpus =
           {R"(<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken><Contents><Key>a%2Fb+c&#x41;</Key><LastModified>2026-01-31T12:00:00.000Z</LastModified><Size>42</Size></Contents><Contents><Key>d</Key><LastModified>2026-01-31T12:00:00.000Z</LastModified><Size>0</Size></Contents></ListBucketResult>)",
            "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
            "Sat, 31 Jan 2026 12:00:00 GMT",
            "[default]\naws_access_key_id = AK\nregion=eu\n\n# x\n[profile p]\nregion = us\n"},
       .words = {"<Contents>", "</Contents>", "<Key>",
                 "</Key>",     "<Size>",      "<IsTruncated>true",
                 "&",          "&#",          "&#x0;",
                 "&#65;",      "&amp;",       ";",
                 "%",          "%2",          "<",
                 ">",          "[",           "]",
                 "=",          "-1",          "99999999999999999999",
                 "\n",         "\xFF",        std::string(1, '\0')},
       .run = RunStoreText});

  std::vector<std::string> files;
  for (const int64_t rows : {0, 9, 300}) {
    for (const auto compression : {columnar::Compression::kZstd, columnar::Compression::kNone}) {
      columnar::ParquetOptions options;
      options.compression = compression;
      options.row_group_rows_max = 128;
      options.bloom_filter_columns = {"t"};
      const auto file = columnar::WriteParquet(FrameLike(), {Rows(rows)}, options);
      SLUICE_CHECK(file.ok());
      files.push_back(file->bytes);
    }
  }
  const std::vector<std::string> words = {
      "PAR1",     std::string(4, '\xFF'), std::string(8, '\0'), "\x15\x04",
      "\x19\x5c", "\xFF\xFF\xFF\xFF\x0F"};
  targets.push_back(
      {.name = "parquet-footer", .corpus = files, .words = words, .run = RunFooter, .cost = 2});
  targets.push_back({.name = "parquet-file",
                     .corpus = std::move(files),
                     .words = words,
                     .run = RunParquet,
                     .cost = 5});

  std::vector<std::string> batches;
  for (const int64_t rows : {0, 1, 50}) batches.push_back(*columnar::SerializeBatch(*Rows(rows)));
  batches.push_back(*columnar::SerializeSchema(*FrameLike()));
  targets.push_back({.name = "arrow-batch",
                     .corpus = std::move(batches),
                     .words = {std::string(4, '\xFF'), std::string(8, '\0'), std::string(8, '\xFF'),
                               std::string("\0\0\0\x80", 4)},
                     .run = RunBatch});
  return targets;
}

}  // namespace sluice::fuzz
