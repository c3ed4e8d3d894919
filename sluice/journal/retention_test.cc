// What a journal keeps, what that takes, and that it lacks nothing of it.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sluice/journal/journal.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/os/simulated_threads.h"

namespace sluice::journal {
namespace {

using std::chrono::hours;

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() {
    options_.folder = "journal";
    options_.segment_bytes = 64 << 10;
    options_.free_bytes_min = 0;
    options_.idle_watermark = hours(24);
    options_.on_sync_failure = [](const Error&) {};
    Start();
  }
  ~RetentionTest() override { journal_.reset(); }

  void Start() {
    journal_.reset();
    threads_ = std::make_unique<os::SimulatedThreads>(clock_);
    auto journal = Journal::Open(options_, disk_, clock_, random_, *threads_);
    ASSERT_TRUE(journal.ok()) << journal.error().ToString();
    journal_ = std::move(*journal);
  }
  Result<Appended> Append(PartitionId partition, size_t bytes) {
    std::optional<Result<Appended>> outcome;
    journal_->Append(
        {{.partition = partition, .schema_id = 1, .rows = 1, .payload = std::string(bytes, 'x')}},
        [&](Result<Appended> result) { outcome = std::move(result); });
    threads_->RunAll();
    return outcome.value_or(Unavailable("not answered"));
  }
  void Release(PartitionId partition, Offset offset) {
    journal_->Release(partition, offset);
    threads_->RunAll();
  }
  Result<int64_t> Rows() {
    int64_t rows = 0;
    SLUICE_RETURN_IF_ERROR(journal_->Read([&](const Frame& frame) -> Status {
      rows += frame.rows;
      return {};
    }));
    return rows;
  }
  std::vector<std::string> Segments() {
    std::vector<std::string> names = *disk_.List("journal");
    std::erase_if(names, [](const std::string& name) { return name.size() != 20; });
    return names;
  }
  uint64_t BytesOfFiles() {
    uint64_t bytes = 0;
    for (const std::string& name : Segments()) bytes += disk_.Look("journal/" + name)->size();
    return bytes;
  }

  os::SimulatedDisk disk_;
  os::SimulatedClock clock_{os::Timestamp(hours(1))};
  os::SimulatedRandom random_{1};
  std::unique_ptr<os::SimulatedThreads> threads_;
  Options options_;
  std::unique_ptr<Journal> journal_;
};

TEST_F(RetentionTest, WhatIsNotWrittenYetIsNotReleased) {
  ASSERT_TRUE(Append(1, 10).ok());
  Release(1, 1'000);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(Append(1, 9'000).ok());
  Release(1, 1);
  EXPECT_EQ(*Rows(), 41);
  Start();
  Release(1, 1);
  EXPECT_EQ(*Rows(), 41);
}

TEST_F(RetentionTest, SaysWhatItsFilesTake) {
  EXPECT_EQ(journal_->BytesOnDisk(), BytesOfFiles());
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(Append(1, 5'000).ok());
    ASSERT_EQ(journal_->BytesOnDisk(), BytesOfFiles()) << "after " << i;
  }
  Release(1, 40);
  EXPECT_EQ(journal_->BytesOnDisk(), BytesOfFiles());
  Start();
  EXPECT_EQ(journal_->BytesOnDisk(), BytesOfFiles());
  for (int i = 0; i < 9; ++i) ASSERT_TRUE(Append(1, 5'000).ok());
  journal_->Stop();
  EXPECT_EQ(journal_->BytesOnDisk(), BytesOfFiles()) << "what was made ahead is gone";
}

TEST_F(RetentionTest, ReadingMissesNoSegmentThatIsNeeded) {
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(Append(1, 9'000).ok());
  EXPECT_EQ(*Rows(), 40);
  ASSERT_TRUE(disk_.Remove("journal/" + Segments().at(1)).ok());
  const auto read = Rows();
  ASSERT_FALSE(read.ok()) << *read << " rows, and nothing said of the others";
  EXPECT_EQ(read.error().code(), ErrorCode::kNotFound);
}

TEST_F(RetentionTest, ARefusedAppendIsNotBackAfterAPowerLoss) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    for (uint64_t i = 0; i <= seed % 3; ++i) ASSERT_TRUE(Append(1, 10).ok());
    const int64_t rows = *Rows();
    disk_.Fail(os::DiskCall::kWrite);  // All of it may have been written.
    ASSERT_FALSE(Append(1, 10).ok());
    // Not even an orderly end follows.
    threads_->Kill();
    journal_.reset();
    disk_.Crash(seed);
    Start();
    ASSERT_EQ(*Rows(), rows);
  }
}

TEST_F(RetentionTest, SchemasThatWereWrittenAgainAreProvenOnceItIdles) {
  options_.idle_watermark = std::chrono::milliseconds(10);
  Start();
  const auto idle = [&] {
    for (int i = 0; i < 3; ++i) {
      clock_.Advance(options_.idle_watermark * 2);
      threads_->RunAll();
    }
  };
  journal_->Append({{.kind = FrameKind::kSchema, .schema_id = 1, .payload = "the schema"}},
                   [](const Result<Appended>& appended) { ASSERT_TRUE(appended.ok()); });
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Append(1, 9'000).ok());
  idle();
  Release(1, 18);
  idle();
  disk_.CutPowerAfter(0);
  journal_.reset();
  disk_.Restart();
  for (const std::string& name : Segments()) {
    const size_t at = disk_.Look("journal/" + name)->find("the schema");
    if (at == std::string::npos) continue;
    ASSERT_TRUE(disk_.Damage("journal/" + name, at, 1).ok());
  }
  const auto opened = Journal::Open(options_, disk_, clock_, random_, *threads_);
  ASSERT_FALSE(opened.ok()) << "a schema that rows need was cut off as if nobody had been told";
  EXPECT_EQ(opened.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::journal
