#include "sluice/store/object_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "sluice/os/disk.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/store/cached_store.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/folder_store.h"
#include "sluice/store/internal/fake_s3.h"
#include "sluice/store/local_store.h"
#include "sluice/store/memory_store.h"
#include "sluice/store/s3_store.h"

namespace sluice::store {
namespace {

std::string FreshFolder() {
  std::string name = testing::TempDir() + "store_XXXXXX";
  SLUICE_CHECK(::mkdtemp(name.data()) != nullptr);
  return name;
}

std::string Content(ObjectStore& store, std::string_view path) {
  const auto bytes = store.Get(path);
  return bytes.ok() ? *bytes : bytes.error().ToString();
}

struct LocalFixture {
  os::SystemDisk disk;
  LocalStore store{disk, FreshFolder() + "/made/when/needed"};
};
struct MemoryFixture {
  MemoryStore store;
};
struct FaultyFixture {
  MemoryStore memory;
  FaultyStore store{memory};
};

// What every store must do.
template <typename Fixture>
class ObjectStoreTest : public testing::Test {
 protected:
  std::vector<std::string> Paths(std::string_view prefix, std::string_view after = {}) {
    std::vector<std::string> paths;
    const auto found = store().List(prefix, after);
    EXPECT_TRUE(found.ok()) << found.error().ToString();
    for (const ObjectInfo& info : *found) paths.push_back(info.path);
    return paths;
  }
  ObjectStore& store() { return fixture_.store; }

 private:
  Fixture fixture_;
};

struct S3Fixture {
  internal::FakeS3 server;
  os::SimulatedRandom random{1};
  S3Store store{{.bucket = "bucket",
                 .endpoint = server.endpoint(),
                 .access_key = "key",
                 .secret_key = "secret"},
                random};
};

struct FolderFixture {
  MemoryStore memory;
  FolderStore store{memory, "x/y"};
  FolderFixture() {  // Neighbours that must not be seen.
    SLUICE_CHECK(memory.Put("x/y2/a", "other").ok() && memory.Put("a", "other").ok());
  }
};

struct CachedFixture {
  MemoryStore remote;
  MemoryStore local;
  os::SystemClock clock;
  std::unique_ptr<CachedStore> opened = *CachedStore::Open(remote, local, 1 << 20, clock);
  CachedStore& store = *opened;
};

using Fixtures = testing::Types<LocalFixture, MemoryFixture, FaultyFixture, S3Fixture,
                                FolderFixture, CachedFixture>;
TYPED_TEST_SUITE(ObjectStoreTest, Fixtures);

TYPED_TEST(ObjectStoreTest, GivesBackWhatWasPut) {
  ObjectStore& store = this->store();
  const std::string bytes("a\0b\n", 4);
  ASSERT_TRUE(store.Put("x/y z/é%20.json", bytes).ok());
  EXPECT_EQ(*store.Get("x/y z/é%20.json"), bytes);
  EXPECT_EQ(store.Head("x/y z/é%20.json")->size, 4U);
  EXPECT_EQ(*store.GetRange("x/y z/é%20.json", 1, 2), std::string("\0b", 2));
  EXPECT_EQ(*store.GetRange("x/y z/é%20.json", 3, 100), "\n");
  EXPECT_EQ(*store.GetRange("x/y z/é%20.json", 4, 1), "");
  EXPECT_EQ(store.GetRange("x/y z/é%20.json", 5, 1).error().code(), ErrorCode::kInvalid);
  ASSERT_TRUE(store.Put("x/y z/é%20.json", "").ok());
  EXPECT_EQ(*store.Get("x/y z/é%20.json"), "");
  EXPECT_EQ(store.Head("x/y z/é%20.json")->size, 0U);
}

TYPED_TEST(ObjectStoreTest, SaysWhatIsNotThere) {
  ObjectStore& store = this->store();
  ASSERT_TRUE(store.Put("folder/a", "1").ok());
  for (const std::string path : {"none", "folder", "folder/b", "folder/a/below"}) {
    const std::string what = store.Get(path).error().ToString();
    EXPECT_TRUE(what.starts_with("there is no object '") && what.ends_with(path + "' (not found)"))
        << what;
    EXPECT_EQ(store.GetRange(path, 0, 1).error().code(), ErrorCode::kNotFound) << path;
    EXPECT_EQ(store.Head(path).error().code(), ErrorCode::kNotFound) << path;
  }
}

TYPED_TEST(ObjectStoreTest, PutsIfAbsentOnce) {
  ObjectStore& store = this->store();
  ASSERT_TRUE(store.PutIfAbsent("log/1", "ours").ok());
  const std::string refused = store.PutIfAbsent("log/1", "theirs").error().ToString();
  EXPECT_TRUE(refused.ends_with("log/1' exists (conflict)")) << refused;
  EXPECT_EQ(*store.Get("log/1"), "ours");
  EXPECT_EQ(this->Paths(""), std::vector<std::string>{"log/1"});
}

TYPED_TEST(ObjectStoreTest, LetsOneOfManyWritersWin) {
  ObjectStore& store = this->store();
  for (int round = 0; round < 20; ++round) {
    const std::string path = "race/" + std::to_string(round);
    std::atomic<int> winner = -1;
    std::atomic<int> conflicts = 0;
    {
      std::vector<std::jthread> threads;
      for (int writer = 0; writer < 4; ++writer) {
        threads.emplace_back([&, writer] {
          const Status put = store.PutIfAbsent(path, std::to_string(writer));
          if (put.ok()) {
            winner = writer;
          } else if (put.error().code() == ErrorCode::kConflict) {
            ++conflicts;
          }
        });
      }
    }
    EXPECT_EQ(conflicts, 3);
    EXPECT_EQ(*store.Get(path), std::to_string(winner));
  }
}

TYPED_TEST(ObjectStoreTest, ListsInOrderOfBytes) {
  ObjectStore& store = this->store();
  const std::vector<std::string> all = {"a", "b-c", "b.json", "b/1", "b/2/x", "b/2/y", "b0", "c"};
  for (const std::string& path : all) ASSERT_TRUE(store.Put(path, path).ok());
  using Names = std::vector<std::string>;
  EXPECT_EQ(this->Paths(""), all);
  EXPECT_EQ(this->Paths("b"), Names(all.begin() + 1, all.end() - 1));
  EXPECT_EQ(this->Paths("b/"), (Names{"b/1", "b/2/x", "b/2/y"}));
  EXPECT_EQ(this->Paths("b/2"), (Names{"b/2/x", "b/2/y"}));
  EXPECT_EQ(this->Paths("b/", "b/2/x"), (Names{"b/2/y"}));
  EXPECT_EQ(this->Paths("", "b/2/x"), (Names{"b/2/y", "b0", "c"}));
  EXPECT_EQ(this->Paths("b/", "b/2"), (Names{"b/2/x", "b/2/y"}));
  EXPECT_EQ(this->Paths("b/", "c"), Names{});
  EXPECT_EQ(this->Paths("none/"), Names{});
  EXPECT_EQ(store.List("b/1")->front().size, 3U);
}

TYPED_TEST(ObjectStoreTest, Deletes) {
  ObjectStore& store = this->store();
  ASSERT_TRUE(store.Put("a/b", "1").ok());
  EXPECT_TRUE(store.Delete("a/b").ok());
  EXPECT_TRUE(store.Delete("a/b").ok());
  EXPECT_EQ(this->Paths(""), std::vector<std::string>{});
}

TYPED_TEST(ObjectStoreTest, DeletesMany) {
  ObjectStore& store = this->store();
  std::vector<std::string> doomed = {"a/not-there", "nowhere/b"};
  for (const char* path : {"a/1", "a/b/2", "c"}) {
    ASSERT_TRUE(store.Put(path, "1").ok());
    doomed.push_back(path);
  }
  ASSERT_TRUE(store.Put("a/stays", "1").ok());
  EXPECT_TRUE(store.DeleteAll(doomed).ok());
  EXPECT_EQ(this->Paths(""), std::vector<std::string>{"a/stays"});
  EXPECT_TRUE(store.DeleteAll({}).ok());
  const std::vector<std::string> bad = {"a/stays", "../a"};
  EXPECT_EQ(store.DeleteAll(bad).error().code(), ErrorCode::kInvalid);
}

// Text of more than two pieces of any store here, with no period of theirs.
std::string LongText() {
  std::string text;
  for (int i = 0; text.size() < 2'500'000; ++i) text += fmt::format("{},", i);
  return text;
}

// Writes `text` in parts of many sizes; does not finish.
Status WriteInParts(ObjectWriter& writer, std::string_view text) {
  for (size_t i = 0; !text.empty(); ++i) {
    const size_t size = std::min<size_t>(text.size(), i * 97 % 200'000);
    SLUICE_RETURN_IF_ERROR(writer.Write(text.substr(0, size)));
    text.remove_prefix(size);
  }
  return {};
}

TYPED_TEST(ObjectStoreTest, WritesPartByPart) {
  ObjectStore& store = this->store();
  const std::string text = LongText();
  ASSERT_TRUE(store.Put("a/old", "old").ok());
  for (const std::string path : {"a/new", "a/old"}) {
    const auto before = this->Paths("");
    const auto writer = store.StartPut(path);
    ASSERT_TRUE(writer.ok()) << writer.error().ToString();
    ASSERT_TRUE(WriteInParts(**writer, text).ok());
    EXPECT_EQ(this->Paths(""), before);  // Nobody sees a half.
    EXPECT_NE(Content(store, path), text);
    ASSERT_TRUE((*writer)->Finish().ok());
    EXPECT_EQ(Content(store, path), text) << path;
  }
  for (const std::string_view little : {"", "x"}) {
    const auto writer = store.StartPut("a/little");
    ASSERT_TRUE((*writer)->Write(little).ok() && (*writer)->Finish().ok());
    EXPECT_EQ(Content(store, "a/little"), little);
  }
}

TYPED_TEST(ObjectStoreTest, WhatIsGivenUpWasNeverThere) {
  ObjectStore& store = this->store();
  ASSERT_TRUE(store.Put("a/old", "old").ok());
  for (const std::string path : {"a/new", "a/old"}) {
    const auto writer = store.StartPut(path);
    ASSERT_TRUE(writer.ok() && WriteInParts(**writer, LongText()).ok());
  }
  EXPECT_EQ(this->Paths(""), std::vector<std::string>{"a/old"});
  EXPECT_EQ(*store.Get("a/old"), "old");
}

TYPED_TEST(ObjectStoreTest, RefusesPathsThatLeaveIt) {
  ObjectStore& store = this->store();
  for (const std::string_view path :
       {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a/.."}) {
    EXPECT_EQ(store.Get(path).error().code(), ErrorCode::kInvalid) << path;
    EXPECT_EQ(store.Head(path).error().code(), ErrorCode::kInvalid) << path;
    EXPECT_EQ(store.Put(path, "x").error().code(), ErrorCode::kInvalid) << path;
    EXPECT_EQ(store.StartPut(path).error().code(), ErrorCode::kInvalid) << path;
    EXPECT_EQ(store.PutIfAbsent(path, "x").error().code(), ErrorCode::kInvalid) << path;
    EXPECT_EQ(store.Delete(path).error().code(), ErrorCode::kInvalid) << path;
  }
  EXPECT_EQ(store.Put(std::string_view("a\0b", 3), "x").error().code(), ErrorCode::kInvalid);
}

TEST(LocalStoreTest, DoesNotShowUnfinishedObjects) {
  os::SystemDisk disk;
  const std::string root = FreshFolder();
  LocalStore store(disk, root);
  ASSERT_TRUE(disk.Open(root + "/.a.0.tmp", os::OpenMode::kCreateNew).ok());  // Left by a crash.
  ASSERT_TRUE(store.Put("a", "1").ok());
  EXPECT_EQ(store.List("")->size(), 1U);
  EXPECT_EQ(disk.List(root)->size(), 2U);  // Nothing is left of our own.
  EXPECT_EQ(store.Put(".a.1.tmp", "1").error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(store.StartPut(".a.1.tmp").error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(store.Location("x/y"), root + "/x/y");
  // A file where a folder is needed is no sign that somebody has written the object.
  EXPECT_EQ(store.PutIfAbsent("a/b", "1").error().code(), ErrorCode::kInvalid);
}

TEST(FaultyStoreTest, FailsInAnyPart) {
  MemoryStore memory;
  FaultyStore store(memory);
  store.Add({.call = StoreCall::kWritePart, .skip = 2});
  const auto writer = store.StartPut("a");
  ASSERT_TRUE((*writer)->Write("1").ok() && (*writer)->Write("2").ok());
  EXPECT_EQ((*writer)->Write("3").error().code(), ErrorCode::kUnavailable);
  store.Add({.call = StoreCall::kPut, .when = Fault::When::kAfter});
  const auto other = store.StartPut("b");
  ASSERT_TRUE((*other)->Write("1").ok());
  EXPECT_EQ((*other)->Finish().error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(memory.List("")->size(), 1U);
}

TEST(FaultyStoreTest, FailsAsChosen) {
  MemoryStore memory;
  FaultyStore store(memory);
  store.Add({.call = StoreCall::kPutIfAbsent, .path_part = "log", .skip = 1});
  store.Add({.call = StoreCall::kPutIfAbsent, .when = Fault::When::kAfter, .path_part = "log"});
  EXPECT_TRUE(store.PutIfAbsent("data/1", "x").ok());
  EXPECT_EQ(store.PutIfAbsent("log/1", "x").error().code(), ErrorCode::kUnavailable);  // After.
  EXPECT_TRUE(memory.Head("log/1").ok());
  EXPECT_EQ(store.PutIfAbsent("log/2", "x").error().code(), ErrorCode::kUnavailable);  // Before.
  EXPECT_FALSE(memory.Head("log/2").ok());
  EXPECT_TRUE(store.PutIfAbsent("log/2", "x").ok());
  EXPECT_EQ(store.failed(), 2);
  EXPECT_EQ(store.failed(StoreCall::kPutIfAbsent, Fault::When::kBefore), 1);
  EXPECT_EQ(store.failed(StoreCall::kPutIfAbsent, Fault::When::kAfter), 1);
  EXPECT_EQ(store.failed(StoreCall::kPut, Fault::When::kAfter), 0);
}

TEST(LocalStoreTest, ANameThatMayNotSurviveEndsTheProcess) {
  os::SimulatedDisk disk;
  int told = 0;
  LocalStore store(disk, "/root", [&](const Error&) { ++told; });
  disk.Fail(os::DiskCall::kSyncDirectory);
  EXPECT_EQ(store.PutIfAbsent("a/b", "x").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(told, 1);
  LocalStore strict(disk, "/root");
  disk.Fail(os::DiskCall::kSyncDirectory);
  EXPECT_DEATH((void)strict.Put("a/c", "x"), "store: .*start it again");
}

TEST(LocalStoreTest, AWriterThatGivesUpLeavesNoFile) {
  os::SystemDisk disk;
  const std::string root = FreshFolder();
  LocalStore store(disk, root);
  {
    const auto writer = store.StartPut("a");
    ASSERT_TRUE(writer.ok() && WriteInParts(**writer, LongText()).ok());
    EXPECT_EQ(disk.List(root)->size(), 1U);
  }
  EXPECT_EQ(disk.List(root)->size(), 0U);
  const auto writer = store.StartPut("a");
  ASSERT_TRUE(writer.ok() && WriteInParts(**writer, LongText()).ok() && (*writer)->Finish().ok());
  EXPECT_EQ(*disk.List(root), std::vector<std::string>{"a"});
}

TEST(LocalStoreTest, AFaultAnywhereInAStreamedObjectLeavesTheOldOneAndNoFile) {
  const std::string text = LongText();
  for (const auto call :
       {os::DiskCall::kOpen, os::DiskCall::kWrite, os::DiskCall::kSync, os::DiskCall::kRename}) {
    bool failed = true;
    for (uint64_t skip = 0; failed; ++skip) {
      os::SimulatedDisk disk;
      LocalStore store(disk, "/root");
      ASSERT_TRUE(store.Put("a", "old").ok());
      disk.Fail(call, skip);
      {
        const auto writer = store.StartPut("a");
        ASSERT_TRUE(writer.ok());
        Status written = WriteInParts(**writer, text);
        if (written.ok()) written = (*writer)->Finish();
        failed = !written.ok();
        if (failed) {
          EXPECT_EQ(written.error().code(), ErrorCode::kUnavailable);
        }
      }
      if (skip == 0) {
        EXPECT_TRUE(failed);
      }
      disk.ClearFaults();
      EXPECT_EQ(*store.Get("a"), failed ? "old" : text);
      EXPECT_EQ(disk.List("/root")->size(), 1U);
    }
  }
}

TEST(LocalStoreTest, AStreamedObjectIsThereWholeOrNotAfterAPowerLoss) {
  const std::string text = LongText();
  uint64_t calls = 0;
  {
    os::SimulatedDisk disk;
    LocalStore store(disk, "/root");
    const auto writer = store.StartPut("a/b");
    ASSERT_TRUE(WriteInParts(**writer, text).ok() && (*writer)->Finish().ok());
    calls = disk.calls();
  }
  ASSERT_GT(calls, 5U);
  for (uint64_t works = 0; works <= calls; ++works) {
    os::SimulatedDisk disk;
    LocalStore store(disk, "/root", [](const Error&) {});
    disk.CutPowerAfter(works);
    bool finished = false;
    {
      const auto writer = store.StartPut("a/b");
      finished = WriteInParts(**writer, text).ok() && (*writer)->Finish().ok();
    }
    disk.Crash(/*seed=*/works + 1);
    const auto objects = store.List("");
    ASSERT_TRUE(objects.ok());
    EXPECT_TRUE(!finished || objects->size() == 1) << works;
    if (!objects->empty()) {
      EXPECT_EQ(*store.Get("a/b"), text) << works;
    }
  }
}

TEST(LocalStoreTest, WhatADeadProcessShowedStaysOnceItsFolderIsSynced) {
  uint64_t calls = 0;
  int shown = 0;
  for (uint64_t works = 0; works <= calls; ++works) {
    os::SimulatedDisk disk;
    LocalStore dead(disk, "/root", [](const Error&) {});
    ASSERT_TRUE(dead.Put("t/b", "x").ok());
    const uint64_t before = disk.calls();
    disk.CutPowerAfter(works);
    (void)dead.PutIfAbsent("t/log/0", "x");  // It may die at any of its calls.
    if (works == 0) calls = 20;
    if (disk.powered()) calls = disk.calls() - before;
    disk.Restart();
    LocalStore store(disk, "/root");
    const bool seen = store.Head("t/log/0").ok();
    shown += seen ? 1 : 0;
    ASSERT_TRUE(store.SyncFolder("t/log").ok());
    disk.Crash(works + 1);
    EXPECT_EQ(store.Head("t/log/0").ok(), seen) << works;
  }
  EXPECT_GT(shown, 1);
  os::SimulatedDisk disk;
  int told = 0;
  LocalStore store(disk, "/root", [&](const Error&) { ++told; });
  ASSERT_TRUE(store.Put("a/b", "x").ok());
  disk.Fail(os::DiskCall::kSyncDirectory);
  EXPECT_EQ(store.SyncFolder("a").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(store.SyncFolder("../a").error().code(), ErrorCode::kInvalid);
  EXPECT_TRUE(store.SyncFolder("").ok());
}

TEST(LocalStoreTest, WhatIsDeletedWithManyStaysDeletedAfterAPowerLoss) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    os::SimulatedDisk disk;
    LocalStore store(disk, "/root");
    std::vector<std::string> paths;
    for (int i = 0; i < 10; ++i) {
      paths.push_back(fmt::format("a{}/{}", i % 3, i));
      ASSERT_TRUE(store.Put(paths.back(), "x").ok());
    }
    ASSERT_TRUE(store.DeleteAll(paths).ok());
    disk.Crash(seed);
    EXPECT_TRUE(store.List("")->empty()) << "seed " << seed;
  }
}

TEST(LocalStoreTest, RemovesWhatDeadWritersLeft) {
  std::string pattern = testing::TempDir() + "local_XXXXXX";
  const std::string root = mkdtemp(pattern.data());
  os::SystemDisk disk;
  LocalStore store(disk, root);
  ASSERT_TRUE(store.Put("t/day=1/part.parquet", "rows").ok());
  const auto leave = [&](const std::string& path, std::chrono::hours age) {
    std::ofstream(root + "/" + path) << "half";  // NOLINT: a test, and quick to read
    std::filesystem::last_write_time(root + "/" + path,
                                     std::filesystem::file_time_type::clock::now() - age);
  };
  leave("t/day=1/.part-2.parquet.0.tmp", std::chrono::hours(48));
  leave("t/.part-3.parquet.7.tmp", std::chrono::hours(1));
  leave("t/.of-somebody-else", std::chrono::hours(48));
  leave("t/old.parquet", std::chrono::hours(48));
  const auto removed = store.RemoveUnfinished(os::SystemClock().Now() - std::chrono::hours(24));
  ASSERT_TRUE(removed.ok()) << removed.error().ToString();
  EXPECT_EQ(*removed, 1);
  EXPECT_FALSE(std::filesystem::exists(root + "/t/day=1/.part-2.parquet.0.tmp"));
  for (const char* stays : {"t/.part-3.parquet.7.tmp", "t/.of-somebody-else", "t/old.parquet",
                            "t/day=1/part.parquet"}) {
    EXPECT_TRUE(std::filesystem::exists(root + "/" + stays)) << stays;
  }
  std::filesystem::remove_all(root);
}

TEST(CachedStoreTest, KeepsWhatIsPutOrAskedForAndNeverChanges) {
  os::SimulatedClock clock{os::Timestamp()};
  MemoryStore remote;
  MemoryStore local;
  {
    const auto opened = *CachedStore::Open(remote, local, 100, clock);
    CachedStore& store = *opened;
    ASSERT_TRUE(store.Put("t/ours.parquet", "ours").ok());
    ASSERT_TRUE(store.PutIfAbsent("t/_delta_log/0.json", "{}").ok());
    ASSERT_TRUE(store.Put("t/_delta_log/_last_checkpoint", "{}").ok());
    ASSERT_TRUE(remote.Put("t/theirs.parquet", "theirs").ok());
    EXPECT_EQ(local.List("")->size(), 1U);
    const std::vector<std::string> both{"t/ours.parquet", "t/theirs.parquet"};
    ASSERT_TRUE(store.MakeLocal(both).ok());
    EXPECT_EQ(*local.Get("t/theirs.parquet"), "theirs");
    ASSERT_TRUE(store.Delete("t/ours.parquet").ok());
    EXPECT_EQ(store.MakeLocal(both).error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(local.Get("t/ours.parquet").error().code(), ErrorCode::kNotFound);
  }
  const auto reopened = *CachedStore::Open(remote, local, 100, clock);
  CachedStore& again = *reopened;
  ASSERT_TRUE(remote.Delete("t/theirs.parquet").ok());
  EXPECT_EQ(*again.Get("t/theirs.parquet"), "theirs");  // Not asked for again.
}

TEST(CachedStoreTest, ForgetsWhatIsReplacedOrDeletedWithMany) {
  os::SimulatedClock clock{os::Timestamp()};
  MemoryStore remote;
  MemoryStore local;
  const auto opened = *CachedStore::Open(remote, local, 100, clock);
  CachedStore& store = *opened;
  const std::vector<std::string> all{"t/a", "t/b"};
  for (int round = 0; round < 30; ++round) {  // Nor does any of it take room.
    ASSERT_TRUE(store.Put("t/a", "first").ok());
    ASSERT_TRUE(store.Put("t/a", "second").ok());
    EXPECT_EQ(*store.Get("t/a"), "second");
    ASSERT_TRUE(store.Put("t/b", "b").ok());
    EXPECT_EQ(local.List("")->size(), 2U);
    ASSERT_TRUE(store.DeleteAll(all).ok());
    EXPECT_EQ(local.List("")->size(), 0U);
    EXPECT_EQ(store.Get("t/a").error().code(), ErrorCode::kNotFound);
  }
}

TEST(CachedStoreTest, ACopyThatCannotBeWrittenTakesNoRoom) {
  os::SimulatedClock clock{os::Timestamp()};
  MemoryStore remote;
  MemoryStore memory;
  FaultyStore local(memory);
  const auto opened = *CachedStore::Open(remote, local, 100, clock);
  CachedStore& store = *opened;
  local.Add({.call = StoreCall::kPut, .times = 10});
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(store.Put(fmt::format("t/{}", i), std::string(40, 'x')).ok());
  }
  EXPECT_EQ(memory.List("")->size(), 0U);
  ASSERT_TRUE(store.Put("t/kept", std::string(40, 'x')).ok());
  EXPECT_EQ(memory.List("")->size(), 1U);
}

TEST(CachedStoreTest, TakesNoMoreThanItMay) {
  os::SimulatedClock clock{os::Timestamp()};
  MemoryStore remote;
  MemoryStore local;
  const auto make_local = [](CachedStore& store, const std::string& path) {
    return store.MakeLocal(std::vector<std::string>{path});
  };
  {
    const auto opened = *CachedStore::Open(remote, local, 100, clock);
    CachedStore& store = *opened;
    for (const char* path : {"t/a", "t/b", "t/c"}) {
      ASSERT_TRUE(store.Put(path, std::string(40, path[2])).ok());
      clock.Advance(std::chrono::seconds(1));
    }
    // Two fit, and both may be in use.
    EXPECT_EQ(local.List("")->size(), 2U);
    EXPECT_EQ(store.Get("t/c")->size(), 40U);
    EXPECT_EQ(make_local(store, "t/c").error().code(), ErrorCode::kUnavailable);
    clock.Advance(CachedStore::kInUse);
    ASSERT_TRUE(make_local(store, "t/a").ok());  // Asked for again: `b` has to go.
    ASSERT_TRUE(make_local(store, "t/c").ok());
    EXPECT_TRUE(local.Get("t/a").ok());
    EXPECT_EQ(local.Get("t/b").error().code(), ErrorCode::kNotFound);
    EXPECT_EQ(*store.Get("t/b"), std::string(40, 'b'));
    // What can never fit throws nothing out.
    clock.Advance(CachedStore::kInUse);
    ASSERT_TRUE(remote.Put("t/huge", std::string(101, 'x')).ok());
    EXPECT_EQ(make_local(store, "t/huge").error().code(), ErrorCode::kUnavailable);
    EXPECT_EQ(local.List("")->size(), 2U);
  }
  // A smaller cache keeps what fits; what an earlier run has left is in nobody's use.
  const auto reopened = *CachedStore::Open(remote, local, 50, clock);
  CachedStore& again = *reopened;
  EXPECT_EQ(local.List("")->size(), 1U);
  EXPECT_TRUE(make_local(again, "t/b").ok());
  EXPECT_EQ(local.List("")->size(), 1U);
}

TEST(CachedStoreTest, TakesNoMoreThanItMayHoweverOftenItIsOpened) {
  os::SimulatedClock clock{os::Timestamp()};
  MemoryStore remote;
  MemoryStore local;
  for (int start = 0; start < 5; ++start) {
    const auto opened = *CachedStore::Open(remote, local, 100, clock);
    ASSERT_TRUE(opened->Put(fmt::format("t/{}", start), std::string(40, 'x')).ok());
    EXPECT_TRUE(local.Get(fmt::format("t/{}", start)).ok()) << "an older one has gone for it";
    EXPECT_LE(local.List("")->size(), 2U);
  }
}

TEST(CachedStoreTest, KeepsWhatIsWrittenPartByPartIfItFits) {
  os::SimulatedClock clock{os::Timestamp()};
  MemoryStore remote;
  FaultyStore faulty(remote);
  MemoryStore local;
  const std::string text = LongText();
  const auto opened = *CachedStore::Open(faulty, local, 3 << 20, clock);
  CachedStore& store = *opened;
  const auto write = [&](const std::string& path) -> Status {
    SLUICE_ASSIGN_OR_RETURN(const auto writer, store.StartPut(path));
    SLUICE_RETURN_IF_ERROR(WriteInParts(*writer, text));
    return writer->Finish();
  };
  ASSERT_TRUE(write("t/a").ok());
  EXPECT_EQ(Content(local, "t/a"), text);
  // The copy is in use, and no room is taken from it; nor for what is of no use in a file.
  ASSERT_TRUE(write("t/b").ok());
  ASSERT_TRUE(write("t/_delta_log/c").ok());
  EXPECT_EQ(local.List("")->size(), 1U);
  EXPECT_EQ(remote.List("")->size(), 3U);
  clock.Advance(CachedStore::kInUse);
  ASSERT_TRUE(write("t/d").ok());
  EXPECT_EQ(Content(local, "t/d"), text);
  EXPECT_EQ(local.List("")->size(), 1U);
  // Room that was taken for what failed is given back, each time.
  clock.Advance(CachedStore::kInUse);
  for (int i = 0; i < 3; ++i) {
    faulty.Add({.call = i == 0 ? StoreCall::kPut : StoreCall::kWritePart, .skip = 20 * i});
    EXPECT_EQ(write("t/e").error().code(), ErrorCode::kUnavailable);
    faulty.Clear();
  }
  EXPECT_EQ(remote.Head("t/e").error().code(), ErrorCode::kNotFound);
  ASSERT_TRUE(write("t/e").ok());
  EXPECT_EQ(Content(local, "t/e"), text);
  EXPECT_EQ(local.List("")->size(), 1U);
}

TEST(CachedStoreTest, ManyThreadsAskForMoreThanFits) {
  const os::SystemClock clock;
  MemoryStore remote;
  MemoryStore local;
  for (int i = 0; i < 8; ++i) {
    ASSERT_TRUE(remote.Put(fmt::format("t/{}", i), std::string(10, 'x')).ok());
  }
  const auto opened = *CachedStore::Open(remote, local, 45, clock);
  CachedStore& store = *opened;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&store, t] {
      for (int i = 0; i < 200; ++i) {
        const std::string path = fmt::format("t/{}", (i * 3 + t) % 8);
        const Status kept = store.MakeLocal(std::vector<std::string>{path});
        EXPECT_TRUE(kept.ok() || kept.error().code() == ErrorCode::kUnavailable);
        EXPECT_EQ(store.Get(path)->size(), 10U);
      }
    });
  }
  threads.clear();
  EXPECT_LE(local.List("")->size(), 4U);
}

}  // namespace
}  // namespace sluice::store
