#include "sluice/os/simulated_disk.h"

#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace sluice::os {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

Status Write(File& file, uint64_t offset, std::string_view text) {
  const auto piece = Bytes(text);
  return file.Write(offset, {&piece, 1});
}

class SimulatedDiskTest : public testing::Test {
 protected:
  SimulatedDiskTest() { EXPECT_TRUE(disk_.MakeFolders("d/e").ok()); }

  std::unique_ptr<File> Create(std::string_view path) {
    return std::move(*disk_.Open(path, OpenMode::kCreateNew));
  }
  std::string Read(std::string_view path) {
    auto text = ReadFile(disk_, path, 1 << 20);
    return text.ok() ? *text : text.error().ToString();
  }

  SimulatedDisk disk_;
};

TEST_F(SimulatedDiskTest, BehavesLikeADisk) {
  EXPECT_EQ(disk_.Open("d/a", OpenMode::kRead).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(disk_.Open("none/a", OpenMode::kCreateNew).error().code(), ErrorCode::kNotFound);
  auto file = Create("d/a");
  ASSERT_TRUE(Write(*file, 2, "hello").ok());
  EXPECT_EQ(Read("d/a"), std::string("\0\0hello", 7));
  EXPECT_EQ(disk_.Open("d/a", OpenMode::kCreateNew).error().code(), ErrorCode::kConflict);
  ASSERT_TRUE(ReplaceFile(disk_, "d/b", "b").ok());
  EXPECT_EQ(disk_.RenameNoReplace("d/a", "d/b").error().code(), ErrorCode::kConflict);
  EXPECT_EQ(*disk_.List("d"), (std::vector<std::string>{"a", "b", "e/"}));
  ASSERT_TRUE(disk_.Rename("d/a", "d/b").ok());
  EXPECT_EQ(Read("d/b"), std::string("\0\0hello", 7));
  ASSERT_TRUE(disk_.Remove("d/b").ok());
  EXPECT_TRUE(disk_.List("x")->empty());
  ASSERT_TRUE(file->Truncate(3).ok());
  ASSERT_TRUE(file->Allocate(9).ok());
  EXPECT_EQ(*file->Size(), 9u);
  auto lock = disk_.Lock("d/lock");
  EXPECT_EQ(disk_.Lock("d/lock").error().code(), ErrorCode::kConflict);
  lock->reset();
  EXPECT_TRUE(disk_.Lock("d/lock").ok());
}

TEST_F(SimulatedDiskTest, KeepsWhatIsSynced) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::string name = fmt::format("d/{}", seed);
    ASSERT_TRUE(ReplaceFile(disk_, name, std::string(2000, 'x')).ok());
    disk_.Crash(seed);
    ASSERT_EQ(Read(name), std::string(2000, 'x')) << "seed " << seed;
  }
}

TEST_F(SimulatedDiskTest, AFolderIsRenamedWithAllThatLiesInIt) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SimulatedDisk disk;
    ASSERT_TRUE(disk.MakeFolders("d/old/inner").ok());
    ASSERT_TRUE(disk.MakeFolders("d/older").ok());
    ASSERT_TRUE(ReplaceFile(disk, "d/old/inner/a", "a").ok());
    ASSERT_TRUE(ReplaceFile(disk, "d/older/b", "b").ok());
    ASSERT_TRUE(disk.Open("d/old/unsynced", OpenMode::kCreateNew).ok());
    EXPECT_FALSE(disk.Rename("d/old", "d/older").ok()) << "something lies there";
    ASSERT_TRUE(disk.Rename("d/old", "d/new").ok());
    EXPECT_EQ(*disk.List("d"), (std::vector<std::string>{"new/", "older/"}));
    EXPECT_EQ(*disk.List("d/new"), (std::vector<std::string>{"inner/", "unsynced"}));
    EXPECT_EQ(*ReadFile(disk, "d/new/inner/a", 9), "a");
    const bool synced = seed % 2 == 0;
    if (synced) {
      ASSERT_TRUE(disk.SyncDirectory("d").ok());
    }
    disk.Crash(seed);
    const std::vector<std::string> names = *disk.List("d");
    outcomes.insert(names[0]);
    ASSERT_EQ(names.size(), 2u);
    EXPECT_EQ(*ReadFile(disk, "d/" + names[0] + "inner/a", 9), "a");
    if (!synced) continue;
    EXPECT_EQ(names[0], "new/");
    EXPECT_FALSE(disk.Look("d/new/unsynced"));
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"new/", "old/"}));
}

TEST_F(SimulatedDiskTest, KeepsAnySubsetOfUnsyncedSectors) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimulatedDisk disk;
    ASSERT_TRUE(ReplaceFile(disk, "a", std::string(1024, 'o')).ok());
    auto file = std::move(*disk.Open("a", OpenMode::kWrite));
    ASSERT_TRUE(Write(*file, 0, std::string(1024, 'n')).ok());
    disk.Crash(seed);
    EXPECT_FALSE(Write(*file, 0, "x").ok());  // Of before the crash.
    const std::string text = *ReadFile(disk, "a", 1024);
    ASSERT_EQ(text.size(), 1024u);
    outcomes.insert({text[0], text[512]});
  }
  for (const std::string outcome : {"nn", "no", "on", "oo"}) {
    EXPECT_TRUE(outcomes.contains(outcome)) << outcome;
  }
  EXPECT_GT(outcomes.size(), 4u);  // Zeros and garbage too.
}

TEST_F(SimulatedDiskTest, LosesNamesThatAreNotSynced) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimulatedDisk disk;
    ASSERT_TRUE(ReplaceFile(disk, "a", "old").ok());
    auto file = std::move(*disk.Open("b", OpenMode::kCreateNew));
    ASSERT_TRUE(Write(*file, 0, "new").ok());
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(disk.Rename("b", "a").ok());
    disk.Crash(seed);
    const std::string text = *ReadFile(disk, "a", 99);
    outcomes.insert(text + (*disk.Exists("b") ? "+b" : ""));
  }
  EXPECT_EQ(outcomes, (std::set<std::string>{"old", "new", "old+b"}));
}

TEST_F(SimulatedDiskTest, LosesWhatLiesInAFolderWhoseNameIsLost) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::string folder = fmt::format("d/{}/x", seed);
    ASSERT_TRUE(disk_.MakeFolders("d").ok());
    disk_.Fail(DiskCall::kSyncDirectory);
    EXPECT_EQ(disk_.MakeFolders(folder).error().code(), ErrorCode::kUnavailable);
    // Nothing may be put there by this process any more.
    EXPECT_EQ(disk_.MakeFolders(folder).error().code(), ErrorCode::kUnavailable);
    disk_.Restart();
    ASSERT_TRUE(disk_.Exists(fmt::format("d/{}", seed)).value());
    disk_.Crash(seed);
    lost = lost || !disk_.Exists(fmt::format("d/{}", seed)).value();
  }
  EXPECT_TRUE(lost);
}

TEST_F(SimulatedDiskTest, MakesFoldersDurableThatADeadProcessHasLeft) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const std::string folder = fmt::format("d/{}/x/y", seed);
    disk_.CutPowerAfter(seed % 7);
    (void)disk_.MakeFolders(folder);
    disk_.Restart();
    ASSERT_TRUE(disk_.MakeFolders(folder).ok());
    ASSERT_TRUE(ReplaceFile(disk_, folder + "/a", "a").ok());
    disk_.Crash(seed);
    ASSERT_EQ(Read(folder + "/a"), "a") << seed;
  }
}

TEST_F(SimulatedDiskTest, ALaterSyncDoesNotKeepNamesThatAFailedOneLost) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::string name = fmt::format("d/{}", seed);
    Create(name);
    disk_.Fail(DiskCall::kSyncDirectory);
    EXPECT_FALSE(disk_.SyncDirectory("d").ok());
    EXPECT_TRUE(disk_.SyncDirectory("d").ok());
    disk_.Crash(seed);
    lost = lost || !disk_.Exists(name).value();
    // What is given the name later is kept.
    (void)disk_.Remove(name);
    ASSERT_TRUE(ReplaceFile(disk_, name, "new").ok());
    disk_.Crash(seed);
    EXPECT_EQ(Read(name), "new");
  }
  EXPECT_TRUE(lost);
}

TEST_F(SimulatedDiskTest, KeepsWhatWasWrittenAroundTheCache) {
  alignas(kDirectBytes) static std::array<std::byte, 2 * kDirectBytes> block;
  block.fill(std::byte{'x'});
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const std::string name = fmt::format("d/{}", seed);
    ASSERT_TRUE(ReplaceFile(disk_, name, std::string(3 * kDirectBytes, 'o')).ok());
    const auto file = disk_.Open(name, OpenMode::kWriteDirect);
    ASSERT_TRUE(file.ok());
    const std::span<const std::byte> all = block;
    const std::span<const std::byte> one = all.first(kDirectBytes);
    ASSERT_TRUE((*file)->Write(kDirectBytes, {&one, 1}).ok());
    EXPECT_EQ(Read(name).substr(kDirectBytes, kDirectBytes), std::string(kDirectBytes, 'x'));
    disk_.CutPowerAfter(0);
    EXPECT_FALSE((*file)->Write(2 * kDirectBytes, {&all, 1}).ok());
    disk_.Crash(seed);
    // What returned is there; what did not may be torn.
    EXPECT_EQ(Read(name).substr(0, 2 * kDirectBytes),
              std::string(kDirectBytes, 'o') + std::string(kDirectBytes, 'x'));
  }
}

TEST_F(SimulatedDiskTest, RepeatsItselfBySeed) {
  const auto run = [](uint64_t seed) {
    SimulatedDisk disk;
    auto file = std::move(*disk.Open("a", OpenMode::kCreateNew));
    EXPECT_TRUE(disk.SyncDirectory(".").ok());
    EXPECT_TRUE(Write(*file, 0, std::string(10'000, 'n')).ok());
    disk.Crash(seed);
    return *ReadFile(disk, "a", 1 << 20);
  };
  for (uint64_t seed = 0; seed < 20; ++seed) EXPECT_EQ(run(seed), run(seed));
}

TEST_F(SimulatedDiskTest, InjectsFaults) {
  auto file = Create("d/a");
  disk_.Fail(DiskCall::kWrite, 1, 2);
  EXPECT_TRUE(Write(*file, 0, "1").ok());
  EXPECT_EQ(Write(*file, 0, "2").error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(Write(*file, 0, "3").ok());
  EXPECT_TRUE(Write(*file, 0, "4").ok());
  disk_.Fail(DiskCall::kRead);
  EXPECT_EQ(Read("d/a"), "cannot read: injected fault (unavailable)");
  EXPECT_EQ(Read("d/a").substr(0, 1), "4");
}

TEST_F(SimulatedDiskTest, DropsWhatAFailedSyncShouldHaveKept) {
  auto file = Create("d/a");
  ASSERT_TRUE(disk_.SyncDirectory("d").ok());
  ASSERT_TRUE(Write(*file, 0, "old").ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(Write(*file, 0, "new").ok());
  disk_.Fail(DiskCall::kSync);
  EXPECT_FALSE(file->Sync().ok());
  EXPECT_TRUE(file->Sync().ok());  // The lie of the second call.
  EXPECT_EQ(Read("d/a"), "new");
  file->DropCache();
  EXPECT_EQ(Read("d/a"), "old");
}

TEST_F(SimulatedDiskTest, MayHaveWrittenWhatWasWrittenOver) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimulatedDisk disk;
    ASSERT_TRUE(ReplaceFile(disk, "a", "1").ok());
    auto file = std::move(*disk.Open("a", OpenMode::kWrite));
    ASSERT_TRUE(Write(*file, 0, "2").ok());
    ASSERT_TRUE(Write(*file, 0, "3").ok());
    file->DropCache();  // Not yet written back: it stays.
    ASSERT_EQ(*ReadFile(disk, "a", 9), "3");
    disk.Crash(seed);
    outcomes.insert(*ReadFile(disk, "a", 9));
  }
  for (const std::string outcome : {"1", "2", "3"})
    EXPECT_TRUE(outcomes.contains(outcome)) << outcome;
}

TEST_F(SimulatedDiskTest, IsFullAtItsCapacity) {
  auto file = Create("d/a");
  disk_.SetCapacity(8192);
  EXPECT_TRUE(Write(*file, 0, std::string(5000, 'x')).ok());
  EXPECT_EQ(Create("d/b")->Allocate(1).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(Write(*file, 0, std::string(9000, 'x')).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(*disk_.FreeBytes("d"), 0u);
  disk_.SetCapacity(16384);
  EXPECT_TRUE(Write(*file, 0, std::string(9000, 'x')).ok());
}

TEST_F(SimulatedDiskTest, CutsThePower) {
  auto file = Create("d/a");
  ASSERT_TRUE(disk_.SyncDirectory("d").ok());
  disk_.CutPowerAfter(1);
  EXPECT_TRUE(Write(*file, 0, "1").ok());
  EXPECT_FALSE(file->Sync().ok());
  EXPECT_FALSE(disk_.powered());
  EXPECT_FALSE(disk_.Exists("d/a").ok());
  disk_.Restart();
  EXPECT_EQ(Read("d/a"), "1");
  ASSERT_TRUE(disk_.Damage("d/a", 0, 1).ok());
  EXPECT_EQ(Read("d/a"), "0");
}

}  // namespace
}  // namespace sluice::os
