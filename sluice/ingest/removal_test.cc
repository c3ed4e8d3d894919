#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/ingest_fixture.h"
#include "sluice/lake/delta_table.h"

namespace sluice::ingest {
namespace {

using store::StoreCall;

/// A topic that is deleted, and made again under its name.
class RemovalTest : public internal::IngestTest {};

TEST_F(RemovalTest, ItsNextEventsAreThoseOfAnUnknownTopic) {
  MustRegister();
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  ASSERT_TRUE(ingest_->Remove("orders").ok());
  const auto unknown = Submit(R"({"id":"a","n":1})");
  ASSERT_EQ(Counts(unknown), "0/0/1");
  EXPECT_EQ(unknown->errors.at(0).code, decode::codes::kUnknownTopic);
  EXPECT_EQ(ingest_->Remove("orders").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(ingest_->Remove("system.errors").error().code(), ErrorCode::kInvalid);
}

TEST_F(RemovalTest, MadeAgainItIsAnotherTopic) {
  MustRegister();
  ASSERT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":1}\n")), "2/0/0");
  ASSERT_EQ(Counts(Submit(R"({"id":"b","n":1})")), "0/1/0");
  const auto old = *catalog_->Find("orders");
  ASSERT_TRUE(ingest_->Remove("orders").ok());
  const uint32_t files = static_cast<uint32_t>(memory_.List(old.table_path + "/")->size());
  for (int time = 2; time <= 3; ++time) {
    MustRegister();
    const auto made = *catalog_->Find("orders");
    EXPECT_NE(made.partition, old.partition);
    EXPECT_EQ(made.table_path, fmt::format("{}-{}", old.table_path, time));
    for (const char* const when : {"now", "after a restart", "from the table"}) {
      const auto first = Submit(R"({"id":"a","n":2})");
      const bool is_new = std::string_view(when) == "now";
      EXPECT_EQ(Counts(first), is_new ? "1/0/0" : "0/1/0") << when;
      if (is_new && first.ok()) {
        EXPECT_EQ(first->offsets.at(0).first, 0);
      }
      if (std::string_view(when) == "after a restart") {
        ASSERT_TRUE(lander_->LandAll().ok());
        LoseJournal();
      } else {
        Restart();
      }
    }
    ASSERT_TRUE(ingest_->Remove("orders").ok());
  }
  EXPECT_EQ(memory_.List(old.table_path + "/")->size(), files) << "what it had stays";
}

TEST_F(RemovalTest, LeavesNothingInTheJournal) {
  MustRegister();
  std::string body;
  for (int i = 0; i < 400; ++i) {
    body += fmt::format("{{\"id\":\"k{}{}\",\"n\":1}}\n", i, std::string(300, 'x'));
  }
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(Send(body, {.framing = decode::Framing::kNdjson,
                            .shape = decode::Shape::kContent,
                            .topic = "orders"})
                    .get()
                    .ok());
    for (char& c : body) c = c == 'k' ? 'l' : c == 'l' ? 'm' : c == 'm' ? 'o' : c;
  }
  const uint64_t full = journal_->BytesOnDisk();
  ASSERT_GT(full, 400u << 10);
  ASSERT_TRUE(ingest_->Remove("orders").ok());
  Restart();
  EXPECT_LT(journal_->BytesOnDisk(), full / 2);
}

TEST_F(RemovalTest, ThatWasCutShortIsFinishedByTheNextStart) {
  MustRegister();
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(
        Counts(Submit(fmt::format("{{\"id\":\"{}{}\",\"n\":1}}", i, std::string(20'000, 'x')))),
        "1/0/0");
  }
  Stop();
  const uint64_t full = disk_.UsedBytes();
  ASSERT_TRUE((*catalog::Catalog::Open(disk_, "control"))->Remove("orders").ok());
  Start();
  Restart();
  EXPECT_LT(disk_.UsedBytes(), full / 2);
  MustRegister();
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
}

TEST_F(RemovalTest, ThatCannotLandWhatItHasIsNone) {
  MustRegister();
  ASSERT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":1}\n")), "2/0/0");
  store_.Add({.call = StoreCall::kPut, .path_part = ".parquet"});
  EXPECT_EQ(ingest_->Remove("orders").error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"c\",\"n\":1}\n")), "1/1/0");
  // That of the catalog; and whatever the journal writes meanwhile, since its rows have landed.
  disk_.Fail(os::DiskCall::kWrite, 0, UINT64_MAX);
  const auto removed = ingest_->Remove("orders");
  disk_.ClearFaults();
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().code(), ErrorCode::kUnavailable);
  Restart();
  EXPECT_EQ(Counts(Submit("{\"id\":\"b\",\"n\":1}\n{\"id\":\"c\",\"n\":1}\n")), "0/2/0");
  ASSERT_TRUE(lander_->LandAll().ok());
  for (const auto& table : lander_->Tables()) {
    if (table.topic == "orders") {
      EXPECT_EQ(table.landed, 2) << "all that was acknowledged, and no more";
    }
  }
}

TEST_F(RemovalTest, WhatIsAcknowledgedMeanwhileHasLanded) {
  for (int round = 0; round < 20; ++round) {
    MustRegister();
    std::atomic<int64_t> acknowledged = 0;
    std::vector<std::thread> senders;
    for (int sender = 0; sender < 3; ++sender) {
      senders.emplace_back([&, sender] {
        for (int i = 0;; ++i) {
          const auto receipt = Submit(fmt::format(R"({{"id":"{}-{}","n":1}})", sender, i));
          if (!receipt.ok() || receipt->accepted == 0) return;
          ++acknowledged;
        }
      });
    }
    while (acknowledged < 10 * (round % 4)) std::this_thread::yield();
    const auto removed = ingest_->Remove("orders");
    for (std::thread& sender : senders) sender.join();
    ASSERT_TRUE(removed.ok()) << removed.error().ToString();
    const auto table = lake::DeltaTable(store_, removed->table_path, clock_, random_).Load();
    ASSERT_TRUE(table.ok()) << table.error().ToString();
    EXPECT_EQ((*table)->files().rows(), acknowledged) << "round " << round;
  }
}

TEST_F(RemovalTest, AnswersWhoWaitsForItsTable) {
  MustRegister();
  auto answer =
      Send(R"({"id":"a","n":1})",
           {.shape = decode::Shape::kContent, .topic = "orders", .wait = WaitLevel::kTable});
  ASSERT_TRUE(ingest_->Remove("orders").ok());
  ASSERT_EQ(answer.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_TRUE(answer.get()->landed);
}

}  // namespace
}  // namespace sluice::ingest
