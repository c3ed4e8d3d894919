#include "sluice/os/command.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>

namespace sluice::os {
namespace {

using std::chrono::milliseconds;

TEST(CommandTest, GivesWhatItWrites) {
  EXPECT_EQ(*ReadCommand("printf 'a b\\n'", 100, milliseconds(60'000)), "a b\n");
  EXPECT_EQ(*ReadCommand("true", 100, milliseconds(60'000)), "");
  EXPECT_EQ(*ReadCommand("printf 0123456789", 10, milliseconds(60'000)), "0123456789");
}

TEST(CommandTest, SaysHowItFailed) {
  EXPECT_EQ(ReadCommand("exit 3", 100, milliseconds(60'000)).error().ToString(),
            "it ends with exit code 3 (unavailable)");
  EXPECT_EQ(ReadCommand("kill -9 $$", 100, milliseconds(60'000)).error().ToString(),
            "it ends with signal 9 (unavailable)");
  EXPECT_EQ(ReadCommand("printf 01234567890", 10, milliseconds(60'000)).error().ToString(),
            "it writes more than 10 bytes (invalid)");
  EXPECT_EQ(ReadCommand("sleep 600", 10, milliseconds(20)).error().ToString(),
            "it did not end in time (unavailable)");
}

TEST(ForbidCoreDumpsTest, LeavesNoWayToOne) {
  const auto forbid = [] {
    rlimit limit{};
    limit.rlim_max = 1;
    const bool done = ForbidCoreDumps().ok() && getrlimit(RLIMIT_CORE, &limit) == 0 &&
                      limit.rlim_max == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0;
    std::_Exit(done ? 7 : 1);
  };
  EXPECT_EXIT(forbid(), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace sluice::os
