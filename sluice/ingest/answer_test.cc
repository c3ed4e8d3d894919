#include <arrow/api.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "sluice/ingest/audit_log.h"
#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/ingest_fixture.h"

namespace sluice::ingest {
namespace {

/// What an answer says of rows that are not its own, or not there.
class AnswerTest : public internal::IngestTest {};

TEST_F(AnswerTest, OneTopicThatIsNotAllowedRefusesTheBodyWhereverItStands) {
  MustRegister();
  ASSERT_TRUE(ingest_->Register(event::SchemalessContract("moves")).ok());
  const std::string orders = R"({"event":"orders","event_id":"e","content":{"n":1}})";
  const std::string moves = R"({"event":"moves","event_id":"e","content":{}})";
  const std::string unknown = R"({"event":"none","event_id":"e","content":{}})";
  for (const std::string& body :
       {orders + "\n" + moves, moves + "\n" + orders, orders + "\n" + unknown + "\n" + orders}) {
    const auto refused =
        Send(body, {.framing = decode::Framing::kNdjson,
                    .may_send = [](std::string_view topic) { return topic == "orders"; }})
            .get();
    ASSERT_FALSE(refused.ok()) << body;
    EXPECT_EQ(refused.error().code(), ErrorCode::kDenied);
  }
  EXPECT_EQ(TailRows("bronze", "orders") + TailRows("bronze", "moves"), 0);
  EXPECT_EQ(TailRows("system", "errors"), 0);
  EXPECT_EQ(Counts(SubmitEnvelope(orders)), "1/0/0") << "nothing was claimed";
}

TEST_F(AnswerTest, WaitTableOfADuplicateWaitsForItsOriginal) {
  MustRegister();
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  auto answer =
      Send(R"({"id":"a","n":1})",
           {.shape = decode::Shape::kContent, .topic = "orders", .wait = WaitLevel::kTable});
  EXPECT_NE(answer.wait_for(std::chrono::milliseconds(50)), std::future_status::ready);
  lander_->Start([](uint32_t, journal::Offset) {});
  const auto receipt = answer.get();
  EXPECT_EQ(Counts(receipt), "0/1/0");
  EXPECT_TRUE(receipt->landed);
  EXPECT_EQ(TailRows("bronze", "orders"), 0);
  ASSERT_TRUE(lander_->Stop().ok());
}

TEST_F(AnswerTest, ASchemaThatCouldNotBeJournaledTakesNoRows) {
  MustRegister();
  disk_.Fail(os::DiskCall::kWrite, 1);  // Behind that of the catalog.
  const auto contracts = event::CompileCapnp({{"c.capnp", R"(@0x9a41c6de07b35f19;
using Sl = import "sluice.capnp";
struct Click $Sl.event("clicks") { id @0 :Text $Sl.id; }
)"}},
                                             "c.capnp");
  ASSERT_TRUE(contracts.ok());
  EXPECT_FALSE(ingest_->Register(contracts->front()).ok());
  const Submission clicks{.shape = decode::Shape::kContent, .topic = "clicks"};
  EXPECT_EQ(Counts(Send(R"({"id":"a"})", clicks).get()), "0/0/1");
  ASSERT_TRUE(ingest_->Register(contracts->front()).ok());
  EXPECT_EQ(Counts(Send(R"({"id":"a"})", clicks).get()), "1/0/0");
  Restart();
  EXPECT_EQ(Counts(Send(R"({"id":"a"})", clicks).get()), "0/1/0");
}

TEST_F(AnswerTest, AJournalThatIsBegunAnewHasTheSchemasOfItsRows) {
  MustRegister();
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  ASSERT_TRUE(lander_->LandAll().ok());
  LoseJournal();
  ASSERT_TRUE(lander_->Adopt("orders").ok());
  ASSERT_EQ(Counts(Submit(R"({"id":"b","n":1})")), "1/0/0");
  Restart();
  EXPECT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":1}\n")), "0/2/0");
}

TEST_F(AnswerTest, NobodyWritesIntoTopicsOfTheSystem) {
  ASSERT_TRUE(ingest_->Register(AuditContract()).ok());
  const std::string row = R"({"principal":"me","action":"none"})";
  Submission audit{.shape = decode::Shape::kContent, .topic = std::string(kAuditTopic)};
  EXPECT_EQ(Counts(Send(row, audit).get()), "0/0/1");
  EXPECT_EQ(Counts(SubmitEnvelope(fmt::format(R"({{"event":"system.audit","content":{}}})", row))),
            "0/0/1");
  EXPECT_EQ(TailRows("system", "audit"), 0);
  audit.system = true;
  EXPECT_EQ(Counts(Send(row, audit).get()), "1/0/0") << "but the system itself";
}

TEST_F(AnswerTest, WhatWaitsInMemoryHasALimit) {
  land_options_.tail_bytes_max = 20'000;
  Restart();
  MustRegister();
  std::string body;
  for (int i = 0; i < 400; ++i) body += fmt::format("{{\"id\":\"{}\",\"n\":{}}}\n", i, i);
  ASSERT_EQ(Counts(Submit(body)), "400/0/0");
  EXPECT_EQ(Submit(R"({"id":"a","n":1})").error().code(), ErrorCode::kUnavailable);
  ASSERT_TRUE(lander_->LandAll().ok());
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
}

TEST_F(AnswerTest, CountsOfDuplicatesOutliveARestart) {
  MustRegister();
  const auto duplicates = [&] {
    for (const auto& table : lander_->Tables()) {
      if (table.topic == "orders") return table.duplicates;
    }
    return int64_t{-1};
  };
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  ASSERT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"a\",\"n\":1}\n")), "0/2/0");
  EXPECT_EQ(duplicates(), 2);
  Restart();
  EXPECT_EQ(duplicates(), 2) << "as the journal says";
  ASSERT_TRUE(lander_->LandAll().ok());
  Restart();
  EXPECT_EQ(duplicates(), 2);
}

TEST_F(AnswerTest, SaysWhenAnIdentityWasReceivedWhateverTheClock) {
  MustRegister();
  const auto within = [&](const std::string& id) {
    return *ingest_->ReceivedWithin("orders", ingest_->IdentitiesOf("orders", EventId{id})->ids);
  };
  const os::Timestamp first = clock_.Now();
  ASSERT_TRUE(Submit(R"({"id":"a","n":1})").ok());
  EXPECT_EQ(within("a").first, first);
  clock_.Advance(std::chrono::hours(5));
  ASSERT_TRUE(Submit(R"({"id":"b","n":1})").ok());
  const os::Timestamp second = clock_.Now();
  EXPECT_LE(within("b").first, second);
  EXPECT_GE(within("b").last, second);
  EXPECT_FALSE(ingest_->IsBeyondHorizon("orders", second - std::chrono::hours(1)));
  EXPECT_TRUE(ingest_->IsBeyondHorizon("orders", second - std::chrono::hours(14)));
  EXPECT_TRUE(ingest_->IsBeyondHorizon("orders", second + std::chrono::hours(1)));
  clock_.SetWall(second - std::chrono::hours(10));
  Restart();
  clock_.Advance(std::chrono::hours(4));  // Another slice of the horizon.
  // The journal's time does not go back, so that its rows say the second.
  ASSERT_TRUE(Submit(R"({"id":"c","n":1})").ok());
  EXPECT_GE(within("c").last, second);
}

TEST_F(AnswerTest, ANewVersionTakesItsFieldsAtOnce) {
  MustRegister();
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  MustRegister("more @2 :Text;");
  ASSERT_EQ(Counts(Submit(R"({"id":"b","n":1,"more":"x"})")), "1/0/0");
  const auto view = lander_->View("bronze", "orders");
  EXPECT_NE(view->tail.back()->GetColumnByName("more"), nullptr);
}

}  // namespace
}  // namespace sluice::ingest
