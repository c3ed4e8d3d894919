// Power losses, kills and failing disks by seed, against a model of what was promised.

#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sluice/journal/journal.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/os/simulated_threads.h"

namespace sluice::journal {
namespace {

using os::DiskCall;

/// What happened over all seeds: a run in which something never happens proves nothing about it.
struct Counts {
  int crashes = 0;
  int kills = 0;
  int nested = 0;  // Power losses during recovery.
  int sync_failures = 0;
  int refused = 0;
  int torn = 0;
  int survived_unknown = 0;
  int lost_unknown = 0;
  int removed = 0;
  int acked = 0;
  int by_caller = 0;
  int carried = 0;  // Appends of which some frames were copied, and others let go.
};

/// One life of a journal: boots, appends, faults, crashes; all drawn from a seed.
///
/// In some lives all appends but the first of a boot come from callbacks, so that the journal's
/// thread alone decides what happens next and a seed repeats itself (but for the proof an idle
/// journal writes at the end of a boot: the stop may come before it). In the others appends come
/// one after the other, most of them written by their caller, and the journal's thread is a
/// simulated one.
class Life {
 public:
  Life(uint64_t seed, Counts& counts) : counts_(counts), engine_(seed), random_(seed) {
    options_.folder = "data/journal";
    options_.segment_bytes = 64 << 10;
    options_.free_bytes_min = 0;
    options_.idle_watermark = std::chrono::hours(Chance(2) ? 24 : 0);
    options_.on_sync_failure = [this](const Error&) { Finish(true); };
    faults_ = engine_();
    options_.writes = Chance(2) ? Writes::kDirect : Writes::kCached;
    lone_ = Chance(2);
    if (!lone_ && Chance(2)) options_.caller_bytes_max = 0;
    // In most lives partitions pin segments; 0 is never released.
    options_.pinned_segments_max = Chance(4) ? 100 : 1;
    pinned_ = Chance(2);
  }

  void Run() {
    const uint64_t boots = 3 + engine_() % 3;
    for (uint64_t boot = 0; boot < boots && !testing::Test::HasFailure(); ++boot) Boot();
    disk_.SetCapacity(UINT64_MAX);
    if (testing::Test::HasFailure()) return;
    // When the faults end, the journal takes rows again.
    auto journal = Open(false);
    ASSERT_NE(journal, nullptr);
    Verify(*journal);
    const int acked = counts_.acked;
    Start(*journal, 3);
    EXPECT_GT(counts_.acked, acked);
    Verify(*journal);
  }

 private:
  enum class Fate : uint8_t { kUnknown, kKept, kRefused, kGone };
  struct Sent {
    PartitionId partition = 0;
    int64_t rows = 0;
    uint64_t schema = 0;  // Of kSchema: the one it brings.
    bool is_schema = false;
    size_t payload_bytes = 0;
    Offset base = -1;
  };
  struct Attempt {
    Fate fate = Fate::kUnknown;
    std::vector<Sent> frames;
  };

  bool Chance(uint64_t in) { return engine_() % in == 0; }
  bool MayFail(DiskCall call) const { return (faults_ >> static_cast<int>(call) & 1) != 0; }

  void Boot() {
    int nested = 0;
    std::unique_ptr<Journal> journal;
    while (journal == nullptr && !testing::Test::HasFailure()) {
      const bool may_fail = nested < 3 && Chance(2);
      journal = Open(may_fail);
      if (journal != nullptr) break;
      ++nested;
      if (!disk_.powered()) ++counts_.nested;
      Lose();
    }
    if (journal == nullptr) return;
    Verify(*journal);
    if (testing::Test::HasFailure()) return;
    Harm();
    Start(*journal, 1 + engine_() % 40);
    if (!Failed() && Chance(2)) Verify(*journal);
    journal.reset();
    Lose();
  }

  std::unique_ptr<Journal> Open(bool may_fail) {
    if (may_fail) {
      if (Chance(2)) {
        disk_.CutPowerAfter(engine_() % 16);
      } else {
        disk_.Fail(static_cast<DiskCall>(engine_() % 10), engine_() % 6);
      }
    }
    os::Threads& threads = lone_ ? static_cast<os::Threads&>(simulated_threads_) : threads_;
    auto journal = Journal::Open(options_, disk_, clock_, random_, threads);
    if (journal.ok()) {
      if (journal.value()->recovery().torn_bytes > 0) ++counts_.torn;
      return std::move(*journal);
    }
    const Error& error = journal.error();
    EXPECT_TRUE(may_fail && error.code() == ErrorCode::kUnavailable) << error.ToString();
    return nullptr;
  }

  /// Chooses what goes wrong in this boot.
  void Harm() {
    if (!Chance(5)) disk_.CutPowerAfter(engine_() % 120);
    for (const DiskCall call :
         {DiskCall::kOpen, DiskCall::kWrite, DiskCall::kSync, DiskCall::kAllocate,
          DiskCall::kRename, DiskCall::kRemove, DiskCall::kTruncate, DiskCall::kSyncDirectory}) {
      if (MayFail(call) && Chance(3)) disk_.Fail(call, engine_() % 20, 1 + engine_() % 3);
    }
    disk_.SetCapacity(Chance(4) ? (100 << 10) + engine_() % (300 << 10) : UINT64_MAX);
    if (Chance(3)) clock_.SetWall(os::Timestamp(std::chrono::seconds(engine_() % 100'000)));
  }

  /// Ends the process, with or without the power.
  void Lose() {
    disk_.SetCapacity(UINT64_MAX);
    if (Chance(3)) {
      ++counts_.kills;
      disk_.Restart();
    } else {
      ++counts_.crashes;
      disk_.Crash(engine_());
    }
  }

  void Start(Journal& journal, uint64_t budget) {
    budget_ = budget;
    outstanding_ = 0;
    finished_ = failed_ = false;
    if (lone_) {
      SendOneByOne(journal);
    } else {
      Submit(journal);
    }
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return finished_; });
    if (failed_) ++counts_.sync_failures;
  }

  void SendOneByOne(Journal& journal) {
    while (budget_ > 0 && !Failed()) {
      const uint64_t before = outstanding_;
      const uint64_t answered = answered_;
      Submit(journal);
      if (before == 0 && answered_ > answered) ++counts_.by_caller;
      while (!Chance(3) && !simulated_threads_.RunOne(0).empty()) {
      }
    }
    simulated_threads_.RunAll();
  }

  bool Failed() {
    const std::lock_guard lock(mutex_);
    return failed_;
  }

  void Finish(bool failed) {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    failed_ = failed_ || failed;
    changed_.notify_all();
  }

  void Submit(Journal& journal) {
    const uint64_t id = attempts_.size();
    Attempt& attempt = attempts_.emplace_back();
    std::vector<NewFrame> frames;
    std::set<uint64_t> usable = schemas_;
    if (usable.empty() || Chance(20)) {
      usable.insert(id);
      AddFrame(attempt, frames, {.schema = id, .is_schema = true}, id);
    }
    for (uint64_t i = 1 + engine_() % 3; i > 0; --i) {
      const auto schema =
          std::next(usable.begin(), static_cast<ptrdiff_t>(engine_() % usable.size()));
      AddFrame(attempt, frames,
               {.partition = static_cast<PartitionId>(engine_() % 3),
                .rows = 1 + static_cast<int64_t>(engine_() % 5),
                .schema = *schema},
               id);
    }
    --budget_;
    ++outstanding_;
    journal.Append(std::move(frames), [this, &journal, id](Result<Appended> outcome) {
      Answer(journal, id, outcome);
    });
  }

  void AddFrame(Attempt& attempt, std::vector<NewFrame>& frames, const Sent& sent, uint64_t id) {
    std::string payload = fmt::format("{}/{}/", id, attempt.frames.size());
    payload.resize(payload.size() + (Chance(6) ? engine_() % 20'000 : engine_() % 300), 'x');
    frames.push_back({.kind = sent.is_schema ? FrameKind::kSchema : FrameKind::kData,
                      .partition = sent.partition,
                      .schema_id = sent.schema,
                      .rows = sent.rows,
                      .payload = std::move(payload)});
    attempt.frames.push_back(sent);
    attempt.frames.back().payload_bytes = frames.back().payload.size();
  }

  void Answer(Journal& journal, uint64_t id, const Result<Appended>& outcome) {
    Attempt& attempt = attempts_[id];
    if (outcome.ok()) {
      ++counts_.acked;
      EXPECT_GE(outcome->received, received_) << "received time went back";
      received_ = outcome->received;
      Keep(attempt, outcome->bases);
    } else {
      ++counts_.refused;
      EXPECT_EQ(outcome.error().code(), ErrorCode::kUnavailable) << outcome.error().ToString();
      attempt.fate = Fate::kRefused;
    }
    if (Chance(8)) {
      const auto partition = static_cast<PartitionId>(pinned_ ? 1 + engine_() % 2 : engine_() % 3);
      const Offset offset = pinned_ || Chance(2) ? ends_[partition] : ends_[partition] / 2;
      released_[partition] = std::max(released_[partition], offset);
      journal.Release(partition, offset);
    }
    ++answered_;
    for (uint64_t i = lone_ && !Chance(4) ? 0 : engine_() % 4; i > 0 && budget_ > 0; --i) {
      Submit(journal);
    }
    if (outstanding_ == 1 && budget_ > 0 && !lone_) Submit(journal);
    if (--outstanding_ == 0) Finish(false);
  }

  void Keep(Attempt& attempt, const std::vector<Offset>& bases) {
    attempt.fate = Fate::kKept;
    for (size_t i = 0; i < attempt.frames.size(); ++i) {
      Sent& sent = attempt.frames[i];
      sent.base = bases[i];
      if (sent.is_schema) {
        schemas_.insert(sent.schema);
        continue;
      }
      Offset& end = ends_[sent.partition];
      EXPECT_GE(sent.base, end) << "offset used again";
      end = sent.base + sent.rows;
    }
  }

  /// Compares all that can be read with all that was promised.
  void Verify(const Journal& journal) {
    disk_.ClearFaults();
    if (!disk_.powered()) return;  // The journal's thread may have been at work by itself.
    std::map<uint64_t, std::map<uint64_t, Offset>> read;  // Attempt, frame: base.
    std::set<uint64_t> schemas;
    std::map<PartitionId, Offset> ends;
    os::Timestamp received{};
    const Status status = journal.Read([&](const Frame& frame) -> Status {
      uint64_t id = 0;
      uint64_t index = 0;
      const char* const end = frame.payload.data() + frame.payload.size();
      const auto parsed = std::from_chars(frame.payload.data(), end, id);
      std::from_chars(parsed.ptr + 1, end, index);
      if (id >= attempts_.size() || index >= attempts_[id].frames.size()) {
        return Internal("frame {} of attempt {} was invented", index, id);
      }
      const Sent& sent = attempts_[id].frames[index];
      const std::string prefix = fmt::format("{}/{}/", id, index);
      if (!frame.payload.starts_with(prefix) || frame.payload.size() != sent.payload_bytes ||
          frame.payload.find_first_not_of('x', prefix.size()) != std::string_view::npos) {
        return Internal("frame {} of attempt {} has other bytes", index, id);
      }
      EXPECT_EQ(frame.partition, sent.partition);
      EXPECT_EQ(frame.rows, sent.rows);
      EXPECT_EQ(frame.schema_id, sent.schema);
      EXPECT_TRUE(read[id].emplace(index, frame.base).second) << "attempt " << id << " came twice";
      if (sent.is_schema) {
        schemas.insert(frame.schema_id);
        return {};
      }
      EXPECT_TRUE(schemas.contains(frame.schema_id)) << "schema " << frame.schema_id << " is lost";
      EXPECT_GE(frame.base, ends[frame.partition]) << "offsets overlap";
      ends[frame.partition] = frame.base + frame.rows;
      EXPECT_GE(frame.received, received);
      received = frame.received;
      return {};
    });
    ASSERT_TRUE(status.ok()) << status.error().ToString();
    for (uint64_t id = 0; id < attempts_.size(); ++id) VerifyAttempt(id, read[id]);
    for (const auto& [partition, end] : ends_) EXPECT_GE(journal.NextOffset(partition), end);
    received_ = std::max(received_, received);
  }

  void VerifyAttempt(uint64_t id, const std::map<uint64_t, Offset>& read) {
    Attempt& attempt = attempts_[id];
    size_t gone = 0;    // Of the frames that are not read: those that were never there.
    size_t let_go = 0;  // Those that were released.
    size_t data_read = 0;
    size_t data = 0;
    for (size_t i = 0; i < attempt.frames.size(); ++i) {
      const Sent& sent = attempt.frames[i];
      if (sent.is_schema) {
        // A schema once kept stays, whatever is released.
        EXPECT_EQ(read.contains(i),
                  attempt.fate == Fate::kKept || (attempt.fate == Fate::kUnknown && !read.empty()))
            << "schema of attempt " << id;
        continue;
      }
      ++data;
      data_read += read.contains(i) ? 1 : 0;
      if (read.contains(i)) continue;
      const bool released = sent.base >= 0 && sent.base + sent.rows <= released_[sent.partition];
      (released ? let_go : gone) += 1;
    }
    EXPECT_TRUE(data_read == 0 || gone == 0) << "attempt " << id << " is half there";
    switch (attempt.fate) {
      case Fate::kKept:
        EXPECT_EQ(gone, 0u) << "attempt " << id << " was acknowledged, or seen, and is lost";
        counts_.removed += let_go == data ? 1 : 0;
        counts_.carried += data_read > 0 && let_go > 0 ? 1 : 0;
        for (const auto& [index, base] : read) EXPECT_EQ(base, attempt.frames[index].base);
        break;
      case Fate::kUnknown:
        if (read.empty()) {
          attempt.fate = Fate::kGone;
          ++counts_.lost_unknown;
        } else {
          std::vector<Offset> bases;
          for (const auto& [index, base] : read) bases.push_back(base);
          Keep(attempt, bases);
          ++counts_.survived_unknown;
        }
        break;
      case Fate::kRefused:
      case Fate::kGone:
        EXPECT_TRUE(read.empty()) << "attempt " << id << " was refused, or gone, and is back";
        break;
    }
  }

  Counts& counts_;
  std::mt19937_64 engine_;
  uint64_t faults_ = 0;  // A bit per kind of call that may fail in this life.
  os::SimulatedDisk disk_;
  os::SimulatedClock clock_{os::Timestamp(std::chrono::hours(1))};
  os::SimulatedRandom random_;
  os::SystemThreads threads_;
  os::SimulatedThreads simulated_threads_{clock_};
  bool lone_ = false;
  bool pinned_ = false;
  Options options_;

  std::deque<Attempt> attempts_;
  std::set<uint64_t> schemas_;
  std::map<PartitionId, Offset> ends_;
  std::map<PartitionId, Offset> released_;
  os::Timestamp received_{};
  uint64_t budget_ = 0;
  uint64_t outstanding_ = 0;
  uint64_t answered_ = 0;

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable changed_;
  bool finished_ = false;
  bool failed_ = false;
};

TEST(JournalCrashTest, KeepsItsPromises) {
  const char* const first = std::getenv("SLUICE_SEED");
  const char* const many = std::getenv("SLUICE_SEEDS");
  const uint64_t begin = first != nullptr ? std::strtoull(first, nullptr, 10) : 1;
  const uint64_t count = many != nullptr ? std::strtoull(many, nullptr, 10) : 300;
  Counts counts;
  for (uint64_t seed = begin; seed < begin + count && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("SLUICE_SEED={}", seed));
    Life(seed, counts).Run();
  }
  fmt::print(
      "{} power losses ({} in recovery), {} kills, {} failed syncs; acked {} ({} of a lone "
      "append), "
      "refused {}, "
      "unknown {} kept and {} gone; {} torn tails, {} removed, {} in part\n",
      counts.crashes, counts.nested, counts.kills, counts.sync_failures, counts.acked,
      counts.by_caller, counts.refused, counts.survived_unknown, counts.lost_unknown, counts.torn,
      counts.removed, counts.carried);
  if (count < 100) return;
  EXPECT_GT(counts.crashes, 200);
  EXPECT_GT(counts.kills, 50);
  EXPECT_GT(counts.nested, 20);
  EXPECT_GT(counts.sync_failures, 20);
  EXPECT_GT(counts.refused, 20);
  EXPECT_GT(counts.survived_unknown, 5);
  EXPECT_GT(counts.lost_unknown, 20);
  EXPECT_GT(counts.torn, 10);
  EXPECT_GT(counts.removed, 20);
  EXPECT_GT(counts.by_caller, 500);
  EXPECT_GT(counts.carried, 100);
}

}  // namespace
}  // namespace sluice::journal
