#include "sluice/land/lander.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <map>
#include <set>
#include <thread>

#include "sluice/columnar/parquet.h"
#include "sluice/lake/alter_table.h"
#include "sluice/lake/commit.h"
#include "sluice/lake/row_changes.h"
#include "sluice/land/internal/landing_table.h"
#include "sluice/land/table_schema.h"
#include "sluice/ledger/proof.h"
#include "sluice/store/cached_store.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/memory_store.h"

namespace sluice::land {
namespace {

using store::Fault;
using store::StoreCall;
using LanderTest = LandingTable;

TEST_F(LanderTest, ARowIsSeenFromItsAdditionOnAndLandsOnce) {
  EXPECT_EQ(next_, 0);
  Add({1, 1, 2});
  EXPECT_EQ(Seen(), UpTo(3));
  EXPECT_EQ(Table().landed, -1);
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, 2);
  EXPECT_EQ(Table().files, 2) << "one a date";
  EXPECT_EQ(lander_->View("bronze", "clicks")->tail_rows, 0);
  EXPECT_EQ(Seen(), UpTo(3));
  EXPECT_EQ((*Other().Load())->TransactionVersion("sluice/journal-1/7-1"), 2);
}

TEST_F(LanderTest, RowsThatAreJoinedKeepTheirOwnOffsetsAndTimes) {
  // One by one, beside larger ones, and with a hole: joined as far as they are neighbours.
  journal::Offset base = 0;
  std::map<int64_t, int64_t> expected;  // Time of receipt, by offset.
  const columnar::Batch rows = Rows(std::vector<int>(600, 1));
  for (int i = 0; i < 300; ++i) {
    if (i == 150) base += 10;
    const int64_t count = i % 100 == 99 ? 600 : 1 + i % 3 / 2;
    const os::Timestamp received = clock_.Now() + std::chrono::seconds(i);
    lander_->Add(kPartition, base, received, rows->Slice(0, count));
    for (int64_t row = 0; row < count; ++row)
      expected[base++] = received.time_since_epoch().count();
  }
  const auto view = lander_->View("bronze", "clicks");
  ASSERT_TRUE(view.ok()) << view.error().ToString();
  EXPECT_LT(view->tail.size(), 12u);
  std::map<int64_t, int64_t> seen;
  for (const columnar::Batch& batch : view->tail) {
    const auto offsets =
        std::static_pointer_cast<arrow::Int64Array>(batch->GetColumnByName("_offset"));
    const auto times =
        std::static_pointer_cast<arrow::TimestampArray>(batch->GetColumnByName("_received_at"));
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      seen[offsets->Value(row)] = times->Value(row);
    }
  }
  EXPECT_EQ(seen, expected);
}

TEST_F(LanderTest, SkipsWhatTheTableHasWhenTheJournalIsReadAgain) {
  Add({1, 1, 2, 3});
  ASSERT_TRUE(lander_->LandAll().ok());
  Restart("journal-1");
  EXPECT_EQ(next_, 4);
  lander_->Add(kPartition, 0, clock_.Now(), Rows({1, 1}));
  lander_->Add(kPartition, 2, clock_.Now(), Rows({2, 3, 3}));  // The last one is new.
  EXPECT_EQ(Seen(), UpTo(5));
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Seen(), UpTo(5));
}

TEST_F(LanderTest, ReleasesAtItsStartWhatHadLandedOnceThatIsDurable) {
  std::vector<journal::Offset> released;
  const auto start = [&](journal::Offset first_kept) {
    released.clear();
    Restart("journal-1");
    lander_->SetFirstKept(kPartition, first_kept);
    lander_->Add(kPartition, first_kept, clock_.Now(), Rows({1, 1, 2, 3}));
    lander_->Start([&](uint32_t, journal::Offset next) { released.push_back(next); });
  };
  using Offsets = std::vector<journal::Offset>;
  start(0);
  EXPECT_EQ(released, Offsets()) << "nothing has landed";
  ASSERT_TRUE(lander_->Stop().ok());
  start(2);
  EXPECT_EQ(released, Offsets{4}) << "the table has the first two of them";
  ASSERT_TRUE(lander_->Stop().ok());
  store_.Add({.call = StoreCall::kSyncFolder, .path_part = "_delta_log"});
  start(4);
  EXPECT_EQ(released, Offsets());
  ASSERT_TRUE(lander_->Stop().ok());
  EXPECT_EQ(released, Offsets{8}) << "with the next landing";
  start(8);
  EXPECT_EQ(released, Offsets()) << "the journal keeps none of them";
  EXPECT_EQ(store_.failed(StoreCall::kSyncFolder, Fault::When::kBefore), 1);
}

TEST_F(LanderTest, LeavesRowsOfFurtherDatesForTheNextCommit) {
  options_.dates_max = 2;
  Restart("journal-1");
  Add({1, 2, 1, 3, 4, 5});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().version, 3) << "the table, then three commits";
  EXPECT_EQ(Table().files, 5);
  EXPECT_EQ(Seen(), UpTo(6));
}

TEST_F(LanderTest, TakesACommitWhoseAnswerWasLostForDone) {
  Add({1, 2});
  store_.Add({.call = StoreCall::kPutIfAbsent, .when = Fault::When::kAfter, .path_part = ".json"});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, 1);
  EXPECT_EQ(Seen(), UpTo(2));
}

TEST_F(LanderTest, GoesOnBehindACommitThatLandedUnknown) {
  Add({1, 2});
  store_.Add({.call = StoreCall::kPutIfAbsent, .when = Fault::When::kAfter, .path_part = ".json"});
  store_.Add({.call = StoreCall::kGet, .path_part = ".json"});
  store_.Add({.call = StoreCall::kList});
  EXPECT_EQ(lander_->LandAll().error().code(), ErrorCode::kUnavailable);
  Add({2, 3});  // Now there is more to land than that commit had.
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, 3);
  EXPECT_EQ(Seen(), UpTo(4));
}

TEST_F(LanderTest, GoesOnBehindACountThatLandedUnknown) {
  lander_->AddDuplicates(kPartition, 2);
  store_.Add({.call = StoreCall::kPutIfAbsent, .when = Fault::When::kAfter, .path_part = ".json"});
  store_.Add({.call = StoreCall::kGet, .path_part = ".json"});
  EXPECT_FALSE(lander_->LandAll().ok());
  lander_->AddDuplicates(kPartition, 3);
  Add({1});
  const Status landed = lander_->LandAll();
  EXPECT_TRUE(landed.ok()) << landed.error().ToString();
  EXPECT_EQ(Seen(), UpTo(1));
  EXPECT_EQ(Table().duplicates, 5);
}

TEST_F(LanderTest, KeepsRowsInTheTailWhileTheStoreFails) {
  Add({1});
  store_.Add({.call = StoreCall::kPut, .path_part = ".parquet"});
  EXPECT_EQ(lander_->LandAll().error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(Seen(), UpTo(1));
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Seen(), UpTo(1));
}

TEST_F(LanderTest, LandsBesideOtherWritersAndShowsTheirRows) {
  AppendForeignRow();
  Add({1});
  ASSERT_TRUE(lander_->LandAll().ok());
  AppendForeignRow();
  Add({1});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Seen(), (std::multiset<int64_t>{-1, -1, 0, 1}));
  AppendForeignRow();
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(Seen().count(-1), 3u) << "looked up twice a second";
}

// In a bucket, where files are fetched when somebody asks: those of the version that we know may be
// gone by then.
TEST_F(LanderTest, AFileThatAnotherWriterVacuumedIsLookedForInTheNewestVersion) {
  Add({1});
  ASSERT_TRUE(lander_->LandAll().ok());
  const auto open_over = [this](store::CachedStore& cached) {
    lander_ = std::make_unique<Lander>(options_, cached, clock_, random_, threads_, metrics_,
                                       "journal-1");
    topic_ = TopicOf(1);
    next_ = MustOpen();
  };
  lander_.reset();
  store_.PretendRemote();
  store::MemoryStore nothing_kept;
  const auto cached = *store::CachedStore::Open(store_, nothing_kept, 1 << 20, clock_);
  open_over(*cached);

  lake::DeltaTable other = Other();
  const auto before = *other.Load();
  const lake::DataFile file = before->files()[0];
  const std::string old_path = other.StorePath(file);
  const std::string new_path = fmt::format("{}/compacted.parquet", kRoot);
  ASSERT_TRUE(memory_.Put(new_path, *memory_.Get(old_path)).ok());
  const std::string commit = fmt::format(
      R"({{"remove":{{"path":"{}","deletionTimestamp":1,"dataChange":false}}}})"
      "\n"
      R"({{"add":{{"path":"compacted.parquet","partitionValues":{{"event_date":"2001-01-01"}},)"
      R"("size":{},"modificationTime":1,"dataChange":false}}}})"
      "\n",
      file.path, file.size);
  const auto version = before->version() + 1;
  ASSERT_TRUE(
      memory_.PutIfAbsent(fmt::format("{}/_delta_log/{:020}.json", kRoot, version), commit).ok());
  ASSERT_TRUE(memory_.Delete(old_path).ok());
  EXPECT_EQ(Seen(), UpTo(1)) << "no time has passed, so nothing else looked for a newer version";
  EXPECT_EQ(lander_->View("bronze", "clicks")->snapshot->version(), version);

  // Gone without another in its place: then it is named.
  lander_.reset();
  store::MemoryStore nothing_again;
  const auto fresh = *store::CachedStore::Open(store_, nothing_again, 1 << 20, clock_);
  open_over(*fresh);
  ASSERT_TRUE(memory_.Delete(new_path).ok());
  const auto view = lander_->View("bronze", "clicks");
  ASSERT_FALSE(view.ok());
  EXPECT_EQ(view.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(view.error().message().find("compacted.parquet"), std::string::npos)
      << view.error().ToString();
  lander_.reset();
}

TEST_F(LanderTest, AnotherWriterMayWinTheRaceForAVersion) {
  Add({1});
  bool raced = false;
  store_.Observe([&](StoreCall call, std::string_view path) {
    if (raced || call != StoreCall::kPutIfAbsent || !path.ends_with(".json")) return;
    raced = true;
    AppendForeignRow();
  });
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_TRUE(raced);
  EXPECT_EQ(Seen(), (std::multiset<int64_t>{-1, 0}));
}

TEST_F(LanderTest, AReaderDuringALandingSeesEachRowOnce) {
  Add({1, 2, 3});
  int views = 0;
  store_.Observe([&](StoreCall, std::string_view) {
    if (views++ > 20) return;
    clock_.Advance(std::chrono::seconds(1));  // So that the view looks for newer versions.
    store_.Observe({});
    EXPECT_EQ(Seen(), UpTo(3));
  });
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_GT(views, 0);
}

TEST_F(LanderTest, AnotherJournalsTableIsLandedIntoOnlyAfterItsAdoption) {
  Add({1, 1});
  ASSERT_TRUE(lander_->LandAll().ok());
  Restart("journal-2");
  EXPECT_EQ(next_, 2) << "offsets are not used again";
  EXPECT_NE(Table().stopped.find("sluice table adopt clicks"), std::string::npos);
  Add({2});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, 1);
  EXPECT_EQ(Seen(), UpTo(3)) << "what waits is seen all the same";
  ASSERT_TRUE(lander_->Adopt("clicks").ok());
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, 2);
  EXPECT_EQ(Seen(), UpTo(3));
  EXPECT_EQ(lander_->Adopt("nothing").error().code(), ErrorCode::kNotFound);
}

TEST_F(LanderTest, OffsetsThatAreNowhereStopLandingUntilTheLossIsAccepted) {
  Add({1, 1});
  ASSERT_TRUE(lander_->LandAll().ok());
  Restart("journal-1");
  lander_->SetFirstKept(kPartition, 5);
  next_ = 5;
  Add({1});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_NE(Table().stopped.find("offsets 2 to 4"), std::string::npos) << Table().stopped;
  ASSERT_TRUE(lander_->Adopt("clicks").ok());
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Seen(), (std::multiset<int64_t>{0, 1, 5}));
}

// An engine that writes a checkpoint then leaves out transactions that are old: the landing's own,
// and counters that are seldom raised.
TEST_F(LanderTest, ATableWhoseTransactionsExpireIsNotLandedInto) {
  const auto alter = [this](const lake::TableAlteration& change) {
    lake::DeltaTable other = Other();
    const auto altered = lake::AlterTable(other, nullptr, {&change, 1});
    return altered.ok() ? "" : altered.error().ToString();
  };
  const std::string property = "delta.setTransactionRetentionDuration";
  const lake::SetProperties set{{{property, "interval 1 days"}}};
  EXPECT_EQ(alter(set), "") << "nothing has landed yet: the table is anybody's";
  const lake::Version set_at = (*Other().Load())->version();
  Restart("journal-1");
  Add({1, 1});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, -1);
  EXPECT_NE(Table().stopped.find(property), std::string::npos) << Table().stopped;
  EXPECT_EQ(Seen(), UpTo(2)) << "what waits is seen all the same";

  EXPECT_EQ(lander_->Adopt("clicks").error().code(), ErrorCode::kConflict) << "it is still there";
  ASSERT_EQ(alter(lake::UnsetProperties{{property}}), "");
  ASSERT_TRUE(lander_->Adopt("clicks").ok());
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, 1);
  EXPECT_NE(alter(set).find("cannot be set where events land"), std::string::npos);

  // Other engines do not ask: it is seen with the next version that is read.
  const auto commit = [](lake::Version version) {
    return fmt::format("{}/_delta_log/{:020}.json", kRoot, version);
  };
  const std::string theirs = *memory_.Get(commit(set_at));
  ASSERT_TRUE(memory_.PutIfAbsent(commit((*Other().Load())->version() + 1), theirs).ok());
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(Seen(), UpTo(2));
  EXPECT_NE(Table().stopped.find(property), std::string::npos) << Table().stopped;
  Add({1});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, 1);
}

// Another engine wrote a checkpoint without our transactions, and nothing older was left.
TEST_F(LanderTest, AdoptingATableThatForgotItsTransactionsCountsNoRowThatItHasAsLost) {
  Add({1, 1, 2});
  ASSERT_TRUE(lander_->LandAll().ok());
  const std::string path =
      fmt::format("{}/_delta_log/{:020}.json", kRoot, (*Other().Load())->version());
  std::string commit = *memory_.Get(path);
  for (size_t txn = commit.find("{\"txn\""); txn != std::string::npos;
       txn = commit.find("{\"txn\"")) {
    commit.erase(txn, commit.find('\n', txn) + 1 - txn);
  }
  ASSERT_TRUE(memory_.Put(path, commit).ok());
  const auto lost = [this] { return ledger::SumOfCounter(**Other().Load(), ledger::kLostCounter); };

  Restart("journal-1");
  EXPECT_NE(Table().stopped.find("rows up to offset 2"), std::string::npos) << Table().stopped;
  ASSERT_TRUE(lander_->Adopt("clicks").ok());
  EXPECT_EQ(lost(), 0);
  const auto proof = ledger::Prove(Other(), *Other().Load(), {.end = 3});
  ASSERT_TRUE(proof.ok());
  EXPECT_TRUE(proof->Balanced()) << proof->faults.front();
  EXPECT_EQ(proof->landed, 3);
}

TEST_F(LanderTest, AHoleAmongWaitingRowsStopsLandingBehindWhatIsWhole) {
  Add({1, 1});
  next_ = 4;
  Add({1});
  EXPECT_FALSE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed_rows, 2);
  EXPECT_NE(Table().stopped.find("offsets 2 to 3"), std::string::npos) << Table().stopped;
  ASSERT_TRUE(lander_->Adopt("clicks").ok());
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, 4);
}

TEST_F(LanderTest, LandingPassesOffsetsThatWereGivenUp) {
  const auto loss = [](journal::Offset begin, journal::Offset end) {
    return journal::Loss{.partition = kPartition, .begin = begin, .end = end};
  };
  lander_->AcceptLosses(kPartition, {loss(5, 8), loss(8, 9), loss(0, 2)});
  lander_->SetFirstKept(kPartition, 2);
  next_ = 2;
  Add({1, 1, 2});
  next_ = 9;
  Add({1});
  store_.Add({.call = StoreCall::kPutIfAbsent, .when = Fault::When::kAfter, .path_part = ".json"});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().stopped, "");
  EXPECT_EQ(Table().landed, 9);
  EXPECT_EQ(Seen(), (std::multiset<int64_t>{2, 3, 4, 9}));
  const auto snapshot = *Other().Load();
  EXPECT_EQ(ledger::SumOfCounter(*snapshot, ledger::kLostCounter), 6);
  const auto proof = ledger::Prove(Other(), snapshot, {.end = 10});
  ASSERT_TRUE(proof.ok());
  EXPECT_TRUE(proof->Balanced()) << proof->faults.front();
  EXPECT_EQ(proof->landed, 4);
  EXPECT_EQ(proof->removed, 6);

  // At the end, where no row follows that would tell.
  Restart("journal-1");
  lander_->AcceptLosses(kPartition, {loss(10, 12)});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().landed, 11);
  EXPECT_EQ(Table().end, 12);
}

TEST_F(LanderTest, WaitingRowsOfAnOlderContractLandWithTheNewColumnNull) {
  Add({1});
  topic_ = TopicOf(2);
  EXPECT_EQ(MustOpen(), 1);
  Add({1, 2});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Seen(), UpTo(3));
  EXPECT_NE((*Other().Load())->schema()->GetFieldByName("more"), nullptr);
}

TEST_F(LanderTest, ANewContractDuringALandingWaitsForItAndLosesNothing) {
  Add({1, 2});
  std::thread evolving;
  store_.Observe([&](StoreCall call, std::string_view path) {
    if (evolving.joinable() || call != StoreCall::kPutIfAbsent || !path.ends_with(".json")) return;
    topic_ = TopicOf(2);
    evolving = std::thread([&] {
      MustOpen();
      EXPECT_GE(Table().landed, 1) << "once a rule is answered for, nothing lands without it";
    });
    Add({3});
  });
  ASSERT_TRUE(lander_->LandAll().ok());
  ASSERT_TRUE(evolving.joinable());
  evolving.join();
  EXPECT_EQ(Seen(), UpTo(3));
}

TEST_F(LanderTest, ALandingDuringANewContractLosesNothing) {
  Add({1, 2});
  topic_ = TopicOf(2);
  bool landed = false;
  store_.Observe([&](StoreCall call, std::string_view path) {
    if (landed || call != StoreCall::kPutIfAbsent || !path.ends_with(".json")) return;
    landed = true;
    // What the landing thread has commited when the columns are added, but not yet taken over.
    lake::DeltaTable ours = Other();
    const catalog::Topic first = TopicOf(1);
    const std::vector<ReceivedRows> received = {{.rows = 2}};
    const columnar::Batch rows = *ToTableRows(TableSchema(*first.contract), Rows({1, 2}),
                                              kPartition, 0, received, "default");
    std::vector<lake::NewFile> files;
    const std::vector<DatedRows> split = *SplitByDate({rows});
    for (const DatedRows& part : split) {
      files.push_back(
          {.partition_values = {{"event_date", DateText(part.date)}}, .batches = part.batches});
    }
    const auto appended = ours.Append(
        *ours.Load(), files, {.transactions = {{.app_id = "sluice/journal-1/7-1", .version = 1}}});
    ASSERT_TRUE(appended.ok()) << appended.error().ToString();
  });
  MustOpen();
  EXPECT_TRUE(landed);
  EXPECT_EQ(Seen(), UpTo(2));
}

TEST_F(LanderTest, WritesACheckpointEveryTenVersions) {
  for (int i = 0; i < 11; ++i) {
    Add({1});
    ASSERT_TRUE(lander_->LandAll().ok());
  }
  EXPECT_TRUE(memory_.Get(fmt::format("{}/_delta_log/_last_checkpoint", kRoot)).ok());
  Restart("journal-1");
  EXPECT_EQ(next_, 11);
  EXPECT_EQ(Seen(), UpTo(11));
}

TEST_F(LanderTest, TellsDedupeWhichFilesAreNewEnough) {
  Add({1});
  ASSERT_TRUE(lander_->LandAll().ok());
  const os::Timestamp between = clock_.Now() + std::chrono::seconds(1);
  clock_.Advance(std::chrono::seconds(2));
  Add({1});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(lander_->FilesReceived(kPartition, {})->size(), 2u);
  EXPECT_EQ(lander_->FilesReceived(kPartition, between)->size(), 1u);
  EXPECT_EQ(lander_->FilesReceived(99, {}).error().code(), ErrorCode::kNotFound);
}

TEST_F(LanderTest, AFileMadeByAClockThatWasBehindIsAsNewAsItsRows) {
  const os::Timestamp received = clock_.Now();
  Add({1});
  clock_.SetWall(received - std::chrono::hours(24 * 3650));
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(lander_->FilesReceived(kPartition, received - std::chrono::hours(1))->size(), 1u);
  EXPECT_EQ(lander_->FilesReceived(kPartition, received + std::chrono::hours(1))->size(), 0u);
}

TEST_F(LanderTest, AFileOfRowsThatAClockAheadDatedIsAsOldAsItsMaking) {
  const os::Timestamp right = clock_.Now();
  const auto add_years_ahead = [&] {
    clock_.SetWall(right + std::chrono::hours(24 * 3650));
    Add({1});
    clock_.SetWall(right + std::chrono::hours(1));
    ASSERT_TRUE(lander_->LandAll().ok());
  };
  add_years_ahead();
  const auto files = [&](std::chrono::hours since) {
    return lander_->FilesReceived(kPartition, right + since, right + std::chrono::hours(24))
        ->size();
  };
  EXPECT_EQ(files(std::chrono::hours(0)), 1u);
  EXPECT_EQ(files(std::chrono::hours(2)), 0u);
}

TEST_F(LanderTest, StopLandsWhatIsLeftAndAnswersWhoWaits) {
  std::promise<bool> landed;
  std::promise<bool> never;
  lander_->Start([](uint32_t, journal::Offset) {});
  Add({1, 2});
  const os::Monotonic later = clock_.Steady() + std::chrono::hours(1);
  lander_->WaitLanded(kPartition, 1, later, [&](bool ok) { landed.set_value(ok); });
  lander_->WaitLanded(kPartition, 9, later, [&](bool ok) { never.set_value(ok); });
  EXPECT_TRUE(landed.get_future().get()) << "who waits for the table hurries the landing";
  ASSERT_TRUE(lander_->Stop().ok());
  EXPECT_FALSE(never.get_future().get());
}

TEST_F(LanderTest, ATableThatStoppedFillsOnlyItsOwnShareOfTheMemory) {
  options_.tail_bytes_max = 100'000;
  Restart("journal-1");
  Add({1});
  ASSERT_TRUE(lander_->LandAll().ok());
  Restart("journal-2");
  ASSERT_FALSE(Table().stopped.empty());
  const std::vector<int> large(600, 1);
  while (lander_->CheckRoom(kPartition).ok()) {
    ASSERT_LT(next_, 100'000);
    Add(large);
  }
  EXPECT_FALSE(lander_->Behind()) << "tables that land are not held up by one that does not";
  const Status room = lander_->CheckRoom(kPartition);
  EXPECT_EQ(room.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(room.error().message().find("sluice table adopt clicks"), std::string::npos);
  EXPECT_TRUE(lander_->CheckRoom(kPartition + 1).ok());
  ASSERT_TRUE(lander_->Adopt("clicks").ok());
  EXPECT_TRUE(lander_->CheckRoom(kPartition).ok());
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Seen(), UpTo(next_)) << "what waited lands";
}

TEST_F(LanderTest, LandsAsManyRowsAtOnceAsItsMemoryIsEnoughFor) {
  options_.write_bytes_max = 200'000;
  Restart("journal-1");
  const std::vector<int> large(600, 1);
  for (int i = 0; i < 10; ++i) Add(large);
  const int64_t waiting = lander_->TailBytes();
  const int64_t commits = 2 * waiting / options_.write_bytes_max + 1;
  ASSERT_GT(commits, 2);
  int64_t most = 0;
  store_.Observe([&](StoreCall call, std::string_view) {
    if (call == StoreCall::kPut) most = std::max(most, lander_->WriteBytes());
  });
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().version, commits) << "the table, then a commit for each part";
  EXPECT_EQ(Table().files, commits);
  EXPECT_GT(most, options_.write_bytes_max / 2);
  EXPECT_LE(most, options_.write_bytes_max + 1'000);
  EXPECT_EQ(lander_->WriteBytes(), 0);
  EXPECT_EQ(lander_->TailBytes(), 0);
  EXPECT_EQ(Seen(), UpTo(next_));
}

TEST_F(LanderTest, LandsRowsThatAreLargerThanItsMemory) {
  options_.write_bytes_max = 1;
  Restart("journal-1");
  Add({1, 2, 1, 3});
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Table().files, 4);
  EXPECT_EQ(Seen(), UpTo(4));
}

TEST_F(LanderTest, WhatIsDueLandsWholeThoughItTakesSeveralCommits) {
  const std::vector<int> large(600, 1);
  Add(large);
  options_.bytes_max =
      10 * lander_->TailBytes();  // What is left after the first commit is not due.
  options_.write_bytes_max = options_.bytes_max / 2;
  Restart("journal-1");
  lander_->Start([](uint32_t, journal::Offset) {});
  next_ = 0;
  for (int i = 0; i < 10; ++i) Add(large);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (Table().landed + 1 < next_) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  EXPECT_GT(Table().files, 2);
  EXPECT_EQ(Seen(), UpTo(next_));
}

TEST_F(LanderTest, WhoTookRowsAwayIsCountedBeforeTheLogIsCleanedUp) {
  Add({1, 1, 1});
  ASSERT_TRUE(lander_->LandAll().ok());
  Add({2, 2});
  ASSERT_TRUE(lander_->LandAll().ok());
  lake::DeltaTable other = Other();
  const auto removed =
      lake::DeleteRows(other, *lake::Expression::Parse("event_date = DATE '2001-01-01'"));
  ASSERT_TRUE(removed.ok()) << removed.error().ToString();
  const auto land_for_checkpoint = [this] {
    for (int i = 0; i < 12; ++i) {
      Add({3});
      ASSERT_TRUE(lander_->LandAll().ok());
    }
  };
  land_for_checkpoint();
  clock_.Advance(std::chrono::hours(24 * 40));
  const auto expect = [this](int64_t landed) {
    const auto table = Other();
    const auto proof = ledger::Prove(table, *table.Load(), {.end = next_});
    ASSERT_TRUE(proof.ok()) << proof.error().ToString();
    EXPECT_TRUE(proof->Balanced()) << proof->faults.front();
    EXPECT_EQ(proof->landed, landed);
    EXPECT_EQ(proof->removed, 3);
  };
  expect(next_ - 3);
  // Cut short at any of its calls it has changed nothing of that.
  for (const auto call : {store::StoreCall::kPutIfAbsent, store::StoreCall::kDelete}) {
    store_.Add({.call = call, .when = store::Fault::When::kAfter, .skip = 13, .times = 1});
    land_for_checkpoint();
    store_.Clear();
    expect(next_ - 3);
  }
  land_for_checkpoint();
  EXPECT_GT(*lake::OldestCommit(Other()), 2) << "the log is cleaned up";
  expect(next_ - 3);
  Restart("journal-1");
  EXPECT_EQ(static_cast<int64_t>(Seen().size()), next_ - 3);
}

// All of the log is listed for it, which costs more the longer the log is.
TEST_F(LanderTest, TheLogIsCleanedUpOnceADay) {
  std::atomic<int> lists = 0;
  store_.Observe([&](store::StoreCall call, std::string_view path) {
    if (call == store::StoreCall::kList && path.ends_with("_delta_log/0")) ++lists;
  });
  // Returns how often landing listed the log meanwhile.
  const auto land_for_checkpoints = [&] {
    lists = 0;
    for (int i = 0; i < 25; ++i) {
      Add({3});
      EXPECT_TRUE(lander_->LandAll().ok());
    }
    return lists.load();
  };
  EXPECT_EQ(land_for_checkpoints(), 1);
  EXPECT_EQ(land_for_checkpoints(), 0);
  clock_.Advance(std::chrono::hours(24 * 40));
  EXPECT_GT(land_for_checkpoints(), 0);
  EXPECT_GT(*lake::OldestCommit(Other()), 2);
  EXPECT_EQ(land_for_checkpoints(), 0);
  // What fails is tried again.
  clock_.Advance(std::chrono::hours(24));
  store_.Add({.call = store::StoreCall::kList, .path_part = "_delta_log/0"});
  EXPECT_EQ(land_for_checkpoints(), 2);
  EXPECT_EQ(land_for_checkpoints(), 0);
  // So is it where the table says otherwise how long its log is kept.
  lake::DeltaTable other = Other();
  const lake::TableAlteration sooner =
      lake::SetProperties{{{"delta.logRetentionDuration", "interval 2 days"}}};
  ASSERT_TRUE(lake::AlterTable(other, nullptr, {&sooner, 1}).ok());
  EXPECT_EQ(land_for_checkpoints(), 1);
  EXPECT_EQ(land_for_checkpoints(), 0);
  store_.Observe(nullptr);
}

TEST_F(LanderTest, KnowsItsTablesOnly) {
  EXPECT_EQ(lander_->View("bronze", "nothing").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(lander_->View("silver", "clicks").error().code(), ErrorCode::kNotFound);
}

TEST_F(LanderTest, IsBehindWhileTooMuchWaits) {
  options_.tail_bytes_max = 100'000;
  Restart("journal-1");
  const std::vector<int> large(600, 1);  // Kept as it is; small ones are joined.
  while (!lander_->Behind()) {
    ASSERT_LT(next_, 100'000);
    Add(next_ % 5 == 0 ? large : std::vector<int>{1});
  }
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_FALSE(lander_->Behind());
  for (int round = 0; round < 30; ++round) {  // Nothing of what has landed stays counted.
    Add(large);
    Add({1, 2});
    ASSERT_TRUE(lander_->View("bronze", "clicks").ok());
    ASSERT_TRUE(lander_->LandAll().ok());
  }
  EXPECT_FALSE(lander_->Behind());
  EXPECT_EQ(Seen(), UpTo(next_));
}

}  // namespace
}  // namespace sluice::land
