#pragma once
/// \file
/// One column of a row group of a Parquet file, from its chunks in memory to its pages.

#include <arrow/chunked_array.h>
#include <parquet/bloom_filter.h>
#include <parquet/column_writer.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <cstdint>
#include <memory>

#include "sluice/columnar/internal/page_codec.h"

namespace sluice::columnar::internal {

/// Where a column chunk goes, and how.
struct ChunkTarget {
  const parquet::WriterProperties& properties;
  const parquet::ArrowWriterProperties& arrow_properties;
  parquet::ColumnChunkMetaDataBuilder& metadata;
  std::unique_ptr<parquet::PageWriter> pages;
  parquet::BloomFilter* bloom_filter = nullptr;  ///< Null: the column has none.
  PageCodec* codec = nullptr;  ///< Null, if and only if the column is not compressed.
};

/// Writes a flat column in full; returns its bytes before compression. Text, its dictionaries and
/// 64-bit integers are encoded here, from all chunks at once; all else by the library, for which
/// each chunk is a start from the beginning. Throws parquet::ParquetException.
int64_t WriteColumnChunk(const arrow::ChunkedArray& column, ChunkTarget target);

}  // namespace sluice::columnar::internal
