#include "sluice/journal/copy.h"

#include <stdlib.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "sluice/journal/journal.h"
#include "sluice/os/forwarding_disk.h"
#include "sluice/os/simulated_disk.h"

namespace sluice::journal {
namespace {

/// Holds the syncs of a journal back, and counts how often a reader has looked at its segments.
class Gate {
 public:
  explicit Gate(std::string folder) : folder_(std::move(folder)) {}

  bool IsInside(std::string_view path) const { return path.starts_with(folder_ + "/0"); }
  void Hold() {
    Change([this] { held_ = true; });
  }
  void Open() {
    Change([this] { held_ = false; });
  }
  void Pass() {
    std::unique_lock lock(mutex_);
    waiting_ += held_ ? 1 : 0;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !held_; });
  }
  void Look() {
    Change([this] { ++looks_; });
  }
  /// Ends the waits for a reader that is done.
  void EndLooks() {
    Change([this] { ended_ = true; });
  }
  void WaitForHeldSync() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_ > 0; });
  }
  void WaitForLooks(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return looks_ >= count || ended_; });
  }

 private:
  template <typename Set>
  void Change(Set set) {
    const std::lock_guard lock(mutex_);
    set();
    changed_.notify_all();
  }

  const std::string folder_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  int waiting_ = 0;
  int looks_ = 0;
  bool ended_ = false;
};

class GatedFile final : public os::ForwardingFile {
 public:
  GatedFile(std::unique_ptr<os::File> file, Gate& gate, os::OpenMode mode)
      : ForwardingFile(std::move(file)), gate_(gate), read_only_(mode == os::OpenMode::kRead) {}

  Status Sync() override {
    gate_.Pass();
    return ForwardingFile::Sync();
  }
  Result<uint64_t> Size() override {
    if (read_only_) gate_.Look();
    return ForwardingFile::Size();
  }

 private:
  Gate& gate_;
  const bool read_only_;
};

class GatedDisk final : public os::ForwardingDisk {
 public:
  GatedDisk(os::Disk& disk, Gate& gate) : ForwardingDisk(disk), gate_(gate) {}

  Result<std::unique_ptr<os::File>> Open(std::string_view path, os::OpenMode mode) override {
    auto file = ForwardingDisk::Open(path, mode);
    if (!file.ok() || !gate_.IsInside(path)) return file;
    return std::unique_ptr<os::File>(std::make_unique<GatedFile>(std::move(*file), gate_, mode));
  }

 private:
  Gate& gate_;
};

class CopyTest : public testing::Test {
 protected:
  CopyTest() {
    std::string name = testing::TempDir() + "/sluice-copy-XXXXXX";
    folder_ = ::mkdtemp(name.data());
    options_.folder = folder_ + "/journal";
    options_.segment_bytes = 64 << 10;
    options_.free_bytes_min = 0;
  }
  ~CopyTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Journal> Open(const std::string& folder) {
    Options options = options_;
    options.folder = folder;
    auto journal = Journal::Open(options, disk_, clock_, random_, threads_);
    EXPECT_TRUE(journal.ok()) << journal.error().ToString();
    return journal.ok() ? std::move(*journal) : nullptr;
  }
  /// Appends three rows and returns the offset behind them.
  static Offset Append(Journal& journal) {
    std::promise<Offset> end;
    NewFrame frame{.partition = 1, .schema_id = 1, .rows = 3, .payload = std::string(700, 'x')};
    std::vector<NewFrame> frames;
    frames.push_back(std::move(frame));
    journal.Append(std::move(frames), [&](const Result<Appended>& appended) {
      end.set_value(appended.ok() ? appended->bases[0] + 3 : -1);
    });
    return end.get_future().get();
  }
  /// Opens a copy and returns the offsets of partition 1 that it has, which must be dense.
  OffsetSpan ReadBack(const std::string& folder) {
    const auto journal = Open(folder);
    OffsetSpan span{-1, -1};
    if (!journal) return span;
    const Status read = journal->Read([&](const Frame& frame) -> Status {
      if (frame.kind != FrameKind::kData) return {};
      if (span.begin < 0) span = {frame.base, frame.base};
      EXPECT_EQ(frame.base, span.end);
      span.end = frame.base + frame.rows;
      return {};
    });
    EXPECT_TRUE(read.ok()) << read.error().ToString();
    EXPECT_EQ(journal->NextOffset(1), span.end);
    return span;
  }

  os::SystemDisk disk_;
  os::SystemClock clock_;
  os::SystemRandom random_;
  os::SystemThreads threads_;
  Options options_;
  std::string folder_;
};

TEST_F(CopyTest, HasAllThatWasAcknowledgedBeforeWhileTheJournalGoesOn) {
  const auto journal = Open(options_.folder);
  std::atomic<Offset> acknowledged = Append(*journal);
  std::atomic<Offset> released = 0;
  std::jthread sender([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      acknowledged = Append(*journal);
      // Segments go all the time, under the copy's hands.
      released = std::max<Offset>(0, acknowledged - 300);
      journal->Release(1, released);
    }
  });
  for (int i = 0; i < 20; ++i) {
    const Offset before = acknowledged;
    const std::string target = folder_ + "/copy" + std::to_string(i);
    const auto copied = CopyJournal(disk_, options_.folder, target);
    ASSERT_TRUE(copied.ok()) << copied.error().ToString();
    const Offset released_then = released;
    EXPECT_GE(copied->found.partitions.at(1).next, before);
    const OffsetSpan span = ReadBack(target);
    EXPECT_EQ(span.end, copied->found.partitions.at(1).next);
    EXPECT_LE(span.begin, released_then);
    EXPECT_GE(span.end, before);
  }
  sender.request_stop();
  sender.join();
  EXPECT_GT(acknowledged.load(), 300);
}

TEST_F(CopyTest, OfAnIdleJournalEndsWhereItEnds) {
  const auto journal = Open(options_.folder);
  Offset end = 0;
  for (int i = 0; i < 5; ++i) end = Append(*journal);
  const auto copied = CopyJournal(disk_, options_.folder, folder_ + "/copy");
  ASSERT_TRUE(copied.ok()) << copied.error().ToString();
  EXPECT_EQ(copied->found.partitions.at(1).next, end);
  EXPECT_EQ(copied->found.uuid, journal->uuid());
  uint64_t bytes = 0;
  for (const JournalCopy::File& file : copied->files) bytes += file.content.bytes;
  EXPECT_LT(bytes, options_.segment_bytes) << "space made ahead is not copied";
  EXPECT_EQ(ReadBack(folder_ + "/copy").end, end);
}

TEST_F(CopyTest, WaitsForTheSyncOfWhatIsWritten) {
  os::SimulatedDisk files;
  Gate gate("journal");
  GatedDisk disk(files, gate);
  options_.folder = "journal";
  options_.writes = Writes::kCached;
  const auto journal = Journal::Open(options_, disk, clock_, random_, threads_);
  ASSERT_TRUE(journal.ok()) << journal.error().ToString();
  const Offset before = Append(**journal);
  gate.Hold();
  auto sent = std::async(std::launch::async, [&] { return Append(**journal); });
  gate.WaitForHeldSync();
  std::atomic<bool> held = true;
  auto copied = std::async(std::launch::async, [&] {
    auto copy = CopyJournal(disk, "journal", "copy");
    EXPECT_FALSE(held) << "it has what the power may still take back";
    gate.EndLooks();
    return copy;
  });
  gate.WaitForLooks(3);
  EXPECT_NE(sent.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  held = false;
  gate.Open();
  const auto copy = copied.get();
  ASSERT_TRUE(copy.ok()) << copy.error().ToString();
  EXPECT_EQ(sent.get(), before + 3);
  EXPECT_EQ(copy->found.partitions.at(1).next, before + 3);
}

TEST_F(CopyTest, OfOneThatNobodyHasOpenIsWhatTheNextStartWouldFind) {
  Offset end = 0;
  {
    const auto journal = Open(options_.folder);
    end = Append(*journal);
  }
  ASSERT_TRUE(CopyJournal(disk_, options_.folder, folder_ + "/copy").ok());
  EXPECT_EQ(ReadBack(folder_ + "/copy").end, end);
  EXPECT_EQ(ReadBack(options_.folder).end, end);
}

TEST_F(CopyTest, RefusesDamageAndFoldersInUse) {
  Offset end = 0;
  {
    const auto journal = Open(options_.folder);
    for (int i = 0; i < 3; ++i) end = Append(*journal);
  }
  EXPECT_EQ(end, 9);
  ASSERT_TRUE(disk_.MakeFolders(folder_ + "/used/inner").ok());
  EXPECT_EQ(CopyJournal(disk_, options_.folder, folder_ + "/used").status().error().code(),
            ErrorCode::kConflict);
  EXPECT_EQ(CopyJournal(disk_, folder_ + "/used/inner", folder_ + "/a").status().error().code(),
            ErrorCode::kNotFound);
  {
    auto file = disk_.Open(options_.folder + "/00000000000000000001", os::OpenMode::kWrite);
    ASSERT_TRUE(file.ok());
    const std::byte byte{'y'};
    const std::span<const std::byte> piece(&byte, 1);
    ASSERT_TRUE((*file)->Write(4096 + 300, {&piece, 1}).ok());
  }
  const auto copied = CopyJournal(disk_, options_.folder, folder_ + "/b");
  ASSERT_FALSE(copied.ok());
  EXPECT_EQ(copied.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(copied.error().message().find("00000000000000000001"), std::string::npos);
}

}  // namespace
}  // namespace sluice::journal
