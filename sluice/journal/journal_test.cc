#include "sluice/journal/journal.h"

#include <stdlib.h>

#include <filesystem>
#include <future>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/os/threads.h"

namespace sluice::journal {
namespace {

using std::chrono::hours;

NewFrame Data(PartitionId partition, int64_t rows, std::string payload, uint64_t schema = 1) {
  return {.kind = FrameKind::kData,
          .partition = partition,
          .schema_id = schema,
          .rows = rows,
          .payload = std::move(payload)};
}

NewFrame Schema(uint64_t id, std::string payload) {
  return {.kind = FrameKind::kSchema, .schema_id = id, .payload = std::move(payload)};
}

/// Appends and waits for the outcome.
Result<Appended> Append(Journal& journal, std::vector<NewFrame> frames) {
  std::promise<Result<Appended>> outcome;
  journal.Append(std::move(frames),
                 [&](Result<Appended> result) { outcome.set_value(std::move(result)); });
  return outcome.get_future().get();
}

/// Returns "partition@base+rows=payload" per frame of data, "schema id=payload" per schema.
std::vector<std::string> Read(const Journal& journal) {
  std::vector<std::string> lines;
  const Status read = journal.Read([&](const Frame& frame) -> Status {
    if (frame.kind == FrameKind::kSchema) {
      lines.push_back(fmt::format("schema {}={}", frame.schema_id, frame.payload));
    } else {
      lines.push_back(fmt::format("{}@{}+{}={}", frame.partition, frame.base, frame.rows,
                                  frame.payload.substr(0, 20)));
    }
    return {};
  });
  if (!read.ok()) lines.push_back(read.error().ToString());
  return lines;
}

using Lines = std::vector<std::string>;

class JournalTest : public testing::Test {
 protected:
  JournalTest() {
    options_.folder = "journal";
    options_.segment_bytes = 64 << 10;
    options_.free_bytes_min = 0;
    options_.idle_watermark = hours(24);
    options_.on_sync_failure = [](const Error&) {
    };  // The test goes on where the process would end.
  }

  std::unique_ptr<Journal> Open() {
    auto journal = Journal::Open(options_, disk_, clock_, random_, threads_);
    EXPECT_TRUE(journal.ok()) << journal.error().ToString();
    return journal.ok() ? std::move(*journal) : nullptr;
  }
  std::string OpenError() {
    const auto journal = Journal::Open(options_, disk_, clock_, random_, threads_);
    return journal.ok() ? "opened" : journal.error().ToString();
  }
  /// Stops the journal as kill -9 would: nothing more reaches the disk.
  void Kill(std::unique_ptr<Journal>& journal) {
    disk_.CutPowerAfter(0);
    journal.reset();
    disk_.Restart();
  }
  std::vector<std::string> Segments() {
    std::vector<std::string> names = *disk_.List("journal");
    std::erase_if(names, [](const std::string& name) { return name.size() != 20; });
    return names;
  }

  os::SimulatedDisk disk_;
  os::SimulatedClock clock_{os::Timestamp(hours(1))};
  os::SimulatedRandom random_{1};
  os::SystemThreads threads_;
  Options options_;
};

TEST_F(JournalTest, ReadsEachWayOfWritingWithTheOther) {
  Lines expected;
  for (int boot = 0; boot < 4; ++boot) {
    options_.writes = boot % 2 == 0 ? Writes::kDirect : Writes::kCached;
    const auto journal = Open();
    ASSERT_NE(journal, nullptr);
    EXPECT_EQ(Read(*journal), expected);
    for (int i = 0; i < 40; ++i) {  // Also larger than what is written in one piece, and segments.
      const std::string payload(static_cast<size_t>(1 + i * i * 40), static_cast<char>('a' + boot));
      const auto appended = Append(*journal, {Data(7, 1, payload)});
      ASSERT_TRUE(appended.ok()) << appended.error().ToString();
      expected.push_back(fmt::format("7@{}+1={}", appended->bases[0], payload.substr(0, 20)));
    }
    EXPECT_EQ(Read(*journal), expected);
    if (boot == 2) {
      disk_.CutPowerAfter(0);
      disk_.Crash(5);  // Each was durable when it was answered.
    }
  }
}

TEST_F(JournalTest, WhatIsRefusedAroundTheCacheIsNeverRead) {
  options_.writes = Writes::kDirect;
  options_.segment_bytes = 1 << 20;  // No other segment is made meanwhile.
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto journal = Open();
    ASSERT_NE(journal, nullptr);
    // So large that no zeros are written ahead of the next: the fault is for the group.
    const auto before = Append(*journal, {Data(7, 1, std::string(70'000, 'k'))});
    ASSERT_TRUE(before.ok());
    disk_.Fail(os::DiskCall::kWrite);
    EXPECT_FALSE(Append(*journal, {Data(7, 1, std::string(9000, 'r'))}).ok());
    disk_.Crash(seed);
    const auto again = Open();
    ASSERT_NE(again, nullptr);
    EXPECT_EQ(Read(*again).back(),
              fmt::format("7@{}+1={}", before->bases[0], std::string(20, 'k')));
    EXPECT_EQ(again->NextOffset(7), before->bases[0] + 1);
  }
}

TEST(JournalOnDiskTest, WritesAroundThePageCacheWhereTheFileSystemCan) {
  std::string folder = testing::TempDir() + "/sluice_journal_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  os::SystemDisk disk;
  const os::SystemClock clock;
  os::SystemRandom random;
  os::SystemThreads threads;
  Options options;
  options.folder = folder + "/journal";
  options.free_bytes_min = 0;
  options.segment_bytes = 1 << 20;
  Lines expected;
  for (const Writes writes : {Writes::kAuto, Writes::kDirect, Writes::kCached, Writes::kDirect}) {
    options.writes = writes;
    auto journal = Journal::Open(options, disk, clock, random, threads);
    ASSERT_TRUE(journal.ok()) << journal.error().ToString();
    EXPECT_EQ(Read(**journal), expected);
    for (int i = 0; i < 60; ++i) {
      const std::string payload(i % 10 == 0 ? 300'000 : 100, static_cast<char>('a' + i % 26));
      const auto appended = Append(**journal, {Data(7, 1, payload)});
      ASSERT_TRUE(appended.ok()) << appended.error().ToString();
      expected.push_back(fmt::format("7@{}+1={}", appended->bases[0], payload.substr(0, 20)));
    }
    EXPECT_EQ(Read(**journal), expected);
    EXPECT_FALSE(std::filesystem::exists(options.folder + "/probe"));
  }
  std::filesystem::remove_all(folder);
}

TEST_F(JournalTest, GivesDenseOffsetsPerPartitionAndReadsBack) {
  auto journal = Open();
  EXPECT_TRUE(Read(*journal).empty());
  const auto first =
      Append(*journal, {Schema(1, "s"), Data(1, 3, "a"), Data(2, 1, "b"), Data(1, 2, "c")});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->bases, (std::vector<Offset>{0, 0, 0, 3}));
  EXPECT_EQ(first->received, os::Timestamp(hours(1)));
  EXPECT_EQ(Append(*journal, {Data(1, 1, "d")})->bases, std::vector<Offset>{5});
  EXPECT_EQ(journal->NextOffset(1), 6);
  EXPECT_EQ(journal->NextOffset(2), 1);
  EXPECT_EQ(journal->NextOffset(3), 0);

  const Lines expected = {"schema 1=s", "1@0+3=a", "2@0+1=b", "1@3+2=c", "1@5+1=d"};
  EXPECT_EQ(Read(*journal), expected);
  const std::string uuid = journal->uuid();
  journal.reset();
  journal = Open();
  EXPECT_EQ(Read(*journal), expected);
  EXPECT_EQ(journal->uuid(), uuid);
  EXPECT_TRUE(journal->recovery().clean);
  EXPECT_EQ(journal->recovery().groups, 2u);
  EXPECT_EQ(Append(*journal, {Data(1, 1, "e")})->bases, std::vector<Offset>{6});
}

TEST_F(JournalTest, KeepsWhatWasAcknowledgedWhenKilled) {
  auto journal = Open();
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "a")}).ok());
  Kill(journal);
  journal = Open();
  EXPECT_EQ(Read(*journal), Lines{"1@0+1=a"});
  EXPECT_FALSE(journal->recovery().clean);
  EXPECT_EQ(journal->recovery().torn_bytes, 0u);
}

TEST_F(JournalTest, ReadsFramesOfEverySize) {
  auto journal = Open();
  std::vector<NewFrame> frames;
  for (const size_t size : {0, 1, 7, 8, 4096 - 240, 8192, 8193, 70'000, 2'000'000}) {
    frames.push_back(Data(1, 1, std::string(size, 'x')));
  }
  ASSERT_TRUE(Append(*journal, frames).ok());  // More than a segment.
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "y")}).ok());
  const auto sizes = [](const Journal& opened) {
    std::vector<size_t> read;
    EXPECT_TRUE(opened
                    .Read([&](const Frame& frame) -> Status {
                      read.push_back(frame.payload.size());
                      return {};
                    })
                    .ok());
    return read;
  };
  const std::vector<size_t> expected = {0, 1, 7, 8, 4096 - 240, 8192, 8193, 70'000, 2'000'000, 1};
  EXPECT_EQ(sizes(*journal), expected);
  Kill(journal);
  EXPECT_EQ(sizes(*Open()), expected);
}

TEST_F(JournalTest, RefusesFramesThatMakeNoSense) {
  options_.frame_bytes_max = 100;
  auto journal = Open();
  EXPECT_EQ(Append(*journal, {Data(1, 0, "")}).error().ToString(), "frame of 0 rows (invalid)");
  EXPECT_EQ(Append(*journal, {Data(1, 1, std::string(101, 'x'))}).error().code(),
            ErrorCode::kInvalid);
  EXPECT_TRUE(Append(*journal, {}).ok());
  journal->RaiseNextOffset(1, std::numeric_limits<Offset>::max() - 1);
  EXPECT_FALSE(Append(*journal, {Data(1, 2, "")}).ok());
  EXPECT_TRUE(Append(*journal, {Data(1, 1, "")}).ok());
}

TEST_F(JournalTest, RefusesBeyondItsQueueAndAfterStop) {
  options_.queue_bytes_max = 10'000;
  auto journal = Open();
  std::promise<std::string> refused;
  std::promise<bool> taken;
  journal->Append({Data(1, 1, "first")}, [&](const Result<Appended>&) {
    // The journal's thread is here, so that nothing leaves the queue.
    journal->Append({Data(1, 1, std::string(9'000, 'x'))},
                    [&](const Result<Appended>& second) { taken.set_value(second.ok()); });
    journal->Append({Data(1, 1, std::string(5'000, 'x'))}, [&](const Result<Appended>& third) {
      refused.set_value(third.ok() ? "taken" : third.error().ToString());
    });
  });
  EXPECT_EQ(refused.get_future().get(),
            "the journal's queue is full; send again later (unavailable)");
  EXPECT_TRUE(taken.get_future().get());
  journal->Stop();
  EXPECT_EQ(Append(*journal, {Data(1, 1, "")}).error().ToString(),
            "the journal is stopped (unavailable)");
  EXPECT_EQ(Read(*journal).size(), 2u);
}

TEST_F(JournalTest, TakesWhatIsLargerThanItsQueueWhenNothingElseWaits) {
  options_.queue_bytes_max = 10'000;
  auto journal = Open();
  EXPECT_TRUE(Append(*journal, {Data(1, 1, std::string(100'000, 'x'))}).ok());
  EXPECT_TRUE(Append(*journal, {Data(1, 1, std::string(100'000, 'x'))}).ok());
}

TEST_F(JournalTest, IsOpenOnce) {
  auto journal = Open();
  EXPECT_EQ(OpenError(), "journal: 'journal/lock' is locked by another process (conflict)");
  journal.reset();
  EXPECT_EQ(OpenError(), "opened");
}

TEST_F(JournalTest, ReceivedTimeNeverGoesBack) {
  auto journal = Open();
  clock_.SetWall(os::Timestamp(hours(100)));
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "")}).ok());
  clock_.SetWall(os::Timestamp(hours(50)));
  EXPECT_EQ(Append(*journal, {Data(1, 1, "")})->received, os::Timestamp(hours(100)));
  Kill(journal);
  journal = Open();
  EXPECT_EQ(Append(*journal, {Data(1, 1, "")})->received, os::Timestamp(hours(100)));
  for (int stop = 0; stop < 2; ++stop) {  // What says so is gone; all the same it does not.
    journal->Release(1, journal->NextOffset(1));
    journal.reset();
    journal = Open();
  }
  EXPECT_EQ(Read(*journal), Lines{});
  EXPECT_EQ(Append(*journal, {Data(1, 1, "")})->received, os::Timestamp(hours(100)));
}

TEST_F(JournalTest, AClockYearsBehindDatesNoFrameSo) {
  clock_.SetWall(os::Timestamp(hours(100'000)));
  const os::ExpiryClock expiry(clock_);
  clock_.SetWall(os::Timestamp(hours(100)));
  options_.expiry = &expiry;
  auto journal = Open();
  EXPECT_EQ(Append(*journal, {Data(1, 1, "")})->received, os::Timestamp(hours(99'999)));
  clock_.SetWall(os::Timestamp(hours(100'000)));
  EXPECT_EQ(Append(*journal, {Data(1, 1, "")})->received, os::Timestamp(hours(100'000)));
  clock_.SetWall(os::Timestamp(hours(200'000)));
  EXPECT_EQ(Append(*journal, {Data(1, 1, "")})->received, os::Timestamp(hours(200'000)))
      << "one that is ahead does";
  journal.reset();
}

TEST_F(JournalTest, RaisesOffsetsAndNeverLowersThem) {
  auto journal = Open();
  journal->RaiseNextOffset(1, 100);
  journal->RaiseNextOffset(1, 50);
  EXPECT_EQ(Append(*journal, {Data(1, 5, "a")})->bases, std::vector<Offset>{100});
  Kill(journal);
  journal = Open();
  EXPECT_EQ(journal->NextOffset(1), 105);
}

TEST_F(JournalTest, SumsDuplicatesUpForEver) {
  const auto count = [](PartitionId partition, int64_t rows) {
    return NewFrame{
        .kind = FrameKind::kDuplicates, .partition = partition, .rows = rows, .payload = {}};
  };
  auto journal = Open();
  journal->RaiseDuplicates(1, 10);
  const auto first = Append(*journal, {Data(1, 1, "a"), count(1, 2), count(2, 1), count(1, 3)});
  EXPECT_EQ(first->bases, (std::vector<Offset>{0, 12, 1, 15}));
  EXPECT_FALSE(Append(*journal, {count(1, 0)}).ok());
  EXPECT_EQ(journal->Duplicates(1), 15);
  EXPECT_EQ(journal->Duplicates(3), 0);
  EXPECT_EQ(Read(*journal), Lines{"1@0+1=a"});
  Kill(journal);
  journal = Open();
  EXPECT_EQ(journal->Duplicates(1), 15);
  EXPECT_EQ(journal->NextOffset(1), 1);
  journal->RaiseDuplicates(2, 7);  // By the table: beyond what any segment says.
  journal.reset();
  journal = Open();
  EXPECT_EQ(journal->Duplicates(2), 7);
  journal->Release(1, 1);  // The segment that says it goes; the sum stays.
  journal.reset();
  journal = Open();
  EXPECT_EQ(journal->Duplicates(1), 15);
  EXPECT_EQ(journal->Duplicates(2), 7);
}

TEST_F(JournalTest, StopsReadingAtTheFirstErrorOfTheVisitor) {
  auto journal = Open();
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "a"), Data(1, 1, "b")}).ok());
  int visits = 0;
  const Status read = journal->Read([&](const Frame&) -> Status {
    ++visits;
    return Invalid("enough");
  });
  EXPECT_EQ(read.error().ToString(), "enough (invalid)");
  EXPECT_EQ(visits, 1);
}

TEST_F(JournalTest, CommitsWhatWaitsAsOneGroupInOrder) {
  auto journal = Open();
  std::vector<Offset> order;
  std::promise<void> done;
  // Appends from a callback wait until it returns, so they make one group.
  journal->Append({Data(1, 1, "first")}, [&](Result<Appended>) {
    for (int i = 0; i < 10; ++i) {
      journal->Append({Data(1, 1, "x")}, [&](Result<Appended> appended) {
        order.push_back(appended->bases[0]);
        if (order.size() == 10) done.set_value();
      });
    }
  });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<Offset>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  Kill(journal);
  EXPECT_EQ(Open()->recovery().groups, 2u);
}

TEST_F(JournalTest, RemovesReleasedSegmentsAndKeepsSchemasAndOffsets) {
  options_.pinned_segments_max = 1000;
  auto journal = Open();
  ASSERT_TRUE(Append(*journal, {Schema(7, "seven")}).ok());
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(Append(*journal, {Data(1, 1, std::string(8000, 'x'), 7), Data(2, 1, "", 7)}).ok());
  }
  ASSERT_TRUE(Append(*journal, {}).ok());  // The next segment is made by now.
  const uint64_t before = journal->BytesOnDisk();
  EXPECT_GT(Segments().size(), 4u);
  journal->Release(1, 40);
  ASSERT_TRUE(Append(*journal, {}).ok());  // Partition 2 still needs all.
  EXPECT_EQ(journal->BytesOnDisk(), before);
  journal->Release(2, 1000);
  journal->Stop();
  EXPECT_LT(journal->BytesOnDisk(), before / 3);
  EXPECT_EQ(Segments().size(), 1u);
  EXPECT_EQ(Read(*journal)[0], "schema 7=seven");

  for (int i = 0; i < 3; ++i) {
    journal.reset();
    journal = Open();
    EXPECT_EQ(Read(*journal)[0], "schema 7=seven");
    EXPECT_EQ(journal->NextOffset(1), 40);
    EXPECT_EQ(journal->NextOffset(2), 40);
    journal->Release(1, 40);
    journal->Release(2, 40);
  }
}

TEST_F(JournalTest, CutsATornTailOff) {
  auto journal = Open();
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "a")}).ok());
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "b")}).ok());
  Kill(journal);
  ASSERT_TRUE(disk_.Damage("journal/00000000000000000001", 2 * 4096 + 130, 1).ok());
  journal = Open();
  EXPECT_EQ(Read(*journal), Lines{"1@0+1=a"});
  EXPECT_GT(journal->recovery().torn_bytes, 200u);
  EXPECT_EQ(Append(*journal, {Data(1, 1, "c")})->bases, std::vector<Offset>{1});
  Kill(journal);
  journal = Open();
  EXPECT_EQ(journal->recovery().torn_bytes, 0u);
  EXPECT_EQ(Read(*journal), (Lines{"1@0+1=a", "1@1+1=c"}));
  EXPECT_NE(os::ReadFile(disk_, "journal/manifest", 9999)->find("recovery epoch 2 at"),
            std::string::npos);
}

TEST_F(JournalTest, HaltsWhenAcknowledgedBytesAreDamaged) {
  auto journal = Open();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Append(*journal, {Data(1, 1, "abc")}).ok());
  Kill(journal);
  const std::string path = "journal/00000000000000000001";
  for (uint64_t at = 4096; at < 4096 + 243; at += 7) {  // Header, payload and trailer of the first.
    ASSERT_TRUE(disk_.Damage(path, at, 0x40).ok());
    if (at < 4096 + 123 || at >= 4096 + 128) {  // Padding carries nothing.
      const std::string error = OpenError();
      EXPECT_TRUE(
          error.starts_with("journal 'journal': segment '" + path + "' at byte 4096, group 1: "))
          << error;
      EXPECT_TRUE(error.ends_with("(corrupt)")) << error;
    }
    ASSERT_TRUE(disk_.Damage(path, at, 0x40).ok());
  }
  EXPECT_EQ(Read(*Open()).size(), 3u);  // The refused starts have changed nothing.
}

TEST_F(JournalTest, AnIdleJournalProvesItsLastGroup) {
  options_.idle_watermark = std::chrono::microseconds(0);
  auto journal = Open();
  // Counted on the journal's thread: the proof may follow before this one runs again.
  std::promise<uint64_t> durable;
  std::vector<NewFrame> frames;
  frames.push_back(Data(1, 1, "abc"));
  journal->Append(std::move(frames), [&](const Result<Appended>& appended) {
    EXPECT_TRUE(appended.ok());
    durable.set_value(disk_.calls());
  });
  const uint64_t calls = durable.get_future().get();
  while (disk_.calls() < calls + 2) std::this_thread::yield();  // Write and sync of the proof.
  Kill(journal);
  ASSERT_TRUE(disk_.Damage("journal/00000000000000000001", 4096 + 121, 1).ok());
  EXPECT_NE(OpenError().find("says that it had been acknowledged"), std::string::npos);
}

// So many bytes that two threads read the sealed segments.
TEST_F(JournalTest, ReadsManyBytesAsItReadsFew) {
  options_.segment_bytes = 8 << 20;
  Lines expected;
  {
    const auto journal = Open();
    for (int i = 0; i < 40; ++i) {
      const auto partition = static_cast<PartitionId>(i % 3);
      ASSERT_TRUE(
          Append(*journal,
                 {Data(partition, 2, std::string(2 << 20, 'x')),
                  {.kind = FrameKind::kDuplicates, .partition = 5, .rows = 1, .payload = {}}})
              .ok());
    }
    ASSERT_TRUE(Append(*journal, {Schema(9, "late")}).ok());
    expected = Read(*journal);
    ASSERT_EQ(expected.size(), 41U);
  }
  {
    const auto journal = Open();
    ASSERT_NE(journal, nullptr);
    EXPECT_EQ(Read(*journal), expected);
    EXPECT_EQ(journal->recovery().groups, 41U);
    EXPECT_EQ(journal->NextOffset(0), 28);
    EXPECT_EQ(journal->Duplicates(5), 40);
  }
  // Of two that are damaged the first is named, whichever thread was there first.
  const auto segments = Segments();
  ASSERT_GE(segments.size(), 9U);
  for (const size_t number : {6, 3}) {
    ASSERT_TRUE(disk_.Damage("journal/" + segments[number], 5 * 4096, 1).ok());
    EXPECT_NE(OpenError().find(segments[number] + "' at byte"), std::string::npos) << OpenError();
  }
}

TEST_F(JournalTest, HaltsWhenASealedSegmentIsDamagedCutOrGone) {
  auto journal = Open();
  for (int i = 0; i < 20; ++i)
    ASSERT_TRUE(Append(*journal, {Data(1, 1, std::string(8000, 'x'))}).ok());
  ASSERT_EQ(journal->recovery().segments, 0u);
  Kill(journal);
  const std::string path = "journal/00000000000000000001";
  ASSERT_TRUE(disk_.Damage(path, 5 * 4096, 1).ok());
  EXPECT_NE(OpenError().find("(corrupt)"), std::string::npos);
  ASSERT_TRUE(disk_.Damage(path, 5 * 4096, 1).ok());
  ASSERT_TRUE(disk_.Damage(path, 20, 1).ok());
  EXPECT_NE(OpenError().find("header is damaged; put the segment back"), std::string::npos);
  ASSERT_TRUE(disk_.Damage(path, 20, 1).ok());

  ASSERT_TRUE(disk_.Rename(path, "journal/hidden").ok());
  EXPECT_NE(OpenError().find("is missing; put the segment back"), std::string::npos);
  ASSERT_TRUE(
      disk_.Rename("journal/00000000000000000002", path).ok());  // Another one in its place.
  EXPECT_NE(OpenError().find("header is of segment 2"), std::string::npos);
  ASSERT_TRUE(disk_.Rename(path, "journal/00000000000000000002").ok());
  ASSERT_TRUE(disk_.Rename("journal/hidden", path).ok());

  auto file = std::move(*disk_.Open(path, os::OpenMode::kWrite));
  const uint64_t size = *file->Size();
  ASSERT_TRUE(
      disk_.Damage(path, size - 3 * 4096, 1).ok());  // The last group: nothing follows in the file.
  EXPECT_NE(OpenError().find("(corrupt)"), std::string::npos);
  EXPECT_EQ(*file->Size(), size);
  ASSERT_TRUE(disk_.Damage(path, size - 3 * 4096, 1).ok());
  ASSERT_TRUE(file->Truncate(size - 4096).ok());
  EXPECT_NE(OpenError().find("(corrupt)"), std::string::npos);
}

TEST_F(JournalTest, ReadFindsDamageThatCameLater) {
  auto journal = Open();
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "a")}).ok());
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "b")}).ok());
  ASSERT_TRUE(disk_.Damage("journal/00000000000000000001", 8192 + 120, 2).ok());
  const Lines lines = Read(*journal);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "1@0+1=a");
  EXPECT_TRUE(lines[1].starts_with("segment 'journal/00000000000000000001' at byte 8192: checksum"))
      << lines[1];
}

TEST_F(JournalTest, HaltsWithoutItsManifest) {
  auto journal = Open();
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "a")}).ok());
  journal.reset();
  ASSERT_TRUE(disk_.Damage("journal/manifest", 30, 1).ok());
  EXPECT_NE(OpenError().find("'journal/manifest': checksum is"), std::string::npos);
  ASSERT_TRUE(disk_.Remove("journal/manifest").ok());
  EXPECT_NE(OpenError().find("is missing, but there are 1 segments"), std::string::npos);
  EXPECT_EQ(Segments().size(), 1u);
}

TEST_F(JournalTest, RefusesWhenTheDiskIsFullAndGoesOnWhenThereIsRoom) {
  disk_.SetCapacity(300'000);
  auto journal = Open();
  int kept = 0;
  Result<Appended> last = Append(*journal, {Data(1, 1, "a")});
  for (; last.ok(); ++kept) last = Append(*journal, {Data(1, 1, std::string(8000, 'x'))});
  EXPECT_EQ(last.error().code(), ErrorCode::kUnavailable);
  EXPECT_GT(kept, 15);
  EXPECT_FALSE(Append(*journal, {Data(1, 1, std::string(70'000, 'x'))}).ok());
  EXPECT_EQ(Read(*journal).size(), static_cast<size_t>(kept));

  journal->Release(1, kept);  // Makes room by itself.
  EXPECT_TRUE(Append(*journal, {}).ok());
  EXPECT_EQ(Append(*journal, {Data(1, 1, "b")})->bases, std::vector<Offset>{kept});
  disk_.SetCapacity(1'000'000);
  EXPECT_EQ(Append(*journal, {Data(1, 1, std::string(70'000, 'x'))})->bases,
            std::vector<Offset>{kept + 1});
  Kill(journal);
  EXPECT_EQ(Open()->NextOffset(1), kept + 2);
}

TEST_F(JournalTest, RefusesBelowItsFreeSpace) {
  options_.free_bytes_min = 100'000;
  disk_.SetCapacity(50'000);
  auto journal = Open();
  EXPECT_EQ(Append(*journal, {Data(1, 1, "a")}).error().code(), ErrorCode::kUnavailable);
  disk_.SetCapacity(500'000);
  EXPECT_TRUE(Append(*journal, {Data(1, 1, "a")}).ok());
}

TEST_F(JournalTest, RefusesWhatNoRoomIsReservedFor) {
  auto journal = Open();
  disk_.Fail(os::DiskCall::kAllocate);
  EXPECT_EQ(Append(*journal, {Data(1, 1, "a")}).error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(Segments().empty());
  // From its half on the next segment lies ready; it grows for a group that is larger.
  ASSERT_TRUE(Append(*journal, {Data(1, 1, std::string(40'000, 'a'))}).ok());
  while (journal->BytesOnDisk() < 2 * options_.segment_bytes) std::this_thread::yield();
  disk_.Fail(os::DiskCall::kAllocate);
  const std::string large(2 * options_.segment_bytes, 'b');
  EXPECT_EQ(Append(*journal, {Data(1, 1, large)}).error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(Append(*journal, {Data(1, 1, large)}).ok());
  EXPECT_EQ(Read(*journal).size(), 2u);
}

TEST_F(JournalTest, LooksAtTheFreeSpaceNowAndThenWhileASegmentHasRoom) {
  options_.free_bytes_min = 100'000;
  disk_.SetCapacity(500'000);
  auto journal = Open();
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "a")}).ok());
  disk_.SetCapacity(50'000);
  EXPECT_TRUE(Append(*journal, {Data(1, 1, "a")}).ok());
  EXPECT_FALSE(Append(*journal, {Data(1, 1, std::string(options_.segment_bytes, 'a'))}).ok())
      << "needs another segment";
  EXPECT_FALSE(Append(*journal, {Data(1, 1, "a")}).ok()) << "it is known to be full now";
  disk_.SetCapacity(500'000);
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "a")}).ok());
  disk_.SetCapacity(50'000);
  clock_.Advance(std::chrono::milliseconds(100));
  EXPECT_FALSE(Append(*journal, {Data(1, 1, "a")}).ok());
}

TEST_F(JournalTest, NeverShowsARefusedAppend) {
  for (uint64_t skip = 0; skip < 30; ++skip) {
    auto journal = Open();
    disk_.Fail(os::DiskCall::kWrite, skip % 6);
    for (int i = 0; i < 6; ++i) {
      const std::string payload = i % 2 == 0 ? "x" : std::string(9000, 'x');
      const auto appended = Append(*journal, {Data(1, 1, payload), Data(2, 1, "refused")});
      if (appended.ok()) continue;
      EXPECT_EQ(appended.error().code(), ErrorCode::kUnavailable);
      if (skip % 2 == 0) break;
    }
    const size_t frames = Read(*journal).size();
    Kill(journal);
    ASSERT_EQ(Read(*Open()).size(), frames) << skip;
  }
}

TEST_F(JournalTest, DiesWhenASyncFails) {
  std::string failure;
  options_.on_sync_failure = [&](const Error& error) { failure = error.ToString(); };
  auto journal = Open();
  ASSERT_TRUE(Append(*journal, {Data(1, 1, "a")}).ok());
  disk_.Fail(os::DiskCall::kSync);
  bool called = false;
  journal->Append({Data(1, 1, "b")}, [&](Result<Appended>) { called = true; });
  journal.reset();
  EXPECT_FALSE(called);
  EXPECT_EQ(failure, "cannot sync: injected fault (unavailable)");
  disk_.Restart();
  EXPECT_EQ(Read(*Open()), Lines{"1@0+1=a"});  // What the cache still shows is not believed.
}

TEST_F(JournalTest, AbortsWhenASyncFails) {
  options_.on_sync_failure = {};
  const auto die = [this] {
    auto journal = Open();
    disk_.Fail(os::DiskCall::kSync);
    (void)Append(*journal, {Data(1, 1, "b")});
  };
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(die(), "journal 'journal': .*cannot sync.*start it again");
}

TEST(JournalOnSystemDiskTest, KeepsWhatItIsGiven) {
  std::string folder = testing::TempDir() + "/sluice_journal_XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  os::SystemDisk disk;
  os::SystemClock clock;
  os::SystemRandom random;
  os::SystemThreads threads;
  Options options{.folder = folder + "/a/journal", .segment_bytes = 1 << 20};
  options.free_bytes_min = 0;
  for (int boot = 0; boot < 3; ++boot) {
    auto journal = Journal::Open(options, disk, clock, random, threads);
    ASSERT_TRUE(journal.ok()) << journal.error().ToString();
    EXPECT_EQ((*journal)->NextOffset(1), boot * 100);
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(Append(**journal, {Data(1, 1, std::string(30'000, 'x'))}).ok());
    }
    EXPECT_EQ(Read(**journal).size(), static_cast<size_t>(boot + 1) * 100);
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sluice::journal
