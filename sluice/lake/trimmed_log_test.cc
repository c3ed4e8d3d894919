// Commits on states that the log no longer has.

#include <gtest/gtest.h>

#include <optional>
#include <string_view>
#include <utility>

#include "sluice/lake/erase_rows.h"
#include "sluice/lake/internal/changing_table.h"

namespace sluice::lake {
namespace {

class TrimmedLogTest : public ChangingTable {
 protected:
  TrimmedLogTest() {
    Create({}, false);
    for (int64_t part = 0; part < 3; ++part) Append(10 * part, 5, "before");
    ours_.emplace(faulty_, table_->root(), clock_, random_);
    before_ = *ours_->Load();
  }

  /// What an erasure beside us leaves of the log.
  void Erase() {
    const auto erased =
        EraseRows(*table_, {.condition = Parse("id = 11")}, {.request = "r", .unnamed_age = {}});
    ASSERT_TRUE(erased.ok()) << erased.error().ToString();
    trimmed_to_ = erased->oldest_version;
    ASSERT_GT(trimmed_to_, before_->version() + 1);
  }

  Result<std::shared_ptr<const Snapshot>> Land() {
    return ours_->Append(before_, {},
                         {.operation = "LAND",
                          .transactions = {{.app_id = "a", .version = 7}},
                          .expect = {{.app_id = "a", .expected = std::nullopt}}});
  }

  bool HasCommit(Version version) {
    return store_.Head(fmt::format("{}/_delta_log/{:020}.json", table_->root(), version)).ok();
  }

  std::optional<DeltaTable> ours_;
  std::shared_ptr<const Snapshot> before_;
  Version trimmed_to_ = 0;
};

TEST_F(TrimmedLogTest, WhatIsAppendedStandsBehindAnErasureThatTheWriterHasNotSeen) {
  Erase();
  const auto landed = Land();
  ASSERT_TRUE(landed.ok()) << landed.error().ToString();
  EXPECT_EQ((*landed)->version(), trimmed_to_ + 1);
  EXPECT_FALSE(HasCommit(before_->version() + 1));
  const auto newest = *table_->Load();
  EXPECT_EQ(newest->version(), trimmed_to_ + 1);
  EXPECT_EQ(newest->TransactionVersion("a"), 7);
}

TEST_F(TrimmedLogTest, ATrimWhileTheCommitIsPutLeavesNoneThatPassesForALanding) {
  bool trimmed = false;
  faulty_.Observe([&](store::StoreCall call, std::string_view path) {
    if (call != store::StoreCall::kPutIfAbsent || !path.ends_with(".json")) return;
    if (!std::exchange(trimmed, true)) Erase();
  });
  const auto landed = Land();
  ASSERT_FALSE(landed.ok());
  EXPECT_EQ(landed.error().code(), ErrorCode::kUnavailable);
  EXPECT_FALSE(HasCommit(before_->version() + 1));
  const auto newest = *ours_->Load(before_);
  EXPECT_EQ(newest->version(), trimmed_to_);
  EXPECT_EQ(newest->TransactionVersion("a"), std::nullopt);
  before_ = newest;
  EXPECT_TRUE(Land().ok());
}

TEST_F(TrimmedLogTest, NoCommitLeavesAGapBehindAnOlderCopyOfTheTable) {
  for (Version version = before_->version(); version > 1; --version) {
    ASSERT_TRUE(
        store_.Delete(fmt::format("{}/_delta_log/{:020}.json", table_->root(), version)).ok());
  }
  const auto landed = Land();
  ASSERT_FALSE(landed.ok());
  EXPECT_EQ(landed.error().code(), ErrorCode::kConflict);
  EXPECT_NE(landed.error().ToString().find("an older copy of the table"), std::string::npos);
  EXPECT_FALSE(HasCommit(before_->version() + 1));
  EXPECT_EQ((*table_->Load())->version(), 1);
}

}  // namespace
}  // namespace sluice::lake
