#include "sluice/columnar/parquet_check.h"

#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/memory_pool.h>
#include <fmt/format.h>
#include <parquet/column_page.h>
#include <parquet/column_reader.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/properties.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sluice/base/crc32c.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/internal/file_seal.h"

namespace sluice::columnar {

namespace {

using File = arrow::io::RandomAccessFile;

constexpr int64_t kReadBytes = int64_t{1} << 20;
constexpr int64_t kTailBytes = 8;  // The footer's length, and the magic.
constexpr std::string_view kMagic = "PAR1";

Result<std::string> ReadBytes(File& file, int64_t at, int64_t count) {
  SLUICE_ASSIGN_OR_RETURN(const auto buffer, FromArrow(file.ReadAt(at, count)));
  if (buffer->size() != count) return Corrupt("it ends at byte {}", at + buffer->size());
  return buffer->ToString();
}

/// Where the digits of the file's own checksum stand; absent: it has none.
Result<std::optional<int64_t>> SealOf(File& file, int64_t size) {
  const auto magic_bytes = static_cast<int64_t>(kMagic.size());
  if (size < kTailBytes + magic_bytes) return Corrupt("it has {} bytes, too few", size);
  SLUICE_ASSIGN_OR_RETURN(const std::string tail, ReadBytes(file, size - kTailBytes, kTailBytes));
  if (!tail.ends_with(kMagic)) return Corrupt("it does not end as a Parquet file");
  static_assert(std::endian::native == std::endian::little);
  uint32_t length = 0;
  std::memcpy(&length, tail.data(), sizeof(length));
  if (length > size - kTailBytes - magic_bytes) {
    return Corrupt("its footer should have {} bytes, and the file has {}", length, size);
  }
  const int64_t begin = size - kTailBytes - length;
  SLUICE_ASSIGN_OR_RETURN(const std::string footer, ReadBytes(file, begin, length));
  const auto seal = internal::FindSeal(footer);
  if (!seal) return std::optional<int64_t>();
  return std::optional(begin + static_cast<int64_t>(*seal));
}

/// The checksum of the whole file, as it was counted when it was written.
Result<std::string> ChecksumOf(File& file, int64_t size, int64_t seal) {
  uint32_t checksum = 0;
  for (int64_t at = 0; at < size; at += kReadBytes) {
    SLUICE_ASSIGN_OR_RETURN(std::string bytes,
                            ReadBytes(file, at, std::min(kReadBytes, size - at)));
    for (size_t i = 0; i < internal::kSealBytes; ++i) {
      const int64_t digit = seal + static_cast<int64_t>(i) - at;
      if (digit < 0 || digit >= static_cast<int64_t>(bytes.size())) continue;
      bytes[static_cast<size_t>(digit)] = internal::kNoSeal[i];
    }
    checksum = Crc32c(std::as_bytes(std::span(bytes)), checksum);
  }
  return fmt::format("{:08x}", checksum);
}

int64_t CountValues(parquet::PageReader& pages) {
  int64_t values = 0;
  while (const auto page = pages.NextPage()) {
    const auto type = page->type();
    if (type != parquet::PageType::DATA_PAGE && type != parquet::PageType::DATA_PAGE_V2) continue;
    values += static_cast<const parquet::DataPage&>(*page).num_values();
  }
  return values;
}

Status CheckColumn(parquet::ParquetFileReader& file, int group, int column) {
  const auto metadata = file.metadata()->RowGroup(group);
  const parquet::ColumnDescriptor& descriptor = *file.metadata()->schema()->Column(column);
  std::string what;
  try {
    const auto pages = file.RowGroup(group)->GetColumnPageReader(column);
    const int64_t values = CountValues(*pages);
    const int64_t expected = metadata->ColumnChunk(column)->num_values();
    const bool repeats = descriptor.max_repetition_level() > 0;
    if (values == expected && (repeats || values == metadata->num_rows())) return {};
    what = fmt::format("its pages have {} values, the footer says {} of {} rows", values, expected,
                       metadata->num_rows());
  } catch (const std::exception& exception) {
    what = exception.what();
  }
  return Corrupt("row group {}, column '{}': {}", group, descriptor.path()->ToDotString(), what);
}

// The reader believes the size that a page's header says before it has the page's bytes.
int64_t PageBytesMax(int64_t size) {
  return std::min((int64_t{64} << 20) + 32 * size, int64_t{1} << 30);
}

Status CheckPages(const std::shared_ptr<File>& input, int64_t size) {
  arrow::ProxyMemoryPool counted(arrow::default_memory_pool());
  arrow::CappedMemoryPool memory(&counted, PageBytesMax(size));
  parquet::ReaderProperties properties(&memory);
  properties.set_page_checksum_verification(true);
  properties.enable_buffered_stream();
  properties.set_buffer_size(kReadBytes);
  try {
    const auto file = parquet::ParquetFileReader::Open(input, properties);
    int64_t rows = 0;
    for (int group = 0; group < file->metadata()->num_row_groups(); ++group) {
      for (int column = 0; column < file->metadata()->num_columns(); ++column) {
        SLUICE_RETURN_IF_ERROR(CheckColumn(*file, group, column));
      }
      rows += file->metadata()->RowGroup(group)->num_rows();
    }
    if (rows == file->metadata()->num_rows()) return {};
    return Corrupt("its row groups have {} rows, the footer says {}", rows,
                   file->metadata()->num_rows());
  } catch (const std::exception& exception) {
    return Corrupt("{}", exception.what());
  }
}

Status Check(const std::shared_ptr<File>& file) {
  SLUICE_ASSIGN_OR_RETURN(const int64_t size, FromArrow(file->GetSize()));
  SLUICE_ASSIGN_OR_RETURN(const auto seal, SealOf(*file, size));
  if (!seal) return CheckPages(file, size);
  SLUICE_ASSIGN_OR_RETURN(const std::string found, ChecksumOf(*file, size, *seal));
  SLUICE_ASSIGN_OR_RETURN(const std::string expected,
                          ReadBytes(*file, *seal, static_cast<int64_t>(internal::kSealBytes)));
  if (found == expected) return {};
  SLUICE_RETURN_IF_ERROR(CheckPages(file, size));
  return Corrupt(
      "its checksum is {}, expected {}; no page of a column is damaged, but the footer, an index, "
      "a Bloom filter or a page's header",
      found, expected);
}

}  // namespace

Status CheckParquet(const std::shared_ptr<arrow::io::RandomAccessFile>& file) {
  Status checked = Check(file);
  if (checked.ok() || checked.error().code() == ErrorCode::kCorrupt) return checked;
  return Corrupt("{}", checked.error().message());
}

}  // namespace sluice::columnar
