#include "sluice/columnar/internal/file_seal.h"

#include <arrow/util/key_value_metadata.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "sluice/base/crc32c.h"

namespace sluice::columnar::internal {

namespace {

constexpr std::string_view kKey = "sluice.crc32c";
// As Thrift's compact protocol has the entry: the two fields of a KeyValue with their lengths.
constexpr std::string_view kBeforeDigits = "\x18\x0dsluice.crc32c\x18\x08";
// Behind the footer: its length, and `PAR1`.
constexpr size_t kTailBytes = 8;
// The writer gives the footer, its length and the magic to the stream one by one.
constexpr size_t kFooterWrites = 3;

}  // namespace

std::shared_ptr<const arrow::KeyValueMetadata> SealEntry() {
  return arrow::key_value_metadata({std::string(kKey)}, {std::string(kNoSeal)});
}

std::optional<size_t> FindSeal(std::string_view footer) {
  // The last one: what stands before, such as bounds, may be anybody's text.
  const size_t found = footer.rfind(kBeforeDigits);
  if (found == std::string_view::npos) return std::nullopt;
  const size_t digits = found + kBeforeDigits.size();
  if (digits + kSealBytes > footer.size()) return std::nullopt;
  return digits;
}

Status Seal(std::span<char> end, uint32_t so_far) {
  static_assert(std::endian::native == std::endian::little);
  uint32_t length = 0;
  if (end.size() >= kTailBytes) std::memcpy(&length, &end[end.size() - kTailBytes], sizeof(length));
  const std::string_view bytes(end.data(), end.size());
  if (bytes.size() < kTailBytes || length > bytes.size() - kTailBytes) {
    return Internal("parquet writer: no footer where it is expected");
  }
  const size_t footer = bytes.size() - kTailBytes - length;
  const auto seal = FindSeal(bytes.substr(footer, length));
  if (!seal || bytes.substr(footer + *seal, kSealBytes) != kNoSeal) {
    return Internal("parquet writer: no place for the checksum");
  }
  const std::string digits = fmt::format("{:08x}", Crc32c(std::as_bytes(end), so_far));
  std::ranges::copy(digits, end.begin() + static_cast<std::ptrdiff_t>(footer + *seal));
  return {};
}

Status SealingSink::Pass(std::string_view bytes) {
  checksum_ = Crc32c(std::as_bytes(std::span(bytes)), checksum_);
  return sink_(bytes);
}

Status SealingSink::Write(std::string_view bytes) {
  if (!holds_) return Pass(bytes);
  held_.emplace_back(bytes);
  if (held_.size() <= kFooterWrites) return {};
  const Status passed = Pass(held_.front());
  held_.pop_front();
  return passed;
}

Status SealingSink::Finish() {
  std::string end;
  for (const std::string& bytes : held_) end += bytes;
  held_.clear();
  SLUICE_RETURN_IF_ERROR(Seal(end, checksum_));
  return sink_(end);
}

}  // namespace sluice::columnar::internal
