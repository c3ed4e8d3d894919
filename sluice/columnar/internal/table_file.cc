#include "sluice/columnar/internal/table_file.h"

#include <arrow/api.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/bloom_filter_writer.h>
#include <parquet/column_writer.h>
#include <parquet/exception.h>
#include <parquet/file_writer.h>
#include <parquet/page_index.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "sluice/columnar/internal/column_chunk.h"
#include "sluice/columnar/internal/page_codec.h"

namespace sluice::columnar::internal {

namespace {

std::shared_ptr<parquet::ArrowWriterProperties> Microseconds() {
  return parquet::ArrowWriterProperties::Builder()
      .coerce_timestamps(arrow::TimeUnit::MICRO)
      ->disallow_truncated_timestamps()
      ->build();
}

class NestedFile final : public TableFile {
 public:
  explicit NestedFile(std::unique_ptr<parquet::arrow::FileWriter> writer)
      : writer_(std::move(writer)) {}

  arrow::Status WriteGroup(const arrow::Table& rows) override {
    ARROW_RETURN_NOT_OK(writer_->NewRowGroup());
    for (const auto& column : rows.columns()) {
      ARROW_RETURN_NOT_OK(writer_->WriteColumnChunk(column));
    }
    return arrow::Status::OK();
  }
  arrow::Status Close(const std::shared_ptr<const arrow::KeyValueMetadata>& entries) override {
    ARROW_RETURN_NOT_OK(writer_->AddKeyValueMetadata(entries));
    return writer_->Close();
  }
  std::shared_ptr<parquet::FileMetaData> metadata() const override { return writer_->metadata(); }

 private:
  const std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

class FlatFile final : public TableFile {
 public:
  FlatFile(std::shared_ptr<parquet::SchemaDescriptor> schema,
           std::shared_ptr<arrow::io::OutputStream> output,
           std::shared_ptr<parquet::WriterProperties> properties,
           std::shared_ptr<parquet::ArrowWriterProperties> arrow_properties)
      : schema_(std::move(schema)),
        output_(std::move(output)),
        properties_(std::move(properties)),
        arrow_properties_(std::move(arrow_properties)),
        footer_(parquet::FileMetaDataBuilder::Make(schema_.get(), properties_)),
        page_index_(parquet::PageIndexBuilder::Make(schema_.get())),
        bloom_filters_(parquet::BloomFilterBuilder::Make(schema_.get(), properties_.get())) {}

  static bool Fits(const arrow::Schema& schema) {
    return schema.metadata() == nullptr && std::ranges::all_of(schema.fields(), [](const auto& f) {
             switch (f->type()->id()) {
               case arrow::Type::NA:
               case arrow::Type::DICTIONARY:
               case arrow::Type::EXTENSION:
               case arrow::Type::RUN_END_ENCODED:
                 return false;
               default:
                 return f->type()->num_fields() == 0;
             }
           });
  }

  arrow::Status Begin() { return output_->Write(kMagic.data(), kMagic.size()); }

  arrow::Status WriteGroup(const arrow::Table& rows) override {
    BEGIN_PARQUET_CATCH_EXCEPTIONS
    parquet::RowGroupMetaDataBuilder* const group = footer_->AppendRowGroup();
    group->set_num_rows(rows.num_rows());
    page_index_->AppendRowGroup();
    bloom_filters_->AppendRowGroup();
    int64_t bytes = 0;
    for (int i = 0; i < rows.num_columns(); ++i) bytes += WriteColumn(*rows.column(i), i, *group);
    group->Finish(bytes, groups_++);
    END_PARQUET_CATCH_EXCEPTIONS
    return arrow::Status::OK();
  }

  arrow::Status Close(const std::shared_ptr<const arrow::KeyValueMetadata>& entries) override {
    BEGIN_PARQUET_CATCH_EXCEPTIONS
    footer_->SetIndexLocations(parquet::IndexKind::kBloomFilter,
                               bloom_filters_->WriteTo(output_.get()));
    page_index_->Finish();
    const auto written = page_index_->WriteTo(output_.get());
    footer_->SetIndexLocations(parquet::IndexKind::kColumnIndex, written.column_index_locations);
    footer_->SetIndexLocations(parquet::IndexKind::kOffsetIndex, written.offset_index_locations);
    metadata_ = footer_->Finish(entries);
    parquet::WriteFileMetaData(*metadata_, output_.get());
    END_PARQUET_CATCH_EXCEPTIONS
    return arrow::Status::OK();
  }

  std::shared_ptr<parquet::FileMetaData> metadata() const override { return metadata_; }

 private:
  static constexpr std::string_view kMagic = "PAR1";

  int64_t WriteColumn(const arrow::ChunkedArray& column, int number,
                      parquet::RowGroupMetaDataBuilder& group) {
    parquet::ColumnChunkMetaDataBuilder* const metadata = group.NextColumnChunk();
    const auto path = metadata->descr()->path();
    const parquet::Compression::type compression = properties_->compression(path);
    const bool indexed = properties_->page_index_enabled(path);
    const auto codec_options = properties_->codec_options(path);
    ChunkTarget target{.properties = *properties_,
                       .arrow_properties = *arrow_properties_,
                       .metadata = *metadata,
                       .pages = parquet::PageWriter::Open(
                           output_, compression, metadata, groups_, static_cast<int16_t>(number),
                           arrow::default_memory_pool(), /*buffered_row_group=*/false, nullptr,
                           nullptr, properties_->page_checksum_enabled(),
                           indexed ? page_index_->GetColumnIndexBuilder(number) : nullptr,
                           indexed ? page_index_->GetOffsetIndexBuilder(number) : nullptr,
                           codec_options ? *codec_options : parquet::CodecOptions{}),
                       .bloom_filter = bloom_filters_->CreateBloomFilter(number)};
    if (compression != parquet::Compression::UNCOMPRESSED) {
      if (!codec_) codec_.emplace(properties_->compression_level(path));
      target.codec = &*codec_;
    }
    return WriteColumnChunk(column, std::move(target));
  }

  const std::shared_ptr<parquet::SchemaDescriptor> schema_;
  const std::shared_ptr<arrow::io::OutputStream> output_;
  const std::shared_ptr<parquet::WriterProperties> properties_;
  const std::shared_ptr<parquet::ArrowWriterProperties> arrow_properties_;
  const std::unique_ptr<parquet::FileMetaDataBuilder> footer_;
  const std::unique_ptr<parquet::PageIndexBuilder> page_index_;
  const std::unique_ptr<parquet::BloomFilterBuilder> bloom_filters_;
  std::optional<PageCodec> codec_;  // All columns have the same level.
  std::shared_ptr<parquet::FileMetaData> metadata_;
  int16_t groups_ = 0;
};

}  // namespace

arrow::Result<std::unique_ptr<TableFile>> TableFile::Open(
    const arrow::Schema& plain, const arrow::Schema& schema,
    std::shared_ptr<arrow::io::OutputStream> output,
    std::shared_ptr<parquet::WriterProperties> properties) {
  auto arrow_properties = Microseconds();
  if (!FlatFile::Fits(plain)) {
    ARROW_ASSIGN_OR_RAISE(auto writer, parquet::arrow::FileWriter::Open(
                                           schema, arrow::default_memory_pool(), std::move(output),
                                           std::move(properties), std::move(arrow_properties)));
    return std::make_unique<NestedFile>(std::move(writer));
  }
  BEGIN_PARQUET_CATCH_EXCEPTIONS
  std::shared_ptr<parquet::SchemaDescriptor> columns;
  ARROW_RETURN_NOT_OK(
      parquet::arrow::ToParquetSchema(&schema, *properties, *arrow_properties, &columns));
  auto file = std::make_unique<FlatFile>(std::move(columns), std::move(output),
                                         std::move(properties), std::move(arrow_properties));
  ARROW_RETURN_NOT_OK(file->Begin());
  return file;
  END_PARQUET_CATCH_EXCEPTIONS
}

}  // namespace sluice::columnar::internal
