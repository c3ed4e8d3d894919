#include "sluice/journal/internal/format.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "sluice/base/crc32c.h"
#include "sluice/journal/internal/manifest.h"

namespace sluice::journal::internal {
namespace {

// Checksums that fit say that nobody's disk did this; sums over such offsets would be undefined.
TEST(FormatTest, FramesOfImpossibleOffsetsAreNotWhole) {
  constexpr SegmentKey kKey = {.id = 1, .epoch = 2, .tag = 3};
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const auto is_whole = [&](int64_t base, int64_t rows) {
    FrameHeader header;
    header.tag = kKey.tag;
    header.segment = kKey.id;
    header.epoch = kKey.epoch;
    header.position = kBlockBytes;
    header.base = base;
    header.rows = rows;
    Seal(header);
    return IsWhole(header, kKey, kBlockBytes);
  };
  EXPECT_TRUE(is_whole(0, 0));
  EXPECT_TRUE(is_whole(5, 7));
  EXPECT_TRUE(is_whole(kMax - 1, 1));
  EXPECT_FALSE(is_whole(-1, 1));
  EXPECT_FALSE(is_whole(1, -1));
  EXPECT_FALSE(is_whole(kMax, 1));
}

TEST(ManifestTest, RefusesOffsetsBelowZero) {
  for (const char* const line :
       {"partition 1 -10 0\n", "partition 1 0 -1\n", "partition 1 0 5 -3\n"}) {
    Manifest manifest;
    manifest.uuid = std::string(36, 'u');
    std::string text = Encode(manifest);
    text.resize(text.rfind("checksum "));
    text += line;
    text += fmt::format("checksum {:08x}\n", Crc32c(std::as_bytes(std::span(text))));
    const auto decoded = DecodeManifest(text);
    ASSERT_FALSE(decoded.ok()) << line;
    EXPECT_EQ(decoded.error().code(), ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace sluice::journal::internal
