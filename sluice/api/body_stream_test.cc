#include "sluice/api/body_stream.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace sluice::api {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class BodyStreamTest : public testing::Test {
 protected:
  /// The next Write() has to wait for the client.
  void Fill() { ASSERT_TRUE(stream_.Write(std::string(1 << 20, 'x')).ok()); }

  os::Monotonic In(milliseconds time) const { return clock_.Steady() + time; }

  const os::SystemClock clock_;
  BodyStream stream_;
  std::atomic<bool> others_ = false;
  const BodyStream::Patience patience_{.idle_max = milliseconds(50),
                                       .others_wait = [this] { return others_.load(); }};
};

TEST_F(BodyStreamTest, WhoTakesNothingIsWaitedForWhileNobodyElseWaits) {
  Fill();
  const auto written = stream_.Write("y", In(milliseconds(300)), patience_);
  EXPECT_EQ(written.error().ToString(), "the client took too long (unavailable)");
}

TEST_F(BodyStreamTest, WhoTakesNothingIsGivenUpWhenOthersCome) {
  Fill();
  int asked = 0;
  const BodyStream::Patience patience{.idle_max = milliseconds(50),
                                      .others_wait = [&asked] { return ++asked > 2; }};
  const auto written = stream_.Write("y", In(seconds(60)), patience);
  EXPECT_EQ(written.error().ToString(),
            "the client took nothing for 50 ms, and others wait (conflict)");
  EXPECT_EQ(asked, 3);
  EXPECT_FALSE(stream_.given_up());
  stream_.GiveUp();
  EXPECT_TRUE(stream_.given_up());
  std::string bytes;
  EXPECT_EQ(stream_.Take(bytes), BodyStream::State::kCut);
}

TEST_F(BodyStreamTest, WhatTheClientTakesBeginsItsTimeAnew) {
  others_ = true;
  Fill();
  std::jthread client([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      stream_.Progress();
      std::this_thread::yield();
    }
  });
  const auto written = stream_.Write("y", In(milliseconds(500)), patience_);
  EXPECT_EQ(written.error().code(), ErrorCode::kUnavailable) << "until its deadline";
}

}  // namespace
}  // namespace sluice::api
