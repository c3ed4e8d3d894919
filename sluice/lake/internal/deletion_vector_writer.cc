#include "sluice/lake/internal/deletion_vector_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "sluice/lake/internal/deletion_vector_format.h"

namespace sluice::lake::internal {

namespace {

constexpr std::array<uint32_t, 256> MakeCrcTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xEDB88320U : 0U);
    table[i] = crc;
  }
  return table;
}

template <typename Number>
void AppendLittle(std::string& out, Number number) {
  for (size_t i = 0; i < sizeof(Number); ++i) {
    out += static_cast<char>(static_cast<uint64_t>(number) >> (8 * i) & 0xFF);
  }
}

void AppendBigEndian32(std::string& out, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xFF);
}

// A row's place in its container is its low 16 bits; the container's words, 64 rows each.
constexpr size_t kContainerWords = 65536 / 64;
using Words = std::span<const uint64_t>;

struct Container {
  uint64_t key = 0;  // The rows' upper bits.
  uint32_t rows = 0;
  uint32_t runs = 0;
  Words words;

  bool as_runs() const {
    const size_t bytes = 2 + 4 * size_t{runs};
    return bytes < (rows <= kArrayValuesMax ? 2 * size_t{rows} : kBitsetBytes);
  }
};

std::vector<Container> Containers(const RowSet& set) {
  std::vector<Container> containers;
  const Words all = set.words();
  for (size_t at = 0; at < all.size(); at += kContainerWords) {
    Container container{.key = at / kContainerWords,
                        .words = all.subspan(at, std::min(kContainerWords, all.size() - at))};
    uint64_t before = 0;  // The last row of the word before.
    for (const uint64_t word : container.words) {
      container.rows += static_cast<uint32_t>(std::popcount(word));
      container.runs += static_cast<uint32_t>(std::popcount(word & ~(word << 1 | before)));
      before = word >> 63;
    }
    if (container.rows > 0) containers.push_back(container);
  }
  return containers;
}

// Calls `use` with each row of the container, ascending.
template <typename Use>
void ForEachRow(const Container& container, Use use) {
  for (size_t i = 0; i < container.words.size(); ++i) {
    for (uint64_t rest = container.words[i]; rest != 0; rest &= rest - 1) {
      use(static_cast<uint16_t>(i * 64 + static_cast<size_t>(std::countr_zero(rest))));
    }
  }
}

void AppendContainer(std::string& out, const Container& container) {
  if (container.as_runs()) {
    AppendLittle(out, static_cast<uint16_t>(container.runs));
    int first = -1;
    int last = -2;
    const auto end_run = [&] {
      if (first < 0) return;
      AppendLittle(out, static_cast<uint16_t>(first));
      AppendLittle(out, static_cast<uint16_t>(last - first));
    };
    ForEachRow(container, [&](uint16_t row) {
      if (row != last + 1) {
        end_run();
        first = row;
      }
      last = row;
    });
    end_run();
  } else if (container.rows <= kArrayValuesMax) {
    ForEachRow(container, [&](uint16_t row) { AppendLittle(out, row); });
  } else {
    const size_t end = out.size() + kBitsetBytes;
    for (const uint64_t word : container.words) AppendLittle(out, word);
    out.resize(end, 0);
  }
}

void AppendRoaring32(std::string& out, std::span<const Container> containers) {
  const auto begin = out.size();
  const auto count = containers.size();
  const bool runs = std::ranges::any_of(containers, &Container::as_runs);
  if (runs) {
    AppendLittle(out, static_cast<uint32_t>(kCookieWithRuns | (count - 1) << 16));
    std::string flags((count + 7) / 8, '\0');
    for (size_t i = 0; i < count; ++i) {
      if (containers[i].as_runs()) flags[i / 8] = static_cast<char>(flags[i / 8] | 1 << (i % 8));
    }
    out += flags;
  } else {
    AppendLittle(out, kCookieWithoutRuns);
    AppendLittle(out, static_cast<uint32_t>(count));
  }
  for (const Container& container : containers) {
    AppendLittle(out, static_cast<uint16_t>(container.key & 0xFFFF));
    AppendLittle(out, static_cast<uint16_t>(container.rows - 1));
  }
  std::string bodies;
  const bool offsets = !runs || count >= kContainersWithOffsets;
  const size_t bodies_at = out.size() - begin + (offsets ? 4 * count : 0);
  for (const Container& container : containers) {
    if (offsets) AppendLittle(out, static_cast<uint32_t>(bodies_at + bodies.size()));
    AppendContainer(bodies, container);
  }
  out += bodies;
}

}  // namespace

uint32_t Crc32(std::string_view bytes) {
  static constexpr std::array<uint32_t, 256> kTable = MakeCrcTable();
  uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xFF];
  return ~crc;
}

std::string EncodeZ85(std::string_view bytes) {
  SLUICE_CHECK(bytes.size() % 4 == 0);
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 4) {
    uint32_t number = 0;
    for (const char c : bytes.substr(i, 4)) number = number << 8 | static_cast<uint8_t>(c);
    std::array<char, 5> digits{};
    for (size_t digit = digits.size(); digit-- > 0; number /= 85) {
      digits[digit] = kZ85Alphabet[number % 85];
    }
    text.append(digits.begin(), digits.end());
  }
  return text;
}

std::string EncodeBitmap(const RowSet& rows) {
  const std::vector<Container> containers = Containers(rows);
  std::string out;
  AppendLittle(out, kPortableMagic);
  std::string buckets;
  uint64_t count = 0;
  for (size_t i = 0; i < containers.size();) {
    const uint64_t key = containers[i].key >> 16;
    size_t end = i;
    while (end < containers.size() && containers[end].key >> 16 == key) ++end;
    AppendLittle(buckets, static_cast<uint32_t>(key));
    AppendRoaring32(buckets, std::span(containers).subspan(i, end - i));
    ++count;
    i = end;
  }
  AppendLittle(out, count);
  return out + buckets;
}

DeletionVectorFile::DeletionVectorFile(std::string uuid) : uuid_(std::move(uuid)) {
  bytes_ += '\x01';  // The version of the format.
}

std::string DeletionVectorFile::path() const { return "deletion_vector_" + uuid_ + ".bin"; }

Result<std::shared_ptr<const DeletionVector>> DeletionVectorFile::Add(const RowSet& rows) {
  std::string uuid;
  for (size_t i = 0; i < uuid_.size(); i += uuid_[i] == '-' ? 1 : 2) {
    if (uuid_[i] == '-') continue;
    uuid += static_cast<char>(std::stoi(uuid_.substr(i, 2), nullptr, 16));
  }
  const std::string bitmap = EncodeBitmap(rows);
  if (bytes_.size() + bitmap.size() + 8 > size_t{INT32_MAX}) {
    return Unsupported("deletion vectors of more than two GiB in one commit");
  }
  DeletionVector vector{.storage = "u",
                        .data = EncodeZ85(uuid),
                        .offset = static_cast<int32_t>(bytes_.size()),
                        .size = static_cast<int32_t>(bitmap.size()),
                        .cardinality = rows.count()};
  AppendBigEndian32(bytes_, static_cast<uint32_t>(bitmap.size()));
  bytes_ += bitmap;
  AppendBigEndian32(bytes_, Crc32(bitmap));
  return std::make_shared<const DeletionVector>(std::move(vector));
}

}  // namespace sluice::lake::internal
