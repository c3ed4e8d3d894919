#include "sluice/lake/internal/deletion_vector.h"

#include <algorithm>
#include <bit>

#include "sluice/lake/internal/deletion_vector_format.h"
#include "sluice/lake/internal/path_encoding.h"

namespace sluice::lake {

std::string DeletionVector::Id() const {
  return offset ? fmt::format("{}{}@{}", storage, data, *offset) : storage + data;
}

namespace internal {

namespace {

constexpr int64_t kBitmapBytesMax = int64_t{1} << 31;

// Reads numbers off the front of a text, and notes when there were too few bytes.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  template <typename Number>
  Number Little() {
    const std::string_view taken = Take(sizeof(Number));
    Number number = 0;
    for (size_t i = 0; i < taken.size(); ++i) {
      number = static_cast<Number>(
          number |
          static_cast<Number>(static_cast<Number>(static_cast<uint8_t>(taken[i])) << (8 * i)));
    }
    return number;
  }
  std::string_view Take(size_t count) {
    if (bytes_.size() < count) {
      failed_ = true;
      bytes_ = {};
      return {};
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }
  bool failed() const { return failed_; }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool failed_ = false;
};

uint16_t LittleAt(std::string_view bytes, size_t index) {
  return static_cast<uint16_t>(static_cast<uint8_t>(bytes[2 * index]) |
                               static_cast<uint8_t>(bytes[2 * index + 1]) << 8);
}

Error TooShort() { return Corrupt("the bitmap ends too early"); }

// Inserts one container; `base` is the row of its first bit.
Status DecodeContainer(Cursor& cursor, bool runs, uint32_t cardinality, int64_t base, RowSet& set) {
  const auto insert = [&](int64_t low) -> bool {
    if (base + low >= set.rows()) return false;
    set.Insert(base + low);
    return true;
  };
  const auto beyond = [&] {
    return Corrupt("the bitmap names a row beyond the file's {} rows", set.rows());
  };
  if (runs) {
    const auto count = cursor.Little<uint16_t>();
    const std::string_view pairs = cursor.Take(size_t{count} * 4);
    if (cursor.failed()) return TooShort();
    int64_t last = -1;
    for (size_t i = 0; i < count; ++i) {
      const int64_t first = LittleAt(pairs, 2 * i);
      if (first <= last) return Corrupt("the runs of the bitmap are not in order");
      last = first + LittleAt(pairs, 2 * i + 1);
      if (last > 0xFFFF) return Corrupt("a run of the bitmap leaves its container");
      for (int64_t low = first; low <= last; ++low) {
        if (!insert(low)) return beyond();
      }
    }
  } else if (cardinality <= 4096) {
    const std::string_view values = cursor.Take(size_t{cardinality} * 2);
    if (cursor.failed()) return TooShort();
    for (size_t i = 0; i < cardinality; ++i) {
      if (!insert(LittleAt(values, i))) return beyond();
    }
  } else {
    const std::string_view bits = cursor.Take(kBitsetBytes);
    if (cursor.failed()) return TooShort();
    for (size_t byte = 0; byte < kBitsetBytes; ++byte) {
      for (auto rest = static_cast<uint8_t>(bits[byte]); rest != 0;
           rest = static_cast<uint8_t>(rest & (rest - 1))) {
        if (!insert(static_cast<int64_t>(byte * 8) + std::countr_zero(rest))) return beyond();
      }
    }
  }
  return {};
}

// One 32-bit Roaring bitmap in its portable form; `base` is the row of its first bit.
Status DecodeRoaring32(Cursor& cursor, int64_t base, RowSet& set) {
  const auto cookie = cursor.Little<uint32_t>();
  uint32_t count = 0;
  std::string_view run_flags;
  if ((cookie & 0xFFFF) == kCookieWithRuns) {
    count = (cookie >> 16) + 1;
    run_flags = cursor.Take((count + 7) / 8);
  } else if (cookie == kCookieWithoutRuns) {
    count = cursor.Little<uint32_t>();
  } else {
    return Corrupt("the bitmap begins with {}", cookie);
  }
  if (count > 65536) return Corrupt("the bitmap has {} containers", count);
  const std::string_view header = cursor.Take(size_t{count} * 4);
  // Offsets are for random access; with runs a few containers have none.
  if (run_flags.empty() || count >= 4) cursor.Take(size_t{count} * 4);
  if (cursor.failed()) return TooShort();
  int64_t last_key = -1;
  for (size_t i = 0; i < count; ++i) {
    const bool runs = !run_flags.empty() && (run_flags[i / 8] >> (i % 8) & 1) != 0;
    const int64_t key = LittleAt(header, 2 * i);
    if (key <= last_key) return Corrupt("the containers of the bitmap are not in order");
    last_key = key;
    const uint32_t cardinality = uint32_t{LittleAt(header, 2 * i + 1)} + 1;
    SLUICE_RETURN_IF_ERROR(DecodeContainer(cursor, runs, cardinality, base + (key << 16), set));
  }
  return {};
}

uint32_t BigEndian32(std::string_view bytes) {
  uint32_t number = 0;
  for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<uint8_t>(bytes[i]);
  return number;
}

Result<std::string> ReadBitmapBytes(const FilePlaces& places, const DeletionVector& vector) {
  if (vector.size < 0) return Corrupt("a deletion vector of {} bytes", vector.size);
  const auto size = static_cast<size_t>(vector.size);
  if (vector.storage == "i") {
    SLUICE_ASSIGN_OR_RETURN(std::string bytes, DecodeZ85(vector.data));
    if (bytes.size() < size) {
      return Corrupt("an inline deletion vector has {} bytes, expected {}", bytes.size(), size);
    }
    bytes.resize(size);  // The text is padded to a multiple of four.
    return bytes;
  }
  SLUICE_ASSIGN_OR_RETURN(const std::string path, DeletionVectorPath(vector));
  if (vector.storage == "u") SLUICE_RETURN_IF_ERROR(CheckRelativePath(path));
  SLUICE_ASSIGN_OR_RETURN(const FilePlace place, places.Find(path));
  if (vector.offset.value_or(0) < 0) return Corrupt("a deletion vector before its file");
  SLUICE_ASSIGN_OR_RETURN(
      std::string framed,
      place.store->GetRange(place.path, static_cast<uint64_t>(vector.offset.value_or(0)), size + 8),
      "deletion vector '{}'", path);
  if (framed.size() != size + 8 || BigEndian32(framed) != size) {
    return Corrupt("deletion vector '{}' at {}: {} bytes, expected {}", path,
                   vector.offset.value_or(0), framed.size() < 4 ? 0 : BigEndian32(framed), size);
  }
  std::string bytes = framed.substr(4, size);
  if (Crc32(bytes) != BigEndian32(std::string_view(framed).substr(4 + size))) {
    return Corrupt("deletion vector '{}' at {}: the checksum does not match", path,
                   vector.offset.value_or(0));
  }
  return bytes;
}

}  // namespace

int64_t RowSet::count() const {
  int64_t count = 0;
  for (const uint64_t word : words_) count += std::popcount(word);
  return count;
}

columnar::RowRuns RowSet::Runs() const {
  columnar::RowRuns runs;
  for (size_t i = 0; i < words_.size(); ++i) {
    uint64_t word = words_[i];
    int64_t row = static_cast<int64_t>(i) * 64;
    while (word != 0) {
      const int zeros = std::countr_zero(word);
      word >>= zeros;
      row += zeros;
      const int ones = std::countr_one(word);
      runs.Add(row, ones);
      word = ones == 64 ? 0 : word >> ones;
      row += ones;
    }
  }
  return runs;
}

RowSet RowSet::Without(const RowSet& other) const {
  SLUICE_CHECK(words_.size() == other.words_.size());
  RowSet result = *this;
  for (size_t i = 0; i < words_.size(); ++i) result.words_[i] &= ~other.words_[i];
  return result;
}

void RowSet::InsertAll(const RowSet& other) {
  SLUICE_CHECK(words_.size() == other.words_.size());
  for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}

bool RowSet::Meets(const RowSet& other) const {
  SLUICE_CHECK(words_.size() == other.words_.size());
  for (size_t i = 0; i < words_.size(); ++i) {
    if ((words_[i] & other.words_[i]) != 0) return true;
  }
  return false;
}

Result<std::string> DecodeZ85(std::string_view text) {
  if (text.size() % 5 != 0) return Corrupt("{} characters are no Z85 text", text.size());
  std::string bytes;
  bytes.reserve(text.size() / 5 * 4);
  for (size_t i = 0; i < text.size(); i += 5) {
    uint64_t number = 0;
    for (const char c : text.substr(i, 5)) {
      const size_t digit = kZ85Alphabet.find(c);
      if (digit == std::string_view::npos) return Corrupt("a character that Z85 does not have");
      number = number * 85 + digit;
    }
    if (number > UINT32_MAX) return Corrupt("five characters beyond what Z85 can say");
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes += static_cast<char>(number >> shift & 0xFF);
    }
  }
  return bytes;
}

Result<RowSet> DecodeBitmap(std::string_view bytes, int64_t rows) {
  if (rows < 0 || rows / 8 > kBitmapBytesMax) return Unsupported("a file of {} rows", rows);
  RowSet set(rows);
  Cursor cursor(bytes);
  const auto magic = cursor.Little<uint32_t>();
  if (magic == kPortableMagic) {
    const auto buckets = cursor.Little<uint64_t>();
    int64_t last_key = -1;
    for (uint64_t i = 0; i < buckets; ++i) {
      const auto key = cursor.Little<uint32_t>();
      if (cursor.failed()) return TooShort();
      if (key > INT32_MAX || key <= last_key) {
        return Corrupt("the buckets of the bitmap are not in order");
      }
      last_key = key;
      SLUICE_RETURN_IF_ERROR(DecodeRoaring32(cursor, int64_t{key} << 32, set));
    }
  } else if (magic == kNativeMagic) {
    const auto count = cursor.Little<uint32_t>();
    for (uint32_t key = 0; key < count; ++key) {
      Cursor part(cursor.Take(cursor.Little<uint32_t>()));
      if (cursor.failed()) return TooShort();
      SLUICE_RETURN_IF_ERROR(DecodeRoaring32(part, int64_t{key} << 32, set));
    }
  } else {
    return Corrupt("the bitmap has the magic number {}", magic);
  }
  if (cursor.failed()) return TooShort();
  return set;
}

Result<std::string> DeletionVectorPath(const DeletionVector& vector) {
  if (vector.storage == "p") return vector.data;
  constexpr size_t kUuidText = 20;
  if (vector.storage != "u") return Corrupt("deletion vectors of kind '{}'", vector.storage);
  if (vector.data.size() < kUuidText) return Corrupt("a deletion vector without a UUID");
  const std::string_view data = vector.data;
  SLUICE_ASSIGN_OR_RETURN(const std::string uuid, DecodeZ85(data.substr(data.size() - kUuidText)));
  std::string path(data.substr(0, data.size() - kUuidText));
  if (!path.empty()) path += '/';
  path += "deletion_vector_";
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) path += '-';
    path += fmt::format("{:02x}", static_cast<uint8_t>(uuid[i]));
  }
  return UriEncode(path + ".bin");
}

Result<RowSet> ReadDeletionVector(const FilePlaces& places, const DeletionVector& vector,
                                  int64_t rows) {
  SLUICE_ASSIGN_OR_RETURN(const std::string bytes, ReadBitmapBytes(places, vector));
  SLUICE_ASSIGN_OR_RETURN(RowSet set, DecodeBitmap(bytes, rows), "deletion vector");
  if (set.count() != vector.cardinality) {
    return Corrupt("a deletion vector has {} rows, expected {}", set.count(), vector.cardinality);
  }
  return set;
}

}  // namespace internal

}  // namespace sluice::lake
