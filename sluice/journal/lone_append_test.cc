// Who writes: the journal's thread, or whoever appends while nobody waits.

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "sluice/journal/journal.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/os/simulated_threads.h"

namespace sluice::journal {
namespace {

using std::chrono::microseconds;

constexpr uint64_t kCallsOfAGroup = 2;  // A write and a sync.

NewFrame Data(PartitionId partition, std::string payload) {
  return {.kind = FrameKind::kData,
          .partition = partition,
          .schema_id = 1,
          .rows = 1,
          .payload = std::move(payload)};
}

/// A journal of which this thread runs all threads: what was answered before they ran, the caller
/// has written.
class LoneAppendTest : public testing::Test {
 protected:
  LoneAppendTest() {
    options_.folder = "journal";
    options_.segment_bytes = 64 << 10;
    options_.free_bytes_min = 0;
    options_.idle_watermark = microseconds(10'000);
    options_.on_sync_failure = [this](const Error& error) { failure_ = error.ToString(); };
    threads_ = std::make_unique<os::SimulatedThreads>(clock_);
  }
  ~LoneAppendTest() override { journal_.reset(); }

  /// Opens the journal, and has it write its first segment's first group, at offset 0.
  void Open() {
    auto journal = Journal::Open(options_, disk_, clock_, random_, *threads_);
    ASSERT_TRUE(journal.ok()) << journal.error().ToString();
    journal_ = std::move(*journal);
    threads_->RunAll();
    Append("first");
    EXPECT_TRUE(answers_.empty()) << "it takes a new segment";
    threads_->RunAll();
    EXPECT_EQ(TakeAnswers(), std::vector<std::string>{"0"});
  }

  void Append(std::string payload) {
    std::vector<NewFrame> frames;
    frames.push_back(Data(1, std::move(payload)));
    journal_->Append(std::move(frames), [this](const Result<Appended>& appended) {
      answers_.push_back(appended.ok() ? std::to_string(appended->bases.at(0))
                                       : appended.error().ToString());
      if (on_answer_) std::exchange(on_answer_, nullptr)();
    });
  }

  std::vector<std::string> TakeAnswers() { return std::exchange(answers_, {}); }

  /// Whether one that is appended now is answered before Append() returns.
  bool CallerWrites(const std::string& payload = "x") {
    Append(payload);
    const bool answered = !TakeAnswers().empty();
    threads_->RunAll();
    return answered || TakeAnswers().empty();
  }

  os::SimulatedDisk disk_;
  os::SimulatedClock clock_{os::Timestamp(std::chrono::hours(1))};
  os::SimulatedRandom random_{1};
  std::unique_ptr<os::SimulatedThreads> threads_;
  Options options_;
  std::string failure_;
  std::vector<std::string> answers_;
  std::function<void()> on_answer_;
  std::unique_ptr<Journal> journal_;
};

using Answers = std::vector<std::string>;

TEST_F(LoneAppendTest, IsWrittenSyncedAndAnsweredByItsCaller) {
  Open();
  const uint64_t before = disk_.calls();
  for (const char* const offset : {"1", "2", "3"}) {
    uint64_t at_answer = 0;
    on_answer_ = [&] { at_answer = disk_.calls(); };
    const uint64_t calls = disk_.calls();
    Append("x");
    EXPECT_EQ(TakeAnswers(), Answers{offset});
    EXPECT_EQ(at_answer, calls + kCallsOfAGroup) << "synced before it was answered";
  }
  EXPECT_EQ(disk_.calls(), before + 3 * kCallsOfAGroup);
  EXPECT_EQ(journal_->QueueBytes(), 0u);
  EXPECT_EQ(journal_->NextOffset(1), 4);
  disk_.CutPowerAfter(0);
  threads_->Kill();
  journal_.reset();
  disk_.Crash(3);
  threads_ = std::make_unique<os::SimulatedThreads>(clock_);
  auto again = Journal::Open(options_, disk_, clock_, random_, *threads_);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ((*again)->NextOffset(1), 4);
}

TEST_F(LoneAppendTest, IsLeftToTheThreadIfItIsLarge) {
  options_.caller_bytes_max = 1000;
  Open();
  EXPECT_TRUE(CallerWrites(std::string(800, 'x')));
  EXPECT_FALSE(CallerWrites(std::string(1000, 'x')));
  EXPECT_TRUE(CallerWrites(std::string(800, 'x')));
}

TEST_F(LoneAppendTest, IsLeftToTheThreadIfCallersDoNotWrite) {
  options_.caller_bytes_max = 0;
  Open();
  EXPECT_FALSE(CallerWrites());
  EXPECT_FALSE(CallerWrites());
}

TEST_F(LoneAppendTest, WhatComesDuringItIsOneGroupOfTheThread) {
  Open();
  const uint64_t calls = disk_.calls();
  on_answer_ = [this] {
    for (int i = 0; i < 3; ++i) Append("x");
    EXPECT_EQ(answers_.size(), 1u) << "each waits for its sync";
  };
  Append("x");
  EXPECT_EQ(TakeAnswers(), Answers{"1"});
  EXPECT_GT(journal_->QueueBytes(), 0u);
  threads_->RunAll();
  EXPECT_EQ(TakeAnswers(), (Answers{"2", "3", "4"}));
  EXPECT_EQ(disk_.calls(), calls + 2 * kCallsOfAGroup);

  EXPECT_FALSE(CallerWrites()) << "the last group had several";
  EXPECT_TRUE(CallerWrites());
}

TEST_F(LoneAppendTest, GoesBehindWhatWaits) {
  Open();
  on_answer_ = [this] { Append("x"); };
  Append("x");
  Append("x");  // Nobody writes, but one waits.
  EXPECT_EQ(TakeAnswers(), Answers{"1"});
  threads_->RunAll();
  EXPECT_EQ(TakeAnswers(), (Answers{"2", "3"}));
}

TEST_F(LoneAppendTest, SegmentsAreMadeAndRemovedByTheThread) {
  Open();
  int left = 0;
  const std::string payload(3000, 'x');  // With its headers a block.
  for (int i = 0; i < 60; ++i) left += CallerWrites(payload) ? 0 : 1;
  EXPECT_EQ(left, 4) << "the first of each segment";
  EXPECT_EQ(disk_.List("journal")->size(), 2 + 5u) << "manifest and lock, too";
  journal_->Release(1, 61);
  Append(payload);
  EXPECT_TRUE(answers_.empty()) << "the release came before";
  threads_->RunAll();
  EXPECT_EQ(TakeAnswers(), Answers{"61"});
  EXPECT_LE(disk_.List("journal")->size(), 4u);
}

TEST_F(LoneAppendTest, IsProvenAcknowledgedOnceTheJournalIdles) {
  Open();
  const auto step = [this] {
    ASSERT_TRUE(threads_->NextTime().has_value());
    clock_.Advance(*threads_->NextTime() - clock_.Steady());
    threads_->RunAll();
  };
  step();  // Proves the first.
  EXPECT_EQ(threads_->NextTime(), std::nullopt);
  const os::Monotonic began = clock_.Steady();
  EXPECT_TRUE(CallerWrites());
  clock_.Advance(options_.idle_watermark / 2);
  EXPECT_TRUE(CallerWrites());
  uint64_t calls = disk_.calls();
  step();
  EXPECT_EQ(disk_.calls(), calls) << "there was a group meanwhile";
  step();
  EXPECT_EQ(disk_.calls(), calls + kCallsOfAGroup);
  EXPECT_LE(clock_.Steady() - began, 2 * options_.idle_watermark);
  EXPECT_EQ(threads_->NextTime(), std::nullopt) << "an idle journal does nothing";
  calls = disk_.calls();
  EXPECT_TRUE(CallerWrites());
  EXPECT_EQ(disk_.calls(), calls + kCallsOfAGroup);
  EXPECT_TRUE(threads_->NextTime().has_value());
}

TEST_F(LoneAppendTest, IsNotAnsweredWhenItsSyncFails) {
  Open();
  disk_.Fail(os::DiskCall::kSync);
  on_answer_ = [] { ADD_FAILURE() << "answered"; };
  Append("x");
  EXPECT_EQ(failure_, "cannot sync: injected fault (unavailable)");
  EXPECT_TRUE(answers_.empty());
  on_answer_ = nullptr;
  Append("x");
  EXPECT_EQ(TakeAnswers(), Answers{"the journal is stopped (unavailable)"});
  threads_->RunAll();
  journal_.reset();
}

TEST_F(LoneAppendTest, IsRefusedWhenItsWriteFails) {
  Open();
  disk_.Fail(os::DiskCall::kWrite);
  Append("x");
  const Answers refused = TakeAnswers();
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_NE(refused.front().find("injected fault"), std::string::npos);
  EXPECT_EQ(journal_->QueueBytes(), 0u);
  EXPECT_TRUE(CallerWrites());
  EXPECT_EQ(journal_->NextOffset(1), 2);
}

TEST_F(LoneAppendTest, AnExceptionOfItsCallbackIsTheEndOfTheJournal) {
  Open();
  on_answer_ = [] { throw std::runtime_error("of the callback"); };
  EXPECT_THROW(Append("x"), std::runtime_error);
  EXPECT_EQ(failure_, "a write was left by an exception (internal)");
  threads_->Kill();
}

TEST_F(LoneAppendTest, AStopWaitsForNobodyWhenNobodyWrites) {
  Open();
  EXPECT_TRUE(CallerWrites());
  journal_->Stop();
  Append("x");
  EXPECT_EQ(TakeAnswers(), Answers{"the journal is stopped (unavailable)"});
}

// For the thread sanitizer too: callers, the journal's thread, releases and a stop at once.
TEST(LoneAppendThreadsTest, CallersAndTheThreadTakeTurns) {
  for (int round = 0; round < 20; ++round) {
    os::SimulatedDisk disk;
    os::SimulatedClock clock{os::Timestamp(std::chrono::hours(1))};
    os::SimulatedRandom random{1};
    os::SystemThreads threads;
    Options options;
    options.folder = "journal";
    options.segment_bytes = 64 << 10;
    options.free_bytes_min = 0;
    options.idle_watermark = microseconds(round % 2 == 0 ? 0 : 100);
    auto journal = *Journal::Open(options, disk, clock, random, threads);
    std::atomic<int> answering = 0;
    std::atomic<Offset> next = 0;
    std::atomic<int> answered = 0;
    const auto send = [&](int count) {
      for (int i = 0; i < count; ++i) {
        std::promise<void> done;
        journal->Append({Data(1, std::string(100, 'x'))}, [&](const Result<Appended>& appended) {
          EXPECT_EQ(answering.fetch_add(1), 0) << "one callback at a time";
          EXPECT_TRUE(appended.ok());
          EXPECT_EQ(appended->bases.at(0), next++) << "in the order of offsets";
          if (next % 16 == 0) journal->Release(1, next);
          --answering;
          ++answered;
          done.set_value();
        });
        done.get_future().wait();
      }
    };
    {
      std::vector<std::jthread> senders;
      for (int i = 0; i < 3; ++i) senders.emplace_back([&] { send(30); });
    }
    send(10);
    EXPECT_EQ(answered, 100);
    journal->Stop();
    EXPECT_EQ(journal->NextOffset(1), 100);
  }
}

}  // namespace
}  // namespace sluice::journal
