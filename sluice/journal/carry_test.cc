// Partitions that are not released, beside others that are: they hold back little more than their
// own bytes.

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "sluice/journal/copy.h"
#include "sluice/journal/inspect.h"
#include "sluice/journal/journal.h"
#include "sluice/journal/repair.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/os/simulated_threads.h"

namespace sluice::journal {
namespace {

using Lines = std::vector<std::string>;
using os::DiskCall;
using std::chrono::hours;

constexpr PartitionId kQuiet = 1;
constexpr PartitionId kBusy = 2;
constexpr uint64_t kSegmentBytes = 64 << 10;

class CarryTest : public testing::Test {
 protected:
  CarryTest() {
    options_.folder = "journal";
    options_.segment_bytes = kSegmentBytes;
    options_.free_bytes_min = 0;
    options_.pinned_segments_max = 2;
    options_.idle_watermark = hours(24);
    options_.on_sync_failure = [](const Error&) {};  // Where Kill() cuts the power.
    journal_ = Open();
  }

  std::unique_ptr<Journal> Open() {
    auto journal = Journal::Open(options_, disk_, clock_, random_, threads_);
    EXPECT_TRUE(journal.ok()) << journal.error().ToString();
    return journal.ok() ? std::move(*journal) : nullptr;
  }
  void Kill() {
    disk_.CutPowerAfter(0);
    journal_.reset();
    disk_.Restart();
  }
  void Append(std::vector<NewFrame> frames) {
    clock_.Advance(std::chrono::seconds(1));
    std::promise<bool> outcome;
    journal_->Append(std::move(frames),
                     [&](Result<Appended> result) { outcome.set_value(result.ok()); });
    ASSERT_TRUE(outcome.get_future().get());
  }
  static NewFrame Data(PartitionId partition, std::string payload) {
    return {.partition = partition, .schema_id = 7, .rows = 2, .payload = std::move(payload)};
  }
  /// Appends one frame of the quiet partition to each segment's worth of the other.
  void AppendRounds(int rounds) {
    for (int i = 0; i < rounds; ++i) {
      Append({Data(kQuiet, fmt::format("quiet {}", quiet_++)), Data(kBusy, Busy())});
      for (int j = 0; j < 6; ++j) Append({Data(kBusy, Busy())});
    }
  }
  static std::string Busy() { return std::string(10'000, 'b'); }
  /// All but the last of the busy partition may go; then waits until they have.
  void ReleaseBusy() {
    journal_->Release(kBusy, journal_->NextOffset(kBusy));
    Settle();
  }
  /// Until the journal's thread has nothing to do: however long a busy machine keeps it from a
  /// processor, it is not asleep then.
  void Settle() {
    uint64_t bytes = 0;
    for (int same = 0; same < 5; ++same) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (journal_->BytesOnDisk() != bytes || !OthersSleep()) same = 0;
      bytes = journal_->BytesOnDisk();
    }
  }
  static bool OthersSleep() {
    const std::string self = std::to_string(gettid());
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      if (task.path().filename() == self) continue;
      std::ifstream file(task.path() / "stat");
      const std::string line{std::istreambuf_iterator<char>(file), {}};
      const size_t name_end = line.rfind(") ");  // Then comes its state, 'S' for asleep.
      if (name_end != std::string::npos && line[name_end + 2] != 'S') return false;
    }
    return true;
  }
  static Lines Read(const Journal& journal) {
    Lines lines;
    const Status read = journal.Read([&](const Frame& frame) -> Status {
      if (frame.kind == FrameKind::kSchema) {
        lines.push_back(fmt::format("schema {}={}", frame.schema_id, frame.payload));
      } else if (frame.partition == kQuiet) {
        lines.push_back(fmt::format("{}+{} at {}: {}", frame.base, frame.rows,
                                    frame.received.time_since_epoch().count(), frame.payload));
      }
      return {};
    });
    EXPECT_TRUE(read.ok()) << read.error().ToString();
    return lines;
  }
  std::vector<std::string> Segments() {
    std::vector<std::string> names = *disk_.List("journal");
    std::erase_if(names, [](const std::string& name) { return name.size() != 20; });
    return names;
  }
  Inspection Look() {
    auto inspection = Inspect(disk_, "journal", {.partitions = {kQuiet, kBusy}});
    EXPECT_TRUE(inspection.ok()) << inspection.error().ToString();
    return std::move(*inspection);
  }

  os::SimulatedDisk disk_;
  os::SimulatedClock clock_{os::Timestamp(hours(1))};
  os::SimulatedRandom random_{1};
  os::SystemThreads threads_;
  Options options_;
  std::unique_ptr<Journal> journal_;
  int quiet_ = 0;
};

TEST_F(CarryTest, APartitionThatIsNotReleasedHoldsBackItsOwnBytesOnly) {
  Append({{.kind = FrameKind::kSchema, .schema_id = 7, .payload = "seven"}});
  AppendRounds(20);
  const Lines before = Read(*journal_);
  ASSERT_EQ(before.size(), 21u);
  EXPECT_GT(journal_->BytesOnDisk(), 20 * kSegmentBytes);
  ReleaseBusy();
  EXPECT_LT(journal_->BytesOnDisk(), 5 * kSegmentBytes);
  EXPECT_LT(Segments().size(), 5u);
  EXPECT_EQ(Read(*journal_), before) << "in order, with offsets, times and schema";
  EXPECT_TRUE(Look().Sound());

  for (int i = 0; i < 3; ++i) {
    Kill();
    journal_ = Open();
    EXPECT_EQ(Read(*journal_), before);
    EXPECT_EQ(journal_->NextOffset(kBusy), 280);
  }
  journal_->Release(kQuiet, journal_->NextOffset(kQuiet));
  Settle();
  EXPECT_EQ(Read(*journal_), Lines{"schema 7=seven"});
  EXPECT_LT(journal_->BytesOnDisk(), 3 * kSegmentBytes);
}

TEST_F(CarryTest, ItStaysSoForAsLongAsItLasts) {
  Append({{.kind = FrameKind::kSchema, .schema_id = 7, .payload = "seven"}});
  for (int i = 0; i < 20; ++i) {
    AppendRounds(6);
    ReleaseBusy();
    EXPECT_LT(journal_->BytesOnDisk(), 6 * kSegmentBytes) << i;
    if (i % 5 == 4) {
      Kill();
      journal_ = Open();
    }
  }
  EXPECT_LT(Segments().size(), 7u) << "those that were carried are carried again, together";
  const Lines read = Read(*journal_);
  ASSERT_EQ(read.size(), 121u);
  for (int i = 0; i < 120; ++i) {
    EXPECT_TRUE(read[static_cast<size_t>(i) + 1].starts_with(fmt::format("{}+2 ", 2 * i)));
  }
  EXPECT_TRUE(Look().Sound());
}

TEST_F(CarryTest, APowerLossAtAnyCallOfItLosesNothing) {
  constexpr uint64_t kStatesPerCall = 16;
  uint64_t calls = 1;
  for (uint64_t at = 0; at < calls && !HasFailure(); ++at) {
    for (uint64_t state = 0; state < kStatesPerCall && !HasFailure(); ++state) {
      SCOPED_TRACE(fmt::format("state {} of a power loss at call {} of {}", state, at, calls));
      os::SimulatedDisk disk;
      os::SimulatedThreads threads(clock_);
      auto journal = Journal::Open(options_, disk, clock_, random_, threads);
      ASSERT_TRUE(journal.ok());
      const auto append = [&](NewFrame frame) {
        (*journal)->Append({std::move(frame)}, [](const Result<Appended>&) {});
        threads.RunAll();
      };
      append({.kind = FrameKind::kSchema, .schema_id = 7, .payload = "seven"});
      for (int i = 0; i < 35; ++i) append(Data(i % 7 == 0 ? kQuiet : kBusy, Busy()));
      const Lines before = Read(**journal);
      ASSERT_EQ(before.size(), 6u);

      const uint64_t begin = disk.calls();
      disk.CutPowerAfter(calls > 1 ? at : UINT64_MAX / 2);
      (*journal)->Release(kBusy, (*journal)->NextOffset(kBusy));
      threads.RunAll();
      calls = std::max(calls, disk.calls() - begin);  // The first one is not cut short.
      if (disk.powered()) {
        EXPECT_LT((*journal)->BytesOnDisk(), 4 * kSegmentBytes);
      }
      threads.Kill();
      journal->reset();
      disk.Crash(at * kStatesPerCall + state);
      os::SimulatedThreads again(clock_);
      const auto recovered = Journal::Open(options_, disk, clock_, random_, again);
      ASSERT_TRUE(recovered.ok()) << recovered.error().ToString();
      EXPECT_EQ(Read(**recovered), before);
      again.Kill();
    }
  }
  EXPECT_GT(calls, 10u);
}

TEST_F(CarryTest, SegmentsBetweenThatNobodyNeedsGoWithoutBeingRead) {
  AppendRounds(1);
  for (int i = 0; i < 60; ++i) Append({Data(kBusy, Busy())});
  ASSERT_TRUE(disk_.Damage(fmt::format("journal/{:020}", 4), 8192, 64).ok());
  ReleaseBusy();
  EXPECT_LT(journal_->BytesOnDisk(), 4 * kSegmentBytes);
  EXPECT_EQ(Read(*journal_).size(), 1u);
  Kill();
  journal_ = Open();
  EXPECT_EQ(Read(*journal_).size(), 1u);
}

TEST_F(CarryTest, WhatIsDamagedStaysForTheOperator) {
  AppendRounds(10);
  const std::string damaged = fmt::format("journal/{:020}", 3);  // One with quiet rows.
  ASSERT_TRUE(disk_.Damage(damaged, 8192, 64).ok());
  ReleaseBusy();
  EXPECT_TRUE(disk_.Exists(damaged).value());
  const Inspection found = Look();
  ASSERT_FALSE(found.Sound());
  EXPECT_EQ(found.damages[0].file, damaged);
  Append({Data(kQuiet, "it goes on")});
}

TEST_F(CarryTest, WhoReadsMeanwhileMissesNothing) {
  AppendRounds(20);
  const Lines before = Read(*journal_);
  Lines seen;
  const Status read = journal_->Read([&](const Frame& frame) -> Status {
    if (frame.partition != kQuiet) return {};
    if (seen.empty()) ReleaseBusy();
    seen.push_back(fmt::format("{}+{} at {}: {}", frame.base, frame.rows,
                               frame.received.time_since_epoch().count(), frame.payload));
    return {};
  });
  EXPECT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(seen, before);
  EXPECT_LT(journal_->BytesOnDisk(), 5 * kSegmentBytes);
  Append({Data(kBusy, "")});
  Settle();
  EXPECT_LT(Segments().size(), 6u) << "and then the files go";
}

TEST_F(CarryTest, ACopyAndAManifestMadeAgainHaveTheSame) {
  Append({{.kind = FrameKind::kSchema, .schema_id = 7, .payload = "seven"}});
  AppendRounds(20);
  for (const bool files_stay : {false, true}) {
    SCOPED_TRACE(files_stay);
    if (files_stay) {
      AppendRounds(20);
      disk_.Fail(DiskCall::kRemove, 3, 1000);  // Those of the manifest's file and the copy's.
    }
    ReleaseBusy();
    disk_.ClearFaults();
    const Lines before = Read(*journal_);
    const std::string copy = files_stay ? "copy2" : "copy";
    Append({Data(kBusy, "last")});
    journal_->Stop();
    const auto copied = CopyJournal(disk_, "journal", copy);
    ASSERT_TRUE(copied.ok()) << copied.error().ToString();
    {
      Options options = options_;
      options.folder = copy;
      auto journal = Journal::Open(options, disk_, clock_, random_, threads_);
      ASSERT_TRUE(journal.ok()) << journal.error().ToString();
      EXPECT_EQ(Read(**journal), before);
    }
    journal_.reset();
    ASSERT_TRUE(disk_.Damage("journal/manifest", 40, 8).ok());
    const Inspection found = Look();
    EXPECT_EQ(found.damages.size(), 1u) << found.damages.back().reason;
    EXPECT_TRUE(found.lost.empty());
    const auto repaired =
        Repair(disk_, "journal", {.partitions = {kQuiet, kBusy}}, clock_, random_);
    ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
    journal_ = Open();
    ASSERT_NE(journal_, nullptr);
    EXPECT_EQ(Read(*journal_), before);
    EXPECT_EQ(journal_->NextOffset(kQuiet), 2 * quiet_);
    ReleaseBusy();
  }
}

TEST_F(CarryTest, DamageToACarriedSegmentIsFoundAndItsRowsAreNamed) {
  AppendRounds(20);
  ReleaseBusy();
  Append({Data(kBusy, "last")});
  Kill();
  const Inspection before = Look();
  ASSERT_TRUE(before.Sound());
  const SegmentReport& carried = before.segments.front();
  ASSERT_GT(carried.id, before.segments.back().id);
  ASSERT_TRUE(disk_.Damage(carried.file, 4096 + 200, 8).ok());
  const Inspection found = Look();
  ASSERT_FALSE(found.Sound());
  ASSERT_FALSE(found.lost.empty());
  EXPECT_EQ(found.lost[0].partition, kQuiet);
  ASSERT_TRUE(Repair(disk_, "journal", {.accept_loss = true, .partitions = {kQuiet, kBusy}}, clock_,
                     random_)
                  .ok());
  journal_ = Open();
  size_t lost = 0;
  for (const Loss& loss : found.lost) {
    EXPECT_EQ(loss.partition, kQuiet);
    lost += static_cast<size_t>(loss.end - loss.begin) / 2;
  }
  EXPECT_EQ(Read(*journal_).size() + lost, 20u);
}

TEST_F(CarryTest, DamageToACarriedSegmentAndToTheManifestCostsTheDamagedRowsOnly) {
  for (const uint64_t where : {0, 1, 2}) {
    SCOPED_TRACE(where);
    const Offset released = 2 * quiet_;
    AppendRounds(20);
    ReleaseBusy();
    AppendRounds(3);
    const Lines rows = Read(*journal_);
    journal_.reset();
    const Inspection before = Look();
    ASSERT_TRUE(before.Sound());
    const SegmentReport& carried = before.segments.front();
    ASSERT_GT(carried.id, before.segments[1].id);
    // Its first frame, one in its midst, or its header block.
    const uint64_t position = where == 0 ? 4096 + 200 : where == 1 ? 4096 + 1200 : 20;
    ASSERT_TRUE(disk_.Damage(carried.file, position, 8).ok());
    ASSERT_TRUE(disk_.Damage("journal/manifest", 100, 8).ok());
    const Inspection found = Look();
    ASSERT_FALSE(found.Sound());
    size_t lost = 0;
    for (const Loss& loss : found.lost) {
      if (loss.partition != kQuiet || loss.end <= released) continue;
      lost += static_cast<size_t>(loss.end - std::max(loss.begin, released)) / 2;
    }
    EXPECT_EQ(lost, where == 2 ? 0u : 1u);
    const auto repaired = Repair(
        disk_, "journal", {.accept_loss = true, .partitions = {kQuiet, kBusy}}, clock_, random_);
    ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
    EXPECT_TRUE(Look().Sound());
    journal_ = Open();
    ASSERT_NE(journal_, nullptr);
    EXPECT_EQ(Read(*journal_).size() + lost, rows.size());
    EXPECT_EQ(journal_->NextOffset(kQuiet), 2 * quiet_);
    journal_->Release(kQuiet, journal_->NextOffset(kQuiet));
    ReleaseBusy();
  }
}

TEST_F(CarryTest, WhatCannotBeReadStaysAndTheRestIsCarried) {
  AppendRounds(20);
  const Lines before = Read(*journal_);
  const std::string bad = fmt::format("journal/{:020}", 3);  // One with quiet rows.
  disk_.FailReads(bad, 8192);
  ReleaseBusy();
  ReleaseBusy();
  ReleaseBusy();
  EXPECT_TRUE(disk_.Exists(bad).value());
  EXPECT_LT(journal_->BytesOnDisk(), 8 * kSegmentBytes);
  disk_.ClearFaults();
  EXPECT_EQ(Read(*journal_), before);
}

TEST_F(CarryTest, NothingIsCarriedIntoTheLastRoomOfADisk) {
  AppendRounds(20);
  const Lines before = Read(*journal_);
  disk_.SetCapacity(disk_.UsedBytes() + 4096);
  (void)disk_.TakeFired(DiskCall::kWrite);
  ReleaseBusy();
  EXPECT_EQ(disk_.TakeFired(DiskCall::kWrite).full, 0u) << "it is not even tried";
  disk_.SetCapacity(UINT64_MAX);
  ReleaseBusy();
  EXPECT_LT(journal_->BytesOnDisk(), 5 * kSegmentBytes);
  EXPECT_EQ(Read(*journal_), before);
}

TEST_F(CarryTest, ACopyStaysIfItIsNotKnownWhetherAManifestNamesIt) {
  AppendRounds(20);
  Append({Data(kBusy, "in a segment that has room for the proof of an idle journal")});
  const Lines before = Read(*journal_);
  Settle();
  const auto files = Segments().size();
  disk_.Fail(DiskCall::kRename, 1, 1);  // Behind that which gives the copy its name.
  ReleaseBusy();
  EXPECT_EQ(Segments().size(), files + 1);
  ReleaseBusy();
  EXPECT_EQ(Segments().size(), files + 1) << "and there are not ever more of them";
  Append({Data(kQuiet, "it goes on")});
  Kill();
  journal_ = Open();
  EXPECT_EQ(Read(*journal_).size(), before.size() + 1);
  ReleaseBusy();
  EXPECT_LT(journal_->BytesOnDisk(), 5 * kSegmentBytes);
}

TEST_F(CarryTest, AFullDiskLeavesAllAsItWas) {
  AppendRounds(20);
  const Lines before = Read(*journal_);
  disk_.Fail(DiskCall::kWrite, 2, 1);  // Behind the proof of an idle journal and the header.
  ReleaseBusy();
  disk_.ClearFaults();
  EXPECT_EQ(Read(*journal_), before);
  EXPECT_FALSE(disk_.Exists("journal/carried.new").value());
  ReleaseBusy();
  EXPECT_LT(journal_->BytesOnDisk(), 5 * kSegmentBytes);
  EXPECT_EQ(Read(*journal_), before);
}

}  // namespace
}  // namespace sluice::journal
