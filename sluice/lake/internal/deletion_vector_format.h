#pragma once
/// \file
/// What reading and writing deletion vectors share (PROTOCOL.md, "Deletion Vector Format"; Roaring:
/// https://github.com/RoaringBitmap/RoaringFormatSpec).

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::lake::internal {

inline constexpr uint32_t kPortableMagic = 1681511377;
inline constexpr uint32_t kNativeMagic = 1681511376;
inline constexpr uint32_t kCookieWithRuns = 12347;
inline constexpr uint32_t kCookieWithoutRuns = 12346;
inline constexpr size_t kBitsetBytes = 8192;
inline constexpr size_t kArrayValuesMax = 4096;
/// With runs, fewer containers have no offsets.
inline constexpr size_t kContainersWithOffsets = 4;

inline constexpr std::string_view kZ85Alphabet =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// The checksum of zlib (base has another polynomial).
uint32_t Crc32(std::string_view bytes);

}  // namespace sluice::lake::internal
