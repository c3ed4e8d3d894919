#pragma once
/// \file
/// A checksum of a whole Parquet file in its own footer. Checksums of pages are not enough: they
/// say nothing of the footer, by which readers find and skip pages.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/columnar/byte_sink.h"

namespace sluice::columnar::internal {

/// The checksum's length in the file: hexadecimal digits.
inline constexpr size_t kSealBytes = 8;
/// What stands there while it is computed.
inline constexpr std::string_view kNoSeal = "00000000";

/// The entry `sluice.crc32c` of a file's key-value metadata, with kNoSeal for its value.
std::shared_ptr<const arrow::KeyValueMetadata> SealEntry();

/// Returns where the checksum stands in a footer; absent: it has none.
std::optional<size_t> FindSeal(std::string_view footer);

/// Puts the CRC-32C of a file, counted with kNoSeal in its place, into the file's footer. `end` is
/// the file's last bytes, with all of its footer; those before have the checksum `so_far`.
/// kInternal: there is no place for it.
Status Seal(std::span<char> end, uint32_t so_far = 0);

/// Passes a file on as it is written, and seals it.
///
/// Not thread-safe: the writer of one file owns it.
class SealingSink {
 public:
  explicit SealingSink(ByteSink sink) : sink_(std::move(sink)) {}

  Status Write(std::string_view bytes);
  /// The footer may come from now on: the last writes are kept until the end.
  void BeginFooter() { holds_ = true; }
  Status Finish();

 private:
  Status Pass(std::string_view bytes);

  const ByteSink sink_;
  uint32_t checksum_ = 0;
  bool holds_ = false;
  std::deque<std::string> held_;
};

}  // namespace sluice::columnar::internal
