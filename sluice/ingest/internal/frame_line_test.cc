#include "sluice/ingest/internal/frame_line.h"

#include <arrow/buffer.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace sluice::ingest::internal {
namespace {

journal::Frame FrameOf(journal::Offset base, std::string_view payload) {
  return {.partition = 1, .schema_id = 7, .base = base, .rows = 1, .payload = payload};
}

TEST(FrameLineTest, UsesFramesInTheirOrderWithTheirOwnBytes) {
  std::vector<journal::Offset> used;
  FrameLine line([&](const journal::Frame& frame, const columnar::Bytes& payload) -> Status {
    EXPECT_TRUE(frame.payload.empty());
    EXPECT_EQ(frame.schema_id, 7U);
    const std::string_view bytes(*payload);
    EXPECT_EQ(bytes, std::string(bytes.size(), static_cast<char>('a' + frame.base % 26)));
    used.push_back(frame.base);
    return {};
  });
  std::vector<journal::Offset> put;
  for (journal::Offset base = 0; base < 100; ++base) {  // Beyond what may wait.
    const std::string payload(static_cast<size_t>(base) * 8'000,
                              static_cast<char>('a' + base % 26));
    ASSERT_TRUE(line.Put(FrameOf(base, payload)).ok());
    put.push_back(base);
  }
  ASSERT_TRUE(line.Finish().ok());
  EXPECT_EQ(used, put);
}

TEST(FrameLineTest, UsesAFewFramesOnTheCallersThread) {
  const auto caller = std::this_thread::get_id();
  FrameLine line([&](const journal::Frame&, const columnar::Bytes&) -> Status {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    return {};
  });
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(line.Put(FrameOf(i, "few")).ok());
  EXPECT_TRUE(line.Finish().ok());
}

TEST(FrameLineTest, TellsTheFirstFailureAndUsesNothingBehindIt) {
  for (const journal::Offset bad : {0, 50}) {  // By the caller, by the thread.
    journal::Offset last = -1;
    FrameLine line([&](const journal::Frame& frame, const columnar::Bytes&) -> Status {
      last = frame.base;
      if (frame.base == bad) return Corrupt("frame {}", frame.base);
      return {};
    });
    const std::string payload(1 << 20, 'x');
    Status put;
    for (journal::Offset base = 0; base < 100 && put.ok(); ++base) {
      put = line.Put(FrameOf(base, payload));
    }
    if (put.ok()) put = line.Finish();
    ASSERT_FALSE(put.ok());
    EXPECT_EQ(put.error().message(), "frame " + std::to_string(bad));
    EXPECT_EQ(last, bad);
  }
}

}  // namespace
}  // namespace sluice::ingest::internal
