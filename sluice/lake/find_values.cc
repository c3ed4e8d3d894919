#include "sluice/lake/find_values.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>
#include <parquet/properties.h>

#include <algorithm>
#include <memory>
#include <set>
#include <unordered_map>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::lake {

namespace {

using columnar::FromArrow;

constexpr size_t kFoundMax = 100;
constexpr size_t kWindowMax = 16;
constexpr int kBits = 20;  // Of the table that most places fail at.

/// Finds any of many texts in one pass: a hash rolls over the bytes.
class TextFinder {
 public:
  explicit TextFinder(std::span<const std::string> values) : values_(values), seen_(1u << kBits) {
    window_ = kWindowMax;
    for (const std::string& value : values) window_ = std::min(window_, value.size());
    for (size_t i = 1; i < window_; ++i) oldest_ *= kBase;
    for (size_t i = 0; i < values.size(); ++i) {
      const uint64_t hash = HashOf(values[i]);
      seen_[Slot(hash)] = true;
      by_hash_.emplace(hash, i);
    }
  }

  void Find(std::string_view text, std::set<size_t>& found) const {
    if (text.size() < window_) return;
    uint64_t hash = HashOf(text);
    for (size_t at = 0;; ++at) {
      if (seen_[Slot(hash)]) Compare(text.substr(at), hash, found);
      if (at + window_ >= text.size()) return;
      hash = (hash - Byte(text[at]) * oldest_) * kBase + Byte(text[at + window_]);
    }
  }

 private:
  static constexpr uint64_t kBase = 0x9E3779B97F4A7C15;

  static uint64_t Byte(char byte) { return static_cast<uint8_t>(byte) + uint64_t{1}; }
  static size_t Slot(uint64_t hash) { return (hash * kBase) >> (64 - kBits); }

  uint64_t HashOf(std::string_view text) const {
    uint64_t hash = 0;
    for (const char byte : text.substr(0, window_)) hash = hash * kBase + Byte(byte);
    return hash;
  }

  void Compare(std::string_view text, uint64_t hash, std::set<size_t>& found) const {
    const auto [first, last] = by_hash_.equal_range(hash);
    for (auto it = first; it != last; ++it) {
      if (text.starts_with(values_[it->second])) found.insert(it->second);
    }
  }

  const std::span<const std::string> values_;
  size_t window_ = 0;
  uint64_t oldest_ = 1;
  std::vector<bool> seen_;
  std::unordered_multimap<uint64_t, size_t> by_hash_;
};

template <typename Array>
void FindInTexts(const arrow::Array& array, const TextFinder& finder, std::set<size_t>& found) {
  const auto& texts = static_cast<const Array&>(array);
  for (int64_t i = 0; i < texts.length(); ++i) {
    if (texts.IsValid(i)) finder.Find(texts.GetView(i), found);
  }
}

void FindInArray(const arrow::Array& array, const TextFinder& finder, std::set<size_t>& found) {
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return FindInTexts<arrow::BinaryArray>(array, finder, found);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return FindInTexts<arrow::LargeBinaryArray>(array, finder, found);
    case arrow::Type::FIXED_SIZE_BINARY:
      return FindInTexts<arrow::FixedSizeBinaryArray>(array, finder, found);
    case arrow::Type::DICTIONARY:
      return FindInArray(*static_cast<const arrow::DictionaryArray&>(array).dictionary(), finder,
                         found);
    case arrow::Type::EXTENSION:
      return FindInArray(*static_cast<const arrow::ExtensionArray&>(array).storage(), finder,
                         found);
    default:
      for (const auto& child : array.data()->child_data) {
        FindInArray(*arrow::MakeArray(child), finder, found);
      }
  }
}

Status FindInColumns(const std::shared_ptr<arrow::io::RandomAccessFile>& file,
                     const TextFinder& finder, std::set<size_t>& found) {
  parquet::ReaderProperties reading;
  reading.set_page_checksum_verification(true);
  parquet::arrow::FileReaderBuilder builder;
  SLUICE_RETURN_IF_ERROR(FromArrow(builder.Open(file, reading)));
  std::unique_ptr<parquet::arrow::FileReader> reader;
  SLUICE_RETURN_IF_ERROR(FromArrow(builder.Build(&reader)));
  for (int group = 0; group < reader->num_row_groups(); ++group) {
    SLUICE_ASSIGN_OR_RETURN(const auto rows, FromArrow(reader->ReadRowGroup(group)));
    for (const auto& column : rows->columns()) {
      for (const auto& chunk : column->chunks()) FindInArray(*chunk, finder, found);
    }
  }
  return {};
}

Status FindInParquet(const std::string& bytes, const TextFinder& finder, std::set<size_t>& found) {
  const auto buffer = std::make_shared<arrow::Buffer>(bytes);
  const auto file = std::make_shared<arrow::io::BufferReader>(buffer);
  try {
    return FindInColumns(file, finder, found);
  } catch (const parquet::ParquetException& error) {
    return Corrupt("{}", error.what());
  }
}

}  // namespace

Result<FindReport> FindValues(store::ObjectStore& store, std::string_view prefix,
                              std::span<const std::string> values) {
  FindReport report;
  for (const std::string& value : values) {
    if (value.size() < kFindBytesMin) {
      return Invalid(
          "a value of {} bytes stands everywhere by chance; at least {} can be looked for",
          value.size(), kFindBytesMin);
    }
  }
  if (values.empty()) return Invalid("no values to look for");
  const TextFinder finder(values);
  SLUICE_ASSIGN_OR_RETURN(const auto objects, store.List(prefix));
  for (const auto& object : objects) {
    const auto bytes = store.Get(object.path);
    if (!bytes.ok() && bytes.error().code() == ErrorCode::kNotFound) continue;  // Gone meanwhile.
    if (!bytes.ok()) return bytes.error();
    ++report.objects;
    report.bytes += static_cast<int64_t>(bytes->size());
    const auto note = [&](const std::set<size_t>& found, bool decoded) {
      for (const size_t value : found) {
        ++report.found_count;
        if (report.found.size() < kFoundMax) {
          report.found.push_back({.path = object.path, .value = value, .decoded = decoded});
        }
      }
    };
    std::set<size_t> raw;
    finder.Find(object.path, raw);
    finder.Find(*bytes, raw);
    note(raw, false);
    if (!object.path.ends_with(".parquet")) continue;
    std::set<size_t> decoded;
    if (FindInParquet(*bytes, finder, decoded).ok()) {
      ++report.decoded;
    } else {
      report.not_decoded.push_back(object.path);
    }
    note(decoded, true);
  }
  return report;
}

}  // namespace sluice::lake
