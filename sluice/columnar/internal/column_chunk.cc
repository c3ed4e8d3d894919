#include "sluice/columnar/internal/column_chunk.h"

#include <arrow/api.h>
#include <arrow/array/concatenate.h>
#include <arrow/type_traits.h>
#include <parquet/arrow/writer.h>
#include <parquet/column_page.h>
#include <parquet/exception.h>
#include <parquet/statistics.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/columnar/internal/page_values.h"

namespace sluice::columnar::internal {

namespace {

/// The least and the greatest of some texts, byte by byte. The first bytes decide nearly always.
class TextBounds {
 public:
  void Add(std::string_view value) {
    const uint64_t key = KeyOf(value);
    if (empty_) {
      least_ = greatest_ = value;
      least_key_ = greatest_key_ = key;
      empty_ = false;
      return;
    }
    if (key < least_key_ || (key == least_key_ && value < least_)) {
      least_ = value;
      least_key_ = key;
    }
    if (key > greatest_key_ || (key == greatest_key_ && value > greatest_)) {
      greatest_ = value;
      greatest_key_ = key;
    }
  }
  void Add(const TextBounds& other) {
    if (other.empty_) return;
    Add(other.least_);
    Add(other.greatest_);
  }
  void Encode(parquet::EncodedStatistics& statistics) const {
    if (empty_) return;
    statistics.set_min(std::string(least_));
    statistics.set_max(std::string(greatest_));
  }

 private:
  static uint64_t KeyOf(std::string_view value) {
    uint64_t key = 0;
    if (value.size() >= sizeof(key)) {
      std::memcpy(&key, value.data(), sizeof(key));
      return std::endian::native == std::endian::little ? __builtin_bswap64(key) : key;
    }
    for (size_t i = 0; i < sizeof(key); ++i) {
      key = key << 8 | (i < value.size() ? static_cast<uint8_t>(value[i]) : 0);
    }
    return key;
  }

  bool empty_ = true;
  uint64_t least_key_ = 0;
  uint64_t greatest_key_ = 0;
  std::string_view least_;
  std::string_view greatest_;
};

class NumberBounds {
 public:
  void Add(std::span<const int64_t> values) {
    for (const int64_t value : values) {
      least_ = std::min(least_, value);
      greatest_ = std::max(greatest_, value);
    }
    empty_ &= values.empty();
  }
  void Add(const NumberBounds& other) {
    least_ = std::min(least_, other.least_);
    greatest_ = std::max(greatest_, other.greatest_);
    empty_ &= other.empty_;
  }
  void Encode(parquet::EncodedStatistics& statistics) const {
    if (empty_) return;
    statistics.set_min(Plain(least_));
    statistics.set_max(Plain(greatest_));
  }

 private:
  static std::string Plain(int64_t value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
  }

  bool empty_ = true;
  int64_t least_ = INT64_MAX;
  int64_t greatest_ = INT64_MIN;
};

/// Appends a text as Parquet's PLAIN has it.
void AppendPlain(std::string_view text, std::string& out) {
  const auto size = static_cast<uint32_t>(text.size());
  out.append(reinterpret_cast<const char*>(&size), sizeof(size));
  out += text;
}

std::shared_ptr<arrow::Buffer> Borrow(std::string_view bytes) {
  return std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(bytes.data()),
                                         static_cast<int64_t>(bytes.size()));
}

/// The pages of a column chunk as they are filled, and what is told of them.
template <typename Bounds>
class Pages {
 public:
  explicit Pages(ChunkTarget& target)
      : target_(target),
        is_optional_(target.metadata.descr()->max_definition_level() > 0),
        has_statistics_(target.properties.statistics_enabled(target.metadata.descr()->path())),
        rows_max_(target.properties.max_rows_per_page()) {
    if (target.codec != nullptr) target.codec->BeginColumn();
  }

  bool has_statistics() const { return has_statistics_; }
  int64_t rows() const { return rows_; }
  /// That still fit into the page.
  int64_t rows_left() const { return rows_max_ - rows_; }

  /// So many rows that have values.
  void AddRows(int64_t count) {
    if (is_optional_) levels_.insert(levels_.end(), static_cast<size_t>(count), 1);
    rows_ += count;
  }
  void AddNulls(int64_t count) {
    if (!is_optional_) throw parquet::ParquetException("a column without nulls has nulls");
    levels_.insert(levels_.end(), static_cast<size_t>(count), 0);
    rows_ += count;
    nulls_ += count;
  }

  /// Ends the page whose rows were added since the last one. `append` gives the bytes of its
  /// values.
  template <typename Append>
  void End(parquet::Encoding::type encoding, const Bounds& bounds, const Append& append) {
    page_.clear();
    if (is_optional_) {
      page_.resize(sizeof(uint32_t));
      AppendRuns(levels_, 1, page_);
      const auto bytes = static_cast<uint32_t>(page_.size() - sizeof(uint32_t));
      std::memcpy(page_.data(), &bytes, sizeof(bytes));
    }
    append(page_);
    parquet::EncodedStatistics statistics;
    if (has_statistics_) statistics = Encode(bounds, rows_, nulls_);
    const std::string_view stored =
        target_.codec == nullptr ? std::string_view(page_) : target_.codec->Compress(page_);
    const parquet::DataPageV1 page(Borrow(stored), static_cast<int32_t>(rows_), encoding,
                                   parquet::Encoding::RLE, parquet::Encoding::RLE,
                                   static_cast<int64_t>(page_.size()), std::move(statistics),
                                   rows_before_);
    bytes_ += target_.pages->WriteDataPage(page);
    bounds_.Add(bounds);
    rows_before_ += rows_;
    nulls_before_ += nulls_;
    rows_ = nulls_ = 0;
    levels_.clear();
  }

  void WriteDictionary(const std::string& plain, int64_t values) {
    bytes_ += target_.pages->WriteDictionaryPage(
        parquet::DictionaryPage(Borrow(plain), static_cast<int32_t>(values),
                                target_.properties.dictionary_page_encoding()));
  }

  /// Returns the bytes of all pages.
  int64_t Finish(bool has_dictionary) {
    if (has_statistics_) {
      target_.metadata.SetStatistics(Encode(bounds_, rows_before_, nulls_before_));
    }
    target_.pages->Close(has_dictionary, /*fallback=*/false);
    return bytes_;
  }

 private:
  parquet::EncodedStatistics Encode(const Bounds& bounds, int64_t rows, int64_t nulls) const {
    const parquet::ColumnDescriptor& column = *target_.metadata.descr();
    parquet::EncodedStatistics statistics;
    statistics.set_is_signed(column.sort_order() == parquet::SortOrder::SIGNED);
    statistics.set_null_count(nulls);
    statistics.all_null_value = nulls == rows;
    bounds.Encode(statistics);
    if (statistics.has_min) {
      statistics.is_min_value_exact = statistics.is_max_value_exact = true;
    }
    statistics.ApplyStatSizeLimits(target_.properties.max_statistics_size(column.path()));
    return statistics;
  }

  ChunkTarget& target_;
  const bool is_optional_;
  const bool has_statistics_;
  const int64_t rows_max_;  // Of a page.
  Bounds bounds_;
  int64_t rows_ = 0;  // Of the page.
  int64_t nulls_ = 0;
  int64_t rows_before_ = 0;
  int64_t nulls_before_ = 0;
  int64_t bytes_ = 0;
  std::vector<uint32_t> levels_;  // Of the page: 0 for a null.
  std::string page_;
};

/// A page of texts, and the pages before it.
class TextPages {
 public:
  TextPages(ChunkTarget& target, parquet::Encoding::type encoding)
      : pages_(target),
        encoding_(encoding),
        bytes_max_(target.properties.data_pagesize()),
        filter_(target.bloom_filter) {}

  void Add(const arrow::BinaryArray& texts) {
    if (texts.null_count() > 0) {
      AddWithNulls(texts);
      return;
    }
    const int32_t* const offsets = texts.raw_value_offsets();
    const int32_t* const end = offsets + texts.length();
    for (const int32_t* begin = offsets; begin < end;) {
      const auto rows_left = std::min<int64_t>(end - begin, pages_.rows_left());
      const int64_t bytes_left = std::max<int64_t>(0, bytes_max_ - bytes());
      // The first row whose text ends beyond the page.
      const int32_t* next =
          std::upper_bound(begin + 1, begin + rows_left + 1, *begin + bytes_left) - 1;
      if (next == begin && pages_.rows() == 0) ++next;
      if (next == begin) {
        End();
        continue;
      }
      AddRun(texts.raw_data(), {begin, next + 1});
      begin = next;
      if (pages_.rows_left() == 0) End();
    }
  }

  int64_t Finish() {
    if (pages_.rows() > 0) End();
    if (!hashes_.empty()) InsertHashes();
    return pages_.Finish(/*has_dictionary=*/false);
  }

 private:
  int64_t bytes() const { return static_cast<int64_t>(text_.size()); }
  bool is_plain() const { return encoding_ == parquet::Encoding::PLAIN; }

  void AddWithNulls(const arrow::BinaryArray& texts) {
    const int32_t* const offsets = texts.raw_value_offsets();
    for (int64_t row = 0; row < texts.length(); ++row) {
      const bool is_null = texts.IsNull(row);
      const int64_t size = is_null ? 0 : offsets[row + 1] - offsets[row];
      if (pages_.rows_left() == 0 || (pages_.rows() > 0 && bytes() + size > bytes_max_)) End();
      if (is_null) {
        pages_.AddNulls(1);
      } else {
        AddRun(texts.raw_data(), {offsets + row, 2});
      }
    }
  }

  // Values that follow each other, from their offsets.
  void AddRun(const uint8_t* data, std::span<const int32_t> offsets) {
    const auto* const text = reinterpret_cast<const char*>(data);
    const size_t count = offsets.size() - 1;
    const auto value = [&](size_t i) {
      return std::string_view(text + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i]));
    };
    if (is_plain()) {
      for (size_t i = 0; i < count; ++i) {
        AppendPlain(value(i), text_);
      }
    } else {
      text_.append(text + offsets.front(), static_cast<size_t>(offsets.back() - offsets.front()));
      for (size_t i = 0; i < count; ++i) lengths_.push_back(offsets[i + 1] - offsets[i]);
    }
    if (pages_.has_statistics()) {
      for (size_t i = 0; i < count; ++i) bounds_.Add(value(i));
    }
    if (filter_ != nullptr) {
      for (size_t i = 0; i < count; ++i) {
        hashes_.push_back(filter_->Hash(value(i)));
        if (hashes_.size() == kHashesMax) InsertHashes();
      }
    }
    pages_.AddRows(static_cast<int64_t>(count));
  }

  void End() {
    pages_.End(encoding_, bounds_, [this](std::string& page) {
      if (!is_plain()) AppendDeltas(lengths_, page);
      page += text_;
    });
    bounds_ = {};
    text_.clear();
    lengths_.clear();
  }

  void InsertHashes() {
    filter_->InsertHashes(hashes_.data(), static_cast<int>(hashes_.size()));
    hashes_.clear();
  }

  static constexpr size_t kHashesMax = 1024;

  Pages<TextBounds> pages_;
  const parquet::Encoding::type encoding_;
  const int64_t bytes_max_;  // Of a page.
  parquet::BloomFilter* const filter_;
  TextBounds bounds_;
  std::string text_;  // Plain: with their lengths.
  std::vector<int64_t> lengths_;
  std::vector<uint64_t> hashes_;
};

int64_t WriteTexts(const arrow::ChunkedArray& column, ChunkTarget& target,
                   parquet::Encoding::type encoding) {
  TextPages pages(target, encoding);
  for (const auto& chunk : column.chunks()) {
    pages.Add(static_cast<const arrow::BinaryArray&>(*chunk));
  }
  return pages.Finish();
}

int64_t WriteNulls(int64_t rows, ChunkTarget& target) {
  Pages<NumberBounds> pages(target);
  for (int64_t left = rows; left > 0;) {
    const int64_t count = std::min(left, pages.rows_left());
    pages.AddNulls(count);
    pages.End(parquet::Encoding::PLAIN, {}, [](std::string&) {});
    left -= count;
  }
  return pages.Finish(/*has_dictionary=*/false);
}

/// Goes through the rows of all chunks: `add` takes values that follow each other, `end` ends a
/// page.
template <typename Value, typename Bounds, typename Add, typename End>
void Fill(const arrow::ChunkedArray& column, Pages<Bounds>& pages, const Add& add, const End& end) {
  for (const auto& chunk : column.chunks()) {
    const Value* const raw = chunk->data()->GetValues<Value>(1);
    for (int64_t row = 0; row < chunk->length();) {
      const int64_t count = std::min(chunk->length() - row, pages.rows_left());
      if (chunk->null_count() == 0) {
        add(std::span(raw + row, static_cast<size_t>(count)));
        pages.AddRows(count);
      } else {
        for (int64_t i = row; i < row + count; ++i) {
          if (chunk->IsNull(i)) {
            pages.AddNulls(1);
          } else {
            add(std::span(raw + i, 1));
            pages.AddRows(1);
          }
        }
      }
      row += count;
      if (pages.rows_left() == 0) end();
    }
  }
  if (pages.rows() > 0) end();
}

int64_t WriteDictionary(const arrow::ChunkedArray& column, ChunkTarget& target) {
  const auto& first = static_cast<const arrow::DictionaryArray&>(*column.chunk(0));
  const auto& values = static_cast<const arrow::StringArray&>(*first.dictionary());
  std::string plain;
  for (int64_t i = 0; i < values.length(); ++i) {
    AppendPlain(values.GetView(i), plain);
  }
  Pages<TextBounds> pages(target);
  pages.WriteDictionary(plain, values.length());
  const auto last = static_cast<uint64_t>(std::max<int64_t>(values.length() - 1, 1));
  const auto width = static_cast<int>(std::bit_width(last));
  std::vector<uint32_t> numbers;
  std::vector<bool> seen(static_cast<size_t>(values.length()));
  const auto end = [&] {
    TextBounds bounds;
    if (pages.has_statistics()) {
      std::fill(seen.begin(), seen.end(), false);
      for (const uint32_t number : numbers) seen[number] = true;
      for (int64_t i = 0; i < values.length(); ++i) {
        if (seen[static_cast<size_t>(i)]) bounds.Add(values.GetView(i));
      }
    }
    pages.End(target.properties.dictionary_index_encoding(), bounds, [&](std::string& page) {
      page += static_cast<char>(width);
      AppendRuns(numbers, width, page);
    });
    numbers.clear();
  };
  Fill<int32_t>(
      column, pages,
      [&](std::span<const int32_t> of) { numbers.insert(numbers.end(), of.begin(), of.end()); },
      end);
  return pages.Finish(/*has_dictionary=*/true);
}

int64_t WriteIntegers(const arrow::ChunkedArray& column, ChunkTarget& target) {
  Pages<NumberBounds> pages(target);
  std::vector<int64_t> values;
  const auto end = [&] {
    NumberBounds bounds;
    if (pages.has_statistics()) bounds.Add(values);
    pages.End(parquet::Encoding::DELTA_BINARY_PACKED, bounds,
              [&](std::string& page) { AppendDeltas(values, page); });
    values.clear();
  };
  Fill<int64_t>(
      column, pages,
      [&](std::span<const int64_t> of) { values.insert(values.end(), of.begin(), of.end()); }, end);
  return pages.Finish(/*has_dictionary=*/false);
}

// By the library. Small chunks are joined if that costs little.
int64_t WriteOther(const arrow::ChunkedArray& column, ChunkTarget& target) {
  arrow::ArrayVector chunks = column.chunks();
  if (chunks.size() > 1 && arrow::is_fixed_width(column.type()->id())) {
    PARQUET_ASSIGN_OR_THROW(auto joined, arrow::Concatenate(chunks));
    chunks = {std::move(joined)};
  }
  const bool is_optional = target.metadata.descr()->max_definition_level() > 0;
  const auto writer = parquet::ColumnWriter::Make(&target.metadata, std::move(target.pages),
                                                  &target.properties, target.bloom_filter);
  parquet::ArrowWriterProperties arrow_properties = target.arrow_properties;
  parquet::ArrowWriteContext context(arrow::default_memory_pool(), &arrow_properties);
  std::vector<int16_t> levels;
  for (const auto& chunk : chunks) {
    if (is_optional) {
      levels.assign(static_cast<size_t>(chunk->length()), 1);
      for (int64_t row = 0; chunk->null_count() > 0 && row < chunk->length(); ++row) {
        if (chunk->IsNull(row)) levels[static_cast<size_t>(row)] = 0;
      }
    }
    PARQUET_THROW_NOT_OK(writer->WriteArrow(is_optional ? levels.data() : nullptr, nullptr,
                                            chunk->length(), *chunk, &context, is_optional));
  }
  return writer->Close();
}

}  // namespace

int64_t WriteColumnChunk(const arrow::ChunkedArray& column, ChunkTarget target) {
  const auto path = target.metadata.descr()->path();
  const parquet::WriterProperties& properties = target.properties;
  const bool may_be_dictionary = properties.dictionary_enabled(path);
  const parquet::Encoding::type encoding = properties.encoding(path);
  const arrow::DataType& type = *column.type();
  if (column.length() > 0 && column.null_count() == column.length()) {
    return WriteNulls(column.length(), target);
  }
  switch (type.id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      if (may_be_dictionary) break;
      if (encoding == parquet::Encoding::DELTA_LENGTH_BYTE_ARRAY) {
        return WriteTexts(column, target, encoding);
      }
      if (encoding == parquet::Encoding::PLAIN || encoding == parquet::Encoding::UNKNOWN) {
        return WriteTexts(column, target, parquet::Encoding::PLAIN);
      }
      break;
    case arrow::Type::DICTIONARY:
      if (!may_be_dictionary || target.bloom_filter != nullptr) break;
      return WriteDictionary(column, target);
    case arrow::Type::TIMESTAMP:
      if (static_cast<const arrow::TimestampType&>(type).unit() != arrow::TimeUnit::MICRO) break;
      [[fallthrough]];
    case arrow::Type::INT64:
      if (may_be_dictionary || encoding != parquet::Encoding::DELTA_BINARY_PACKED ||
          target.bloom_filter != nullptr) {
        break;
      }
      return WriteIntegers(column, target);
    default:
      break;
  }
  return WriteOther(column, target);
}

}  // namespace sluice::columnar::internal
