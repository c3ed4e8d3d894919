#include "sluice/journal/repair.h"

#include <algorithm>
#include <cstdlib>
#include <future>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sluice/journal/copy.h"
#include "sluice/journal/inspect.h"
#include "sluice/journal/journal.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/os/simulated_threads.h"

namespace sluice::journal {
namespace {

using std::chrono::hours;
using Key = std::pair<PartitionId, Offset>;

constexpr std::string_view kFolder = "journal";
constexpr std::string_view kFirstSegment = "journal/00000000000000000001";
constexpr std::string_view kManifest = "journal/manifest";

class RepairTest : public testing::Test {
 protected:
  RepairTest() {
    options_.folder = kFolder;
    options_.segment_bytes = 64 << 10;
    options_.free_bytes_min = 0;
    options_.idle_watermark = hours(24);
    options_.on_sync_failure = [](const Error&) {};  // Where Kill() cuts the power.
  }

  std::unique_ptr<Journal> Open() {
    auto journal = Journal::Open(options_, *disk_, clock_, random_, threads_);
    EXPECT_TRUE(journal.ok()) << journal.error().ToString();
    return journal.ok() ? std::move(*journal) : nullptr;
  }
  /// Ends the process, not the machine: the last segment stays active.
  void Kill(std::unique_ptr<Journal>& journal) {
    disk_->CutPowerAfter(0);
    journal.reset();
    disk_->Restart();
  }
  static Result<Appended> Append(Journal& journal, std::vector<NewFrame> frames) {
    std::promise<Result<Appended>> outcome;
    journal.Append(std::move(frames),
                   [&](Result<Appended> result) { outcome.set_value(std::move(result)); });
    return outcome.get_future().get();
  }
  void AppendRows(Journal& journal, PartitionId partition, int64_t rows, std::string payload) {
    const auto appended = Append(journal, {{.kind = FrameKind::kData,
                                            .partition = partition,
                                            .schema_id = 1,
                                            .rows = rows,
                                            .payload = payload}});
    ASSERT_TRUE(appended.ok());
    kept_[{partition, appended->bases[0]}] = {rows, std::move(payload)};
  }
  std::map<Key, std::pair<int64_t, std::string>> Read(const Journal& journal) {
    std::map<Key, std::pair<int64_t, std::string>> rows;
    const Status read = journal.Read([&](const Frame& frame) -> Status {
      if (frame.kind == FrameKind::kData) {
        rows[{frame.partition, frame.base}] = {frame.rows, std::string(frame.payload)};
      }
      return {};
    });
    EXPECT_TRUE(read.ok()) << read.error().ToString();
    return rows;
  }
  Inspection Look() {
    auto inspection = Inspect(*disk_, std::string(kFolder), {.partitions = {1, 2, 3}});
    EXPECT_TRUE(inspection.ok()) << inspection.error().ToString();
    return inspection.ok() ? std::move(*inspection) : Inspection();
  }
  Result<Repaired> TryRepair(bool accept_loss) {
    return Repair(
        *disk_, std::string(kFolder),
        {.accept_loss = accept_loss, .note = "tester:\nthe disk is old", .partitions = {1, 2, 3}},
        clock_, random_);
  }
  void Write(std::string_view path, uint64_t position, std::string_view bytes) {
    const auto file = disk_->Open(path, os::OpenMode::kWrite);
    const std::span<const std::byte> piece = std::as_bytes(std::span(bytes));
    ASSERT_TRUE(file.ok() && (*file)->Write(position, {&piece, 1}).ok() && (*file)->Sync().ok());
  }
  /// Puts a manifest in the place of the one that is there.
  void PutManifest(std::string_view text) {
    ASSERT_TRUE(os::ReplaceFile(*disk_, kManifest, text).ok());
  }
  /// A journal of several segments, whose process was killed.
  void Make(int rows) {
    disk_ = std::make_unique<os::SimulatedDisk>();
    kept_.clear();
    auto journal = Open();
    for (int i = 0; i < rows; ++i) AppendRows(*journal, 1, 1, std::string(20'000, 'x'));
    // Proves the row before it.
    ASSERT_TRUE(
        Append(*journal, {{.kind = FrameKind::kSchema, .schema_id = 9, .payload = {}}}).ok());
    Kill(journal);
  }
  static std::vector<std::string> Text(const std::vector<Loss>& losses) {
    std::vector<std::string> texts;
    for (const Loss& loss : losses) {
      texts.push_back(fmt::format("{}: {} to {}{}", loss.partition, loss.begin, loss.end - 1,
                                  loss.exact ? "" : " at most"));
    }
    return texts;
  }

  std::unique_ptr<os::SimulatedDisk> disk_ = std::make_unique<os::SimulatedDisk>();
  os::SimulatedClock clock_{os::Timestamp(hours(1))};
  os::SimulatedRandom random_{1};
  os::SystemThreads threads_;
  Options options_;
  std::map<Key, std::pair<int64_t, std::string>> kept_;
};

using Texts = std::vector<std::string>;

TEST_F(RepairTest, TellsWhatAJournalHolds) {
  auto journal = Open();
  AppendRows(*journal, 1, 3, "a");
  AppendRows(*journal, 2, 1, std::string(50'000, 'b'));
  AppendRows(*journal, 1, 2, std::string(50'000, 'c'));
  journal->Release(1, 3);

  Inspection found = Look();
  EXPECT_TRUE(found.in_use);
  EXPECT_TRUE(found.Sound());
  EXPECT_EQ(found.uuid, journal->uuid());
  EXPECT_EQ(found.epoch, 1u);
  ASSERT_EQ(found.segments.size(), 2u);
  EXPECT_TRUE(found.segments[0].sealed);
  EXPECT_EQ(found.segments[0].rows, 4);
  EXPECT_EQ(found.segments[0].groups, 2u);
  EXPECT_EQ(found.segments[0].partitions[1].end, 3);
  EXPECT_EQ(found.segments[1].partitions[1].begin, 3);
  EXPECT_EQ(found.segments[1].received_first, os::Timestamp(hours(1)));
  EXPECT_EQ(found.partitions[1].next, 5);

  Kill(journal);
  std::vector<std::string> frames;
  const auto inspected =
      Inspect(*disk_, std::string(kFolder), {.visit = [&](const PlacedFrame& placed) {
        frames.push_back(fmt::format("{}@{}:{}+{}", placed.segment, placed.position,
                                     placed.frame.partition, placed.frame.base));
        return Status();
      }});
  ASSERT_TRUE(inspected.ok());
  EXPECT_FALSE(inspected->in_use);
  EXPECT_EQ(frames, (Texts{"1@4096:1+0", "1@8192:2+0", "2@4096:1+3"}));
  EXPECT_EQ(Inspect(*disk_, "elsewhere").error().ToString(),
            "there is no journal in 'elsewhere' (not found)");
}

TEST_F(RepairTest, CutsATornTailWithoutLoss) {
  auto journal = Open();
  AppendRows(*journal, 1, 1, "a");
  AppendRows(*journal, 1, 1, "b");
  Kill(journal);
  ASSERT_TRUE(disk_->Damage(kFirstSegment, 2 * 4096 + 130, 1).ok());
  EXPECT_TRUE(Look().Sound());
  EXPECT_GT(Look().TornBytes(), 100u);
  const auto repaired = TryRepair(false);
  ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
  EXPECT_TRUE(repaired->changed);
  EXPECT_GT(repaired->cut_bytes, 100u);
  EXPECT_EQ(Look().TornBytes(), 0u);
  EXPECT_FALSE(TryRepair(false)->changed);
  EXPECT_EQ(Read(*Open()).size(), 1u);
}

TEST_F(RepairTest, RefusesToLoseRowsUntilThatIsAccepted) {
  auto journal = Open();
  EXPECT_EQ(TryRepair(true).error().code(), ErrorCode::kConflict);
  for (int i = 0; i < 4; ++i) AppendRows(*journal, 7, 10, "abc");
  AppendRows(*journal, 8, 1, "other");
  Kill(journal);
  ASSERT_TRUE(disk_->Damage(kFirstSegment, 2 * 4096 + 120, 1).ok());  // A payload's byte.
  const Inspection found = Look();
  ASSERT_EQ(found.damages.size(), 1u);
  EXPECT_EQ(found.damages[0].position, 8192u);
  EXPECT_EQ(found.damages[0].group, 2u);
  EXPECT_EQ(Text(found.lost), Texts{"7: 10 to 19"});

  const auto refused = TryRepair(false);
  EXPECT_EQ(refused.error().ToString(),
            "10 acknowledged rows in 1 ranges of offsets are lost, the first at offset 10 of "
            "partition 7; give them up with `sluice journal repair --accept-loss` (corrupt)");
  EXPECT_FALSE(Journal::Open(options_, *disk_, clock_, random_, threads_).ok());

  const auto repaired = TryRepair(true);
  ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
  EXPECT_EQ(Text(repaired->losses), Texts{"7: 10 to 19"});
  ASSERT_EQ(repaired->kept_files.size(), 1u);
  EXPECT_TRUE(disk_->Look(repaired->kept_files[0]).has_value());
  EXPECT_TRUE(Look().Sound());

  for (int boot = 0; boot < 2; ++boot) {
    journal = Open();
    kept_.erase({7, 10});
    EXPECT_EQ(Read(*journal), kept_);
    ASSERT_EQ(journal->losses().size(), 1u);
    EXPECT_EQ(journal->losses()[0].note, "tester: the disk is old");
    EXPECT_EQ(journal->losses()[0].accepted, os::Timestamp(hours(1)));
    AppendRows(*journal, 7, 1, "next");
    EXPECT_EQ(journal->NextOffset(7), 41 + boot);
    if (boot == 1) journal->Release(7, 20);
    journal.reset();
  }
  EXPECT_TRUE(Open()->losses().empty());  // Once tables are behind them.
}

TEST_F(RepairTest, MakesAManifestAgain) {
  auto journal = Open();
  for (int i = 0; i < 10; ++i) AppendRows(*journal, 1, 1, std::string(20'000, 'x'));
  Kill(journal);
  journal = Open();
  AppendRows(*journal, 1, 1, "in another epoch");
  const std::string uuid = journal->uuid();
  Kill(journal);
  for (const bool removed : {false, true}) {
    if (removed) {
      ASSERT_TRUE(disk_->Remove("journal/manifest").ok());
    } else {
      ASSERT_TRUE(disk_->Damage("journal/manifest", 40, 8).ok());
    }
    const Inspection found = Look();
    ASSERT_EQ(found.damages.size(), 1u);
    EXPECT_EQ(found.damages[0].file, "journal/manifest");
    EXPECT_TRUE(found.lost.empty());
    const auto repaired = TryRepair(false);
    ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
    journal = Open();
    EXPECT_EQ(Read(*journal), kept_);
    EXPECT_EQ(journal->uuid(), uuid);
    EXPECT_EQ(journal->NextOffset(1), 11);
    Kill(journal);
  }
}

TEST_F(RepairTest, GoesOnWithoutAMissingSegment) {
  auto journal = Open();
  for (int i = 0; i < 12; ++i) AppendRows(*journal, 1, 5, std::string(20'000, 'x'));
  Kill(journal);
  ASSERT_TRUE(disk_->Remove("journal/00000000000000000002").ok());
  EXPECT_EQ(Text(Look().lost), Texts{"1: 15 to 29"});
  ASSERT_TRUE(TryRepair(true).ok());
  for (const Offset base : {15, 20, 25}) kept_.erase({1, base});
  EXPECT_EQ(Read(*Open()), kept_);
}

TEST_F(RepairTest, TheLastSegmentCutOffToNothingMayHaveHadRows) {
  auto journal = Open();
  for (int i = 0; i < 12; ++i) AppendRows(*journal, 1, 5, std::string(20'000, 'x'));
  Kill(journal);
  const std::string last = Look().segments.back().file;
  for (const uint64_t bytes : {4095, 0}) {
    ASSERT_TRUE((*disk_->Open(last, os::OpenMode::kWrite))->Truncate(bytes).ok());
    EXPECT_FALSE(Look().lost.empty()) << bytes;
    EXPECT_FALSE(TryRepair(false).ok()) << bytes;
  }
  ASSERT_TRUE(TryRepair(true).ok());
  EXPECT_GE(Open()->NextOffset(1), 60) << "offsets are not used again";
}

TEST_F(RepairTest, ALossStaysUntilItsOwnOffsetsAreReleased) {
  auto journal = Open();
  for (int i = 0; i < 12; ++i) AppendRows(*journal, 1, 5, std::string(20'000, 'x'));
  Kill(journal);
  ASSERT_TRUE(disk_->Remove("journal/00000000000000000002").ok());
  ASSERT_TRUE(TryRepair(true).ok());
  for (const Offset released : {15, 29}) {  // Before it, and all of it but one.
    journal = Open();
    journal->Release(1, released);
    journal.reset();
    EXPECT_EQ(Text(Open()->losses()), Texts{"1: 15 to 29"}) << "else its table never goes on";
  }
  journal = Open();
  journal->Release(1, 30);
  journal.reset();
  EXPECT_EQ(Text(Open()->losses()), Texts{});
}

TEST_F(RepairTest, LeavesOffsetsOutWhereNothingTellsHowManyThereWere) {
  auto journal = Open();
  AppendRows(*journal, 1, 5, "a");
  AppendRows(*journal, 2, 5, "b");
  AppendRows(*journal, 1, 5, "c");
  Kill(journal);
  ASSERT_TRUE(disk_->Damage(kFirstSegment, 8192 + 60, 1).ok());  // The frame's header.
  const Inspection found = Look();
  // Partition 1 has a later frame, so nothing of it can be missing.
  EXPECT_EQ(Text(found.lost), (Texts{"2: 0 to 1048575 at most", "3: 0 to 1048575 at most"}));
  ASSERT_TRUE(TryRepair(true).ok());
  journal = Open();
  EXPECT_EQ(journal->NextOffset(1), 10);
  EXPECT_EQ(journal->NextOffset(2), 1 << 20);  // Below it some may have been seen.
}

TEST_F(RepairTest, AManifestMadeAgainHasSegmentsWhoseHeaderIsDamaged) {
  for (const int segment : {1, 2, 4, 0}) {
    SCOPED_TRACE(segment);
    Make(12);
    std::vector<std::string> harmed;
    for (int id = 1; id <= 5; ++id) {
      if (segment == id || segment == 0) harmed.push_back(fmt::format("{}/{:020}", kFolder, id));
    }
    for (const std::string& file : harmed) ASSERT_TRUE(disk_->Damage(file, 20, 8).ok());
    ASSERT_TRUE(disk_->Damage(kManifest, 100, 8).ok());
    const Inspection found = Look();
    EXPECT_EQ(found.damages.size(), 1 + harmed.size());
    EXPECT_EQ(Text(found.lost), Texts{});
    const auto repaired = TryRepair(false);
    ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
    EXPECT_EQ(repaired->kept_files.size(), 1 + harmed.size());
    auto journal = Open();
    ASSERT_NE(journal, nullptr);
    EXPECT_EQ(Read(*journal), kept_);
    EXPECT_EQ(journal->NextOffset(1), 12);
    Kill(journal);
  }
}

TEST_F(RepairTest, WhereNothingTellsWhichJournalItWasItIsANewOne) {
  Make(6);
  const std::string uuid = Look().uuid;
  for (const SegmentReport& segment : Look().segments)
    Write(segment.file, 0, std::string(72, '\0'));
  ASSERT_TRUE(disk_->Remove(kManifest).ok());
  EXPECT_EQ(Text(Look().lost), Texts{});
  const auto repaired = TryRepair(false);
  ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
  const auto journal = Open();
  ASSERT_NE(journal, nullptr);
  EXPECT_EQ(Read(*journal), kept_);
  EXPECT_NE(journal->uuid(), uuid);
}

TEST_F(RepairTest, AManifestMadeAgainNamesWhatASegmentMayHaveHadOfWhichNothingCanBeRead) {
  for (const int segment : {1, 2, 4}) {
    SCOPED_TRACE(segment);
    Make(12);
    const std::string file = fmt::format("{}/{:020}", kFolder, segment);
    const size_t bytes = disk_->Look(file)->size();
    Write(file, 0, std::string(bytes, '\xAB'));
    ASSERT_TRUE(disk_->Remove(kManifest).ok());
    const Inspection found = Look();
    EXPECT_FALSE(TryRepair(false).ok());
    const auto repaired = TryRepair(true);
    ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
    auto journal = Open();
    ASSERT_NE(journal, nullptr);
    const auto kept = std::ranges::find_if(
        repaired->kept_files, [&](const std::string& copy) { return copy.starts_with(file); });
    ASSERT_NE(kept, repaired->kept_files.end());
    EXPECT_EQ(disk_->Look(*kept), std::string(bytes, '\xAB'));
    const auto rows = Read(*journal);
    EXPECT_GE(rows.size(), 8u);
    EXPECT_GE(journal->NextOffset(1), 12);
    for (Offset offset = 0; offset < 12; ++offset) {
      const bool named = std::ranges::any_of(found.lost, [&](const Loss& loss) {
        return loss.partition == 1 && loss.begin <= offset && offset < loss.end;
      });
      EXPECT_NE(rows.contains({1, offset}), named) << offset;
    }
    Kill(journal);
  }
}

TEST_F(RepairTest, AManifestOlderThanItsSegmentsIsRefusedAndMadeAgain) {
  for (const bool of_boot_before : {false, true}) {
    SCOPED_TRACE(of_boot_before);
    Make(4);
    auto journal = Open();
    AppendRows(*journal, 1, 1, "of the second boot");
    const std::string older = *disk_->Look(kManifest);
    if (of_boot_before) {
      Kill(journal);
      journal = Open();
    }
    for (int i = 0; i < 6; ++i) AppendRows(*journal, 1, 1, std::string(20'000, 'y'));
    ASSERT_TRUE(
        Append(*journal, {{.kind = FrameKind::kSchema, .schema_id = 9, .payload = {}}}).ok());
    const Offset next = journal->NextOffset(1);
    Kill(journal);
    PutManifest(older);

    const auto files = disk_->List(kFolder);
    const auto opened = Journal::Open(options_, *disk_, clock_, random_, threads_);
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), ErrorCode::kCorrupt);
    EXPECT_NE(opened.error().message().find("`sluice journal repair`"), std::string::npos)
        << opened.error().ToString();
    EXPECT_EQ(*disk_->List(kFolder), *files) << "nothing is deleted";
    const Inspection found = Look();
    ASSERT_FALSE(found.Sound());
    EXPECT_EQ(found.damages[0].file, kManifest);
    EXPECT_EQ(Text(found.lost), Texts{});
    EXPECT_FALSE(CopyJournal(*disk_, std::string(kFolder), "copy of it").ok());
    const auto repaired = TryRepair(false);
    ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
    journal = Open();
    ASSERT_NE(journal, nullptr);
    EXPECT_EQ(Read(*journal), kept_);
    EXPECT_EQ(journal->NextOffset(1), next);
    Kill(journal);
  }
}

TEST_F(RepairTest, AManifestOfWhichOnlyTheLastSegmentGrewIsOlderToo) {
  auto journal = Open();
  AppendRows(*journal, 1, 1, "a");
  AppendRows(*journal, 1, 1, "b");
  Kill(journal);
  ASSERT_TRUE(CopyJournal(*disk_, std::string(kFolder), "copy").ok());
  const std::string older = *disk_->Look("copy/manifest");
  // What the journal's process would have gone on with: the same file, one group longer.
  const std::string segment = *disk_->Look(kFirstSegment);
  disk_ = std::make_unique<os::SimulatedDisk>();
  kept_.clear();
  os::SimulatedRandom again(1);
  auto opened = Journal::Open(options_, *disk_, clock_, again, threads_);
  ASSERT_TRUE(opened.ok());
  journal = std::move(*opened);
  AppendRows(*journal, 1, 1, "a");
  AppendRows(*journal, 1, 1, "b");
  AppendRows(*journal, 1, 1, "c");
  Kill(journal);
  ASSERT_EQ(disk_->Look(kFirstSegment)->substr(0, 3 * 4096), segment.substr(0, 3 * 4096));
  PutManifest(older);
  EXPECT_FALSE(Journal::Open(options_, *disk_, clock_, random_, threads_).ok());
  EXPECT_FALSE(Look().Sound());
  ASSERT_TRUE(TryRepair(false).ok());
  EXPECT_EQ(Read(*Open()), kept_);
}

TEST_F(RepairTest, MayBeCutShortAnywhere) {
  for (const bool manifest_too : {false, true}) {
    uint64_t cuts = 0;
    for (bool done = false; !done && cuts < 200; ++cuts) {
      SCOPED_TRACE(fmt::format("{} cut after {} calls", manifest_too, cuts));
      Make(8);
      Open().reset();
      ASSERT_TRUE(disk_->Damage(kFirstSegment, 4096 + 200, 8).ok());
      if (manifest_too) {
        ASSERT_TRUE(disk_->Damage(kManifest, 100, 8).ok());
      }
      disk_->CutPowerAfter(cuts);
      done = TryRepair(true).ok();
      if (cuts % 2 == 0) {
        disk_->Restart();
      } else {
        disk_->Crash(cuts);
      }
      // Whoever has a copy of the segment may still do without a repair.
      if (!done && !manifest_too && cuts % 3 == 0 && !Look().Sound()) {
        ASSERT_TRUE(disk_->Damage(kFirstSegment, 4096 + 200, 8).ok());
        const auto journal = Open();
        ASSERT_NE(journal, nullptr);
        EXPECT_EQ(Read(*journal), kept_);
        continue;
      }
      clock_.Advance(std::chrono::seconds(1));
      const auto repaired = TryRepair(true);
      ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
      EXPECT_TRUE(Look().Sound());
      const auto journal = Open();
      ASSERT_NE(journal, nullptr);
      kept_.erase({1, 0});
      EXPECT_EQ(Read(*journal), kept_);
      EXPECT_EQ(Text(journal->losses()), Texts{"1: 0 to 0"});
    }
    EXPECT_GT(cuts, 15u);
    EXPECT_LT(cuts, 200u);
  }
}

TEST_F(RepairTest, LookingAtAStoppedJournalDoesNotKeepItFromBeingOpened) {
  Make(8);
  std::unique_ptr<Journal> journal;
  const auto found = Inspect(*disk_, std::string(kFolder), {.visit = [&](const PlacedFrame&) {
    if (!journal) journal = Open();
    return Status();
  }});
  ASSERT_TRUE(found.ok());
  EXPECT_NE(journal, nullptr);
  EXPECT_TRUE(found->in_use) << "by now";
  EXPECT_TRUE(found->Sound());
}

/// A journal of random groups, some of them released and carried, random harms to a segment and to
/// the manifest, and what must hold after the repair.
TEST_F(RepairTest, LosesNoMoreThanItSays) {
  const char* const first = std::getenv("SLUICE_SEED");
  const char* const many = std::getenv("SLUICE_SEEDS");
  const uint64_t begin = first != nullptr ? std::strtoull(first, nullptr, 10) : 1;
  const uint64_t count = many != nullptr ? std::strtoull(many, nullptr, 10) : 300;
  int harmless = 0;
  int exact = 0;
  int inexact = 0;
  int carried = 0;
  int older = 0;
  for (uint64_t seed = begin; seed < begin + count && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("SLUICE_SEED={}", seed));
    std::mt19937_64 engine(seed);
    const auto below = [&](uint64_t end) { return engine() % end; };
    disk_ = std::make_unique<os::SimulatedDisk>();
    kept_.clear();
    os::SimulatedThreads threads(clock_);
    const bool carries = below(2) == 0;
    options_.pinned_segments_max = carries ? 1 : 4;
    options_.segment_bytes = carries ? 32 << 10 : 64 << 10;
    std::map<PartitionId, Offset> next;
    std::map<PartitionId, Offset> released;
    std::vector<std::string> manifests;
    for (uint64_t boot = 0; boot < 1 + below(3); ++boot) {
      auto opened = Journal::Open(options_, *disk_, clock_, random_, threads);
      ASSERT_TRUE(opened.ok()) << opened.error().ToString();
      auto journal = std::move(*opened);
      const auto append = [&](std::vector<NewFrame> frames) {
        std::vector<Offset> bases;
        journal->Append(std::move(frames), [&](const Result<Appended>& result) {
          if (result.ok()) bases = result->bases;
        });
        threads.RunAll();
        return bases;
      };
      for (uint64_t i = 1 + below(carries ? 60 : 30); i > 0; --i) {
        std::vector<NewFrame> frames;
        for (uint64_t j = 1 + below(3); j > 0; --j) {
          frames.push_back(
              {.kind = FrameKind::kData,
               .partition = static_cast<PartitionId>(1 + below(3)),
               .schema_id = 1,
               .rows = 1 + static_cast<int64_t>(below(9)),
               .payload = std::string(below(500), static_cast<char>('a' + below(26)))});
          // Where segments are carried, most bytes are of those that are released.
          const bool large = carries ? frames.back().partition != 3 : below(4) == 0;
          if (large) frames.back().payload.resize(below(30'000 / (carries ? 3 : 1)), 'L');
        }
        const auto sent = frames;
        const auto bases = append(std::move(frames));
        ASSERT_EQ(bases.size(), sent.size());
        for (size_t j = 0; j < sent.size(); ++j) {
          kept_[{sent[j].partition, bases[j]}] = {sent[j].rows, sent[j].payload};
          next[sent[j].partition] = bases[j] + sent[j].rows;
        }
        if (carries && below(4) == 0) {
          for (const PartitionId partition : {PartitionId{1}, PartitionId{2}}) {
            Offset& to = released[partition];
            to += static_cast<Offset>(below(static_cast<uint64_t>(next[partition] - to) + 1));
            journal->Release(partition, to);
          }
          threads.RunAll();
        }
        if (below(8) == 0) manifests.push_back(*disk_->Look(kManifest));
      }
      // Proves the groups before it; not harmed below, and not counted.
      ASSERT_EQ(append({{.kind = FrameKind::kSchema, .schema_id = 9, .payload = {}}}).size(), 1u);
      disk_->CutPowerAfter(0);
      journal.reset();
      disk_->Restart();
    }
    uint64_t last_segment = 0;
    uint64_t last_position = 0;
    const auto whole =
        Inspect(*disk_, std::string(kFolder), {.visit = [&](const PlacedFrame& placed) {
          last_segment = placed.segment;
          last_position = placed.position;
          return Status();
        }});
    ASSERT_TRUE(whole.ok() && whole->Sound());
    carried += std::ranges::is_sorted(whole->segments, {}, &SegmentReport::id) ? 0 : 1;

    // Where both are harmed there must be something left that tells of a segment.
    const uint64_t manifest_harm = below(9);
    const bool manifest_too = manifest_harm < 3;
    const SegmentReport& segment = whole->segments[below(whole->segments.size())];
    const uint64_t end = segment.id == last_segment ? last_position : segment.used_bytes;
    const uint64_t from = manifest_too ? 4096 + 120 : 0;
    std::string harm;
    const auto zero = [&](uint64_t at, uint64_t bytes) {
      Write(segment.file, at, std::string(std::min(end - at, bytes), '\0'));
    };
    const uint64_t kind = below(11);
    if (kind == 0 && segment.id != last_segment && !manifest_too) {
      harm = "removed";
      ASSERT_TRUE(disk_->Remove(segment.file).ok());
    } else if (kind == 1 && segment.id != last_segment) {
      harm = "cut";
      auto file = std::move(*disk_->Open(segment.file, os::OpenMode::kWrite));
      ASSERT_TRUE(file->Truncate(from + below(end - from)).ok());
    } else if (kind == 2 && end > from) {
      harm = "overwritten with zeros";
      const uint64_t at = from + below(end - from);
      zero(at, 1 + below(20'000));
    } else if (kind == 3) {
      harm = "without its header block";
      zero(0, 4096);
    } else if (kind == 4 && manifest_too) {
      harm = "as it was";
    } else {
      harm = "flipped";
      for (uint64_t bits = 1 + below(kind == 5 ? 4096 : 64); bits > 0; --bits) {
        ASSERT_TRUE(disk_
                        ->Damage(segment.file, below(kind == 6 ? 4096 : end),
                                 static_cast<uint8_t>(1 << below(8)))
                        .ok());
      }
    }
    if (manifest_harm == 0) {
      harm += ", no manifest, ";
      ASSERT_TRUE(disk_->Remove(kManifest).ok());
    } else if (manifest_harm == 1) {
      harm += ", flipped manifest, ";
      const uint64_t bytes = disk_->Look(kManifest)->size();
      ASSERT_TRUE(disk_->Damage(kManifest, below(bytes), static_cast<uint8_t>(1 << below(8))).ok());
    } else if (manifest_harm == 2 && !manifests.empty()) {
      harm += ", older manifest, ";
      const std::string& text = manifests[below(manifests.size())];
      older += text == *disk_->Look(kManifest) ? 0 : 1;
      PutManifest(text);
    }
    SCOPED_TRACE(harm + " " + segment.file);

    const Inspection found = Look();
    const auto refused = TryRepair(false);
    EXPECT_EQ(refused.ok(), found.lost.empty());
    const auto repaired = TryRepair(true);
    ASSERT_TRUE(repaired.ok()) << repaired.error().ToString();
    auto journal = Open();
    ASSERT_NE(journal, nullptr);
    const auto rows = Read(*journal);
    // What is there is what was written; what is not was named.
    for (const auto& [key, row] : rows) {
      ASSERT_TRUE(kept_.contains(key));
      ASSERT_EQ(row, kept_[key]);
    }
    const auto named = [&](PartitionId partition, Offset offset) {
      return std::ranges::any_of(found.lost, [&](const Loss& loss) {
        return loss.partition == partition && loss.begin <= offset && offset < loss.end;
      });
    };
    std::set<Key> missing;
    for (const auto& [key, row] : kept_) {
      // Of what was released nothing is missed; it may be there, or named, all the same.
      if (key.second + row.first <= released[key.first]) continue;
      if (rows.contains(key)) {
        EXPECT_FALSE(named(key.first, key.second)) << key.first << "@" << key.second;
        continue;
      }
      for (Offset offset = std::max(key.second, released[key.first]);
           offset < key.second + row.first; ++offset) {
        missing.insert({key.first, offset});
        ASSERT_TRUE(named(key.first, offset)) << key.first << "@" << offset << " is lost, unsaid";
      }
    }
    for (const Loss& loss : found.lost) {
      ++(loss.exact ? exact : inexact);
      for (Offset offset = loss.begin; loss.exact && offset < loss.end; ++offset) {
        EXPECT_TRUE(offset < released[loss.partition] || missing.contains({loss.partition, offset}))
            << offset << " is not lost";
      }
    }
    // Tables tell the offsets behind what was released, should the manifest not.
    for (const auto& [partition, offset] : next) {
      EXPECT_GE(std::max(journal->NextOffset(partition), released[partition]), offset);
    }
    harmless += found.Sound() ? 1 : 0;
    Kill(journal);
  }
  fmt::print("{} harmless, {} exact losses, {} at most; {} carried, {} older manifests\n", harmless,
             exact, inexact, carried, older);
  if (count >= 100) {
    EXPECT_GT(exact, 50);
    EXPECT_GT(inexact, 2);
    EXPECT_GT(carried, 20);
    EXPECT_GT(older, 2);
  }
}

}  // namespace
}  // namespace sluice::journal
