#include "sluice/journal/copy.h"

#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "sluice/journal/journal.h"

namespace sluice::journal {
namespace {

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
