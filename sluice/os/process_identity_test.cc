#include "sluice/os/process_identity.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sluice::os {
namespace {

TEST(ProcessIdentityTest, WeRun) {
  const ProcessIdentity us = ThisProcess();
  EXPECT_EQ(us.number, getpid());
  EXPECT_GT(us.started, 0);
  EXPECT_TRUE(Runs(us));
}

TEST(ProcessIdentityTest, AnotherOneOfOurNumberIsNotWe) {
  ProcessIdentity other = ThisProcess();
  ++other.started;
  EXPECT_FALSE(Runs(other));
  EXPECT_FALSE(Runs({}));
}

TEST(ProcessIdentityTest, OneThatHasEndedDoesNotRunEvenIfNobodyHasAskedForItsEnd) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const ProcessIdentity self = ThisProcess();
    [[maybe_unused]] const ssize_t written = write(ends[1], &self, sizeof self);
    _exit(0);
  }
  ProcessIdentity ended;
  ASSERT_EQ(read(ends[0], &ended, sizeof ended), static_cast<ssize_t>(sizeof ended));
  EXPECT_EQ(ended.number, child);
  siginfo_t about = {};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &about, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(Runs(ended));  // A zombie.
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(Runs(ended));
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace sluice::os
