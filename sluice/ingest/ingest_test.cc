#include "sluice/ingest/ingest.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <future>
#include <set>

#include "sluice/ingest/internal/ingest_fixture.h"

namespace sluice::ingest {
namespace {

using decode::Framing;
using decode::Shape;
using internal::IngestTest;
using store::StoreCall;

TEST_F(IngestTest, TriesWhatWouldBecomeOfAnEventAndKeepsNothing) {
  MustRegister();
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  Ingest::Tried tried;
  const auto attempt = [&](std::string body) {
    const decode::PaddedText padded(std::move(body));
    return Counts(ingest_->Try({.body = padded.view(),
                                .framing = Framing::kJson,
                                .shape = Shape::kContent,
                                .topic = "orders"},
                               tried));
  };
  EXPECT_EQ(attempt(R"({"id":"a","n":1})"), "0/1/0");
  EXPECT_EQ(attempt(R"({"id":"a","n":2})"), "0/0/1") << "the same identity with other content";
  EXPECT_EQ(attempt(R"({"id":"b","n":"x"})"), "0/0/1");
  EXPECT_EQ(attempt(R"({"id":"b","n":1})"), "1/0/0");
  EXPECT_EQ(attempt(R"({"id":"b","n":1})"), "0/1/0") << "after the one that was tried before";
  EXPECT_EQ(attempt(R"({"id":"b","n":3})"), "0/0/1");
  EXPECT_TRUE(attempt("{broken").ends_with("(invalid)"));
  EXPECT_EQ(TailRows("bronze", "orders"), 1);
  EXPECT_EQ(TailRows("system", "errors"), 0);
  EXPECT_EQ(Counts(Submit(R"({"id":"b","n":3})")), "1/0/0") << "nothing was claimed";
}

TEST_F(IngestTest, KeepsNoMoreOfWhatDoesNotFitThanItsSendersQuota) {
  options_.error_bytes_a_day = 1'000;
  Restart();
  MustRegister();
  const auto send = [&](const std::string& sender, const std::string& body) {
    return Send(body, {.framing = Framing::kNdjson,
                       .shape = Shape::kContent,
                       .topic = "orders",
                       .sender = sender})
        .get();
  };
  const std::string bad = R"({"id":"b","n":")" + std::string(400, 'x') + "\"}\n";
  auto receipt = send("a", bad);
  EXPECT_EQ(Counts(receipt), "0/0/1");
  EXPECT_EQ(receipt->events_not_kept, 0);
  receipt = send("a", R"({"id":"a","n":1})"
                      "\n" +
                          bad);
  EXPECT_EQ(Counts(receipt), "1/0/1") << "its row is kept, and what is good";
  EXPECT_EQ(receipt->events_not_kept, 1);
  EXPECT_EQ(send("b", bad)->events_not_kept, 0) << "another sender";
  while (receipt.ok()) receipt = send("a", bad);
  EXPECT_EQ(receipt.error().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(receipt.error().message().starts_with("SL4291: ")) << receipt.error().message();
  EXPECT_FALSE(send("a", R"({"id":"c","n":1})"
                         "\n" +
                             bad)
                   .ok());
  EXPECT_EQ(Counts(send("a", R"({"id":"c","n":1})")), "1/0/0") << "what is good is taken, and new";
  const int64_t rows = TailRows("system", "errors");
  clock_.Advance(std::chrono::hours(24));
  EXPECT_EQ(send("a", bad)->events_not_kept, 1) << "half full";
  clock_.Advance(std::chrono::hours(24));
  EXPECT_EQ(send("a", bad)->events_not_kept, 0);
  EXPECT_EQ(TailRows("system", "errors"), rows + 2);
}

TEST_F(IngestTest, AnswersRowByRowAndKeepsBadOnesSealed) {
  MustRegister();
  const auto receipt = Submit(R"({"id":"a","n":1}
{"id":"b","n":"secret word"}
{"id":"c","n":3}
nonsense
)");
  EXPECT_EQ(Counts(receipt), "2/0/2");
  ASSERT_EQ(receipt->offsets.size(), 1u);
  EXPECT_EQ(receipt->offsets[0].topic, "orders");
  EXPECT_EQ(receipt->offsets[0].first, 0);
  EXPECT_EQ(receipt->offsets[0].last, 1);
  ASSERT_EQ(receipt->errors.size(), 2u);
  EXPECT_EQ(receipt->errors[0].row, 1);
  EXPECT_EQ(receipt->errors[0].code, decode::codes::kWrongType);
  EXPECT_EQ(receipt->errors[0].path, "n");
  EXPECT_EQ(receipt->errors[1].row, 3);
  EXPECT_EQ(receipt->errors[1].code, decode::codes::kSyntax);
  EXPECT_TRUE(receipt->durable);

  EXPECT_EQ(TailRows("bronze", "orders"), 2) << "what is acknowledged is seen";
  const auto errors = lander_->View("system", "errors");
  ASSERT_EQ(errors->tail_rows, 2);
  const auto payloads = std::static_pointer_cast<arrow::BinaryArray>(
      errors->tail.front()->GetColumnByName("payload"));
  EXPECT_EQ(std::string(payloads->GetView(0)).find("secret"), std::string::npos);
  EXPECT_EQ(*ingest_->OpenPayload(payloads->GetView(0)), R"({"id":"b","n":"secret word"})");
}

TEST_F(IngestTest, TheSameIdentityIsADuplicateOnlyWithTheSameContent) {
  MustRegister();
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "0/1/0");
  const auto other = Submit(R"({"id":"a","n":2})");
  EXPECT_EQ(Counts(other), "0/0/1");
  EXPECT_EQ(other->errors.at(0).code, "SL3040");
  EXPECT_EQ(
      Counts(Submit("{\"id\":\"b\",\"n\":1}\n{\"id\":\"b\",\"n\":1}\n{\"id\":\"b\",\"n\":2}")),
      "1/1/1")
      << "within one body, too";
  EXPECT_EQ(TailRows("bronze", "orders"), 2);
}

TEST_F(IngestTest, AClockThatJumpsForgetsNoIdentity) {
  constexpr std::chrono::hours kYears{24 * 3650};
  MustRegister();
  const auto set = [&](std::chrono::microseconds by) { clock_.SetWall(clock_.Now() + by); };
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  for (const auto by : {kYears, -kYears, -kYears, kYears}) {
    set(by);
    EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "0/1/0");
    clock_.Advance(std::chrono::hours(1));
  }
  clock_.Advance(std::chrono::hours(30));
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0") << "at its time";
}

TEST_F(IngestTest, AStartWithAClockThatJumpedKnowsAllIdentities) {
  constexpr std::chrono::hours kYears{24 * 3650};
  RestartWithClock({});
  MustRegister();
  std::string body;
  int sent = 0;
  for (const auto by : {std::chrono::hours(0), kYears, -kYears, -kYears, kYears}) {
    if (by.count() != 0) RestartWithClock(by);
    // In the table and in the journal.
    const std::string landed = fmt::format("{{\"id\":\"{}\",\"n\":1}}\n", ++sent);
    EXPECT_EQ(Counts(Submit(landed)), "1/0/0");
    ASSERT_TRUE(lander_->LandAll().ok());
    const std::string pending = fmt::format("{{\"id\":\"{}\",\"n\":1}}\n", ++sent);
    EXPECT_EQ(Counts(Submit(pending)), "1/0/0");
    body += landed + pending;
    EXPECT_EQ(Counts(Submit(body)), fmt::format("0/{}/0", sent)) << "after " << by.count();
  }
  ASSERT_TRUE(lander_->LandAll().ok());
  journal_folder_ = "journal-2";  // So that the table alone has them.
  RestartWithClock({});
  EXPECT_EQ(Counts(Submit(body)), fmt::format("0/{}/0", sent));
  for (int id = 1; id <= sent; ++id) {
    const auto identities = ingest_->IdentitiesOf("orders", EventId{std::to_string(id)})->ids;
    const auto slice = ingest_->ReceivedWithin("orders", identities);
    ASSERT_TRUE(slice) << id;
    EXPECT_GE(slice->last, slice->first);
  }
}

TEST_F(IngestTest, WhatComesFirstUnderAClockYearsBehindIsKnownOnceItIsRight) {
  constexpr std::chrono::hours kYears{24 * 3650};
  RestartWithClock({});
  const os::Timestamp right = clock_.Now();
  RestartWithClock(-kYears);
  MustRegister();
  std::string body = "{\"id\":\"a\",\"n\":1}\n";
  EXPECT_EQ(Counts(Submit(body)), "1/0/0");
  ASSERT_TRUE(lander_->LandAll().ok());
  body += "{\"id\":\"b\",\"n\":1}\n";
  EXPECT_EQ(Counts(Submit(body)), "1/1/0");
  const auto slice =
      ingest_->ReceivedWithin("orders", ingest_->IdentitiesOf("orders", EventId{"a"})->ids);
  ASSERT_TRUE(slice);
  EXPECT_GE(slice->first, right - std::chrono::hours(1)) << "as the journal says";
  RestartWithClock(kYears);
  EXPECT_EQ(Counts(Submit(body)), "0/2/0");
}

TEST_F(IngestTest, AClockYearsBehindTakesEventsOfTodayAndSealsForToday) {
  RestartWithClock({});
  const int32_t today = privacy::DayOf(clock_.Now());
  MustRegister("at @2 :Text $Sl.eventTime;");
  RestartWithClock(-std::chrono::hours(24 * 3650));
  const auto receipt =
      Submit("{\"id\":\"a\",\"at\":\"2024-10-04T00:00:00Z\"}\n{\"id\":\"b\",\"n\":\"no number\"}");
  EXPECT_EQ(Counts(receipt), "1/0/1") << receipt->errors.at(0).message;
  // Else keys that are kept for a month are destroyed a day later.
  ASSERT_TRUE(keys_->DestroySealingKeysBefore(today - 1).ok());
  const auto errors = lander_->View("system", "errors");
  ASSERT_EQ(errors->tail_rows, 1);
  const auto payloads = std::static_pointer_cast<arrow::BinaryArray>(
      errors->tail.front()->GetColumnByName("payload"));
  EXPECT_TRUE(ingest_->OpenPayload(payloads->GetView(0)).ok());
}

TEST_F(IngestTest, RowsWithoutAnIdentityAreKeptAtLeastOnceAndTheAnswerSaysSo) {
  MustRegister();
  const auto receipt = Submit("{\"n\":1}\n{\"n\":1}\n{\"id\":\"a\",\"n\":1}\n");
  EXPECT_EQ(Counts(receipt), "3/0/0");
  EXPECT_EQ(receipt->without_identity, 2);
}

TEST_F(IngestTest, TheEnvelopeNamesTopicAndIdentity) {
  MustRegister();
  const auto event = [](std::string_view members) {
    return fmt::format(R"({{"event":"orders",{},"content":{{"n":5}}}})", members);
  };
  const std::string by_sequence = event(R"("producer":"till","epoch":1,"sequence":7)");
  EXPECT_EQ(Counts(SubmitEnvelope(by_sequence)), "1/0/0");
  EXPECT_EQ(Counts(SubmitEnvelope(by_sequence)), "0/1/0");
  EXPECT_EQ(Counts(SubmitEnvelope(event(R"("producer":"till","epoch":2,"sequence":7)"))), "1/0/0");
  EXPECT_EQ(Counts(SubmitEnvelope(event(R"("producer":"till","epoch":1,"sequence":3)"))), "1/0/0")
      << "membership decides, not order";
  EXPECT_EQ(Counts(SubmitEnvelope(event(R"("event_id":"e1")"))), "1/0/0");
  EXPECT_EQ(Counts(SubmitEnvelope(event(R"("event_id":"e1")"))), "0/1/0");
  const auto unknown = SubmitEnvelope(R"({"event":"nothing","content":{}})");
  EXPECT_EQ(Counts(unknown), "0/0/1");
  EXPECT_EQ(unknown->errors.at(0).code, decode::codes::kUnknownTopic);
  EXPECT_EQ(Counts(SubmitEnvelope(R"({"event":"system.errors","content":{}})")), "0/0/1")
      << "nobody writes error rows from outside";
}

TEST_F(IngestTest, EachWayToNameAnEventFindsWhatItIsKnownBy) {
  MustRegister();
  const auto known = [&](std::string_view topic, const EventName& name) {
    const auto identities = ingest_->IdentitiesOf(topic, name);
    return identities.ok() && ingest_->ReceivedWithin(topic, identities->ids).has_value();
  };
  ASSERT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":1}\n")), "1/0/0");
  ASSERT_EQ(Counts(SubmitEnvelope(R"([{"event":"orders","event_id":"e1","content":{"n":5}},
      {"event":"orders","producer":"till","epoch":2,"sequence":7,"content":{"n":5}},
      {"event":"orders","producer":"till","sequence":8,"content":{"n":5}}])")),
            "3/0/0");
  EXPECT_TRUE(known("orders", EventId{"a"}));
  EXPECT_TRUE(known("orders", EventId{"e1"}));
  EXPECT_FALSE(known("orders", EventId{"till"}));
  EXPECT_TRUE(known("orders", ProducerSequence{.producer = "till", .epoch = 2, .sequence = 7}));
  EXPECT_FALSE(known("orders", ProducerSequence{.producer = "till", .epoch = 1, .sequence = 7}));
  EXPECT_TRUE(known("orders", ProducerSequence{.producer = "till", .sequence = 8}));
  EXPECT_EQ(ingest_->IdentitiesOf("orders", EventId{"b"})->unless,
            "that is its event_id, and it goes by its field 'id'");
  EXPECT_EQ(ingest_->IdentitiesOf("orders", ProducerSequence{.producer = "p"})->unless,
            "it goes by its field 'id' or event_id, which it has");
  EXPECT_EQ(ingest_->IdentitiesOf("orders", BatchRow{.batch_id = "b"})->instead,
            "events of topic 'orders' go by their field 'id' or event_id, else by producer and "
            "sequence (and epoch): ask for them by these");
  EXPECT_EQ(ingest_->IdentitiesOf("none", EventId{"a"}).error().code(), ErrorCode::kNotFound);

  event::Contract contract = event::SchemalessContract("moves");
  contract.identity.by_batch = true;
  ASSERT_TRUE(ingest_->Register(contract).ok());
  ASSERT_EQ(Counts(Send("{\"id\":\"a\"}\n{\"id\":\"b\"}\n", {.framing = Framing::kNdjson,
                                                             .shape = Shape::kContent,
                                                             .topic = "moves",
                                                             .client = "web",
                                                             .batch_id = "b1"})
                       .get()),
            "2/0/0");
  EXPECT_TRUE(known("moves", BatchRow{.client = "web", .batch_id = "b1", .row = 1}));
  EXPECT_FALSE(known("moves", BatchRow{.client = "web", .batch_id = "b1", .row = 2}));
  EXPECT_FALSE(known("moves", BatchRow{.client = "", .batch_id = "b1", .row = 1}));
  EXPECT_FALSE(known("moves", EventId{"a"}));
  EXPECT_EQ(ingest_->IdentitiesOf("moves", EventId{"a"})->instead,
            "rows of topic 'moves' that came in a batch go by it alone: ask for them by batch_id "
            "and row, and by client if the request named one");
  EXPECT_EQ(ingest_->IdentitiesOf("moves", BatchRow{.batch_id = "b"})->instead, "");
}

TEST_F(IngestTest, ASchemaThatMakesOneTopicTooManyIsRefused) {
  options_.topics_max = 2;
  Restart();
  MustRegister();
  ASSERT_TRUE(ingest_->Register(event::SchemalessContract("moves")).ok());
  const auto refused = ingest_->Register(event::SchemalessContract("more"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().ToString(),
            "SL4221: there are 2 topics and would be 1 more, but limits.topics is 2: delete some "
            "(`sluice topic delete`), or raise the limit (unsupported)");
  EXPECT_FALSE(catalog_->Find("more").has_value());
  ASSERT_TRUE(ingest_->Remove("moves").ok());
  const std::vector<event::Contract> two = {event::SchemalessContract("moves"),
                                            event::SchemalessContract("more")};
  EXPECT_EQ(ingest_->RegisterAll(two).error().code(), ErrorCode::kUnsupported);
  ASSERT_TRUE(ingest_->Register(event::SchemalessContract("moves")).ok());
  MustRegister("more @2 :Text;");  // The next version of one that is there.
  ASSERT_TRUE(ingest_->Remove("moves").ok());
  EXPECT_TRUE(ingest_->Register(event::SchemalessContract("more")).ok());
  options_.topics_max = 1;
  Restart();
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0") << "what is there stays";
  EXPECT_TRUE(ingest_->Register(event::SchemalessContract("more")).ok());
  EXPECT_FALSE(ingest_->Register(event::SchemalessContract("other")).ok());
}

TEST_F(IngestTest, ManyTopicsAreRegisteredTogetherOrNotAtAll) {
  MustRegister();
  std::vector<event::Contract> contracts;
  for (int i = 0; i < 40; ++i) {
    contracts.push_back(event::SchemalessContract(fmt::format("moves.t{}", i)));
  }
  const uint64_t before = disk_.calls();
  const auto topics = ingest_->RegisterAll(contracts);
  ASSERT_TRUE(topics.ok()) << topics.error().ToString();
  EXPECT_LT(disk_.calls() - before, 40u) << "a write for each topic, or more";
  contracts.push_back(event::SchemalessContract("moves-t0"));  // Would share a table.
  contracts.push_back(event::SchemalessContract("other"));
  EXPECT_EQ(ingest_->RegisterAll(contracts).error().code(), ErrorCode::kConflict);
  EXPECT_FALSE(catalog_->Find("other").has_value());
  Restart();
  for (const char* const topic : {"moves.t0", "moves.t39"}) {
    EXPECT_EQ(Counts(SubmitEnvelope(fmt::format(R"({{"topic":"{}","id":"a","data":1}})", topic))),
              "1/0/0");
  }
}

TEST_F(IngestTest, ABodyThatCannotBeFramedLeavesNothing) {
  MustRegister();
  const auto refused = SubmitEnvelope(R"([{"event":"orders","content":{"n":1}},)");
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(TailRows("bronze", "orders"), 0);
  EXPECT_EQ(TailRows("system", "errors"), 0);
}

TEST_F(IngestTest, RemembersIdentitiesFromTheJournalAfterARestart) {
  MustRegister();
  ASSERT_TRUE(Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":2}\n{\"id\":1}\n").ok());
  Restart();
  EXPECT_EQ(TailRows("bronze", "orders"), 2);
  EXPECT_EQ(TailRows("system", "errors"), 1);
  const auto receipt = Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":3}\n{\"id\":\"c\"}\n");
  EXPECT_EQ(Counts(receipt), "1/1/1");
  EXPECT_EQ(receipt->offsets.at(0).first, 2);
}

TEST_F(IngestTest, RemembersIdentitiesFromTheTableWhenTheJournalIsLost) {
  MustRegister();
  ASSERT_TRUE(Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":2}\n").ok());
  ASSERT_TRUE(lander_->LandAll().ok());
  Stop();
  const auto files = *disk_.List("journal");
  for (const std::string& name : files) ASSERT_TRUE(disk_.Remove("journal/" + name).ok());
  Start();
  ASSERT_TRUE(lander_->Adopt("orders").ok());
  const auto receipt = Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":3}\n{\"id\":\"c\"}\n");
  EXPECT_EQ(Counts(receipt), "1/1/1");
  EXPECT_EQ(receipt->offsets.at(0).first, 2) << "offsets are never used again";
}

TEST_F(IngestTest, ADuplicateStaysOneWhenTheContractGetsAField) {
  MustRegister();
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  MustRegister("more @2 :Text;");
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "0/1/0");
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1,"more":"x"})")), "0/0/1");
  Restart();
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "0/1/0") << "from the journal";
}

TEST_F(IngestTest, FilesFromBeforeAFieldWasAddedStillTellDuplicates) {
  MustRegister();
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  ASSERT_TRUE(lander_->LandAll().ok());
  MustRegister("more @2 :Text;");
  Stop();
  const auto files = *disk_.List("journal");
  for (const std::string& name : files) ASSERT_TRUE(disk_.Remove("journal/" + name).ok());
  Start();
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "0/1/0");
}

TEST_F(IngestTest, AContractIsKnownAgainAfterARestart) {
  MustRegister("more @2 :Text;");
  Restart();
  ASSERT_EQ(ingest_->Topics().size(), 2u) << "and that of errors";
  EXPECT_EQ(Counts(Submit(R"({"id":"a","more":"x"})")), "1/0/0");
}

TEST_F(IngestTest, AFullQueueRefusesAndForgetsTheIdentities) {
  queue_bytes_max_ = 4000;
  Restart();
  MustRegister();
  std::string body;
  for (int i = 0; i < 500; ++i) body += fmt::format("{{\"id\":\"k{}\",\"n\":{}}}\n", i, i);
  const auto other = [](size_t bytes) {
    return std::vector<journal::NewFrame>{
        {.partition = 99, .rows = 1, .payload = std::string(bytes, 'x')}};
  };
  std::promise<std::future<Result<Receipt>>> sent;
  std::promise<void> emptied;
  journal_->Append(other(1), [&](const auto&) {
    // The journal's thread is here, so that what waits behind it stays in the queue.
    journal_->Append(other(3000), [&](const auto&) { emptied.set_value(); });
    sent.set_value(Send(body, {.framing = Framing::kNdjson,
                               .shape = Shape::kContent,
                               .topic = "orders",
                               .wait = WaitLevel::kLog}));
  });
  const auto refused = sent.get_future().get().get();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(TailRows("bronze", "orders"), 0);
  emptied.get_future().get();
  EXPECT_EQ(Counts(Submit(R"({"id":"k1","n":99})")), "1/0/0");
}

TEST_F(IngestTest, AFullDiskRefusesAndForgetsTheIdentities) {
  MustRegister();
  disk_.SetCapacity(0);
  disk_.Fail(os::DiskCall::kWrite);
  EXPECT_EQ(Submit(R"({"id":"a","n":1})").error().code(), ErrorCode::kUnavailable);
  disk_.SetCapacity(UINT64_MAX);
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":2})")), "1/0/0");
}

TEST_F(IngestTest, WaitNoneIsAnsweredWithoutAPromise) {
  MustRegister();
  const auto receipt = Submit(R"({"id":"a","n":1})", WaitLevel::kNone);
  EXPECT_EQ(Counts(receipt), "1/0/0");
  EXPECT_FALSE(receipt->durable);
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "0/1/0") << "it came all the same";
}

TEST_F(IngestTest, WaitTableIsAnsweredFromTheTable) {
  MustRegister();
  lander_->Start([](uint32_t, journal::Offset) {});
  const auto receipt = Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\"}\n", WaitLevel::kTable);
  EXPECT_EQ(Counts(receipt), "2/0/0");
  EXPECT_TRUE(receipt->landed);
  EXPECT_EQ(TailRows("bronze", "orders"), 0);
  ASSERT_TRUE(lander_->Stop().ok());
}

TEST_F(IngestTest, WaitTableSaysWhenItTookTooLong) {
  options_.table_wait_max = std::chrono::microseconds(0);
  Restart();
  MustRegister();
  store_.Add({.call = StoreCall::kPut, .path_part = ".parquet"});
  lander_->Start([](uint32_t, journal::Offset) {});
  const auto receipt = Submit(R"({"id":"a","n":1})", WaitLevel::kTable);
  EXPECT_TRUE(receipt.ok() && !receipt->landed);
  ASSERT_TRUE(lander_->Stop().ok());
}

TEST_F(IngestTest, ATopicWhoseTableStoppedIsHeldBackAlone) {
  MustRegister();
  ASSERT_TRUE(Submit(R"({"id":"a","n":1})").ok());
  ASSERT_TRUE(lander_->LandAll().ok());
  Stop();
  journal_folder_ = "journal-2";  // Its offsets are not those that the table tells of.
  land_options_.tail_bytes_max = 20'000;
  Start();
  const auto contracts = event::CompileCapnp({{"c.capnp", R"(@0x9a41c6de07b35f19;
using Sl = import "sluice.capnp";
struct Click $Sl.event("clicks") { id @0 :Text $Sl.id; }
)"}},
                                             "c.capnp");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  ASSERT_TRUE(ingest_->Register(contracts->front()).ok());
  std::string body;
  for (int i = 0; i < 200; ++i) body += fmt::format(R"({{"id":"b{}","n":{}}})", i, i) + "\n";
  ASSERT_EQ(Counts(Submit(body)), "200/0/0") << "it is taken while there is room";
  const auto refused = Submit(R"({"id":"c","n":1})");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(refused.error().message().find("sluice table adopt orders"), std::string::npos)
      << refused.error().message();
  const Submission clicks{.framing = Framing::kNdjson, .shape = Shape::kContent, .topic = "clicks"};
  EXPECT_EQ(Counts(Send(R"({"id":"d"})", clicks).get()), "1/0/0");
  ASSERT_TRUE(lander_->Adopt("orders").ok());
  EXPECT_EQ(Counts(Submit(R"({"id":"c","n":1})")), "1/0/0");
}

TEST_F(IngestTest, ATopicWhoseIdentitiesCannotBeReadTakesNoEvents) {
  MustRegister();
  ASSERT_TRUE(Submit(R"({"id":"a","n":1})").ok());
  ASSERT_TRUE(lander_->LandAll().ok());
  Stop();
  std::string file;
  const auto objects = *memory_.List("default/bronze/orders/");
  for (const store::ObjectInfo& object : objects) {
    if (object.path.ends_with(".parquet")) file = object.path;
  }
  const std::string bytes = *memory_.Get(file);
  std::string damaged = bytes;
  for (size_t i = 4; i < bytes.size() / 2; i += 16) damaged[i] ^= 1;
  ASSERT_TRUE(memory_.Put(file, damaged).ok());
  Start();
  const auto refused = Submit(R"({"id":"b","n":1})");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(refused.error().message().find(file), std::string::npos) << refused.error().message();
  EXPECT_NE(metrics_.Render().find("sluice_topic_stopped{topic=\"orders\"} 1"), std::string::npos);
  const Submission others{.framing = Framing::kNdjson, .shape = Shape::kContent, .topic = "clicks"};
  const auto contracts = event::CompileCapnp({{"c.capnp", R"(@0x9a41c6de07b35f19;
using Sl = import "sluice.capnp";
struct Click $Sl.event("clicks") { id @0 :Text $Sl.id; }
)"}},
                                             "c.capnp");
  ASSERT_TRUE(ingest_->Register(contracts->front()).ok());
  EXPECT_EQ(Counts(Send(R"({"id":"d"})", others).get()), "1/0/0");

  ASSERT_TRUE(memory_.Put(file, bytes).ok());
  Restart();
  EXPECT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":1}\n")), "1/1/0");
}

TEST_F(IngestTest, ResolvingAnErrorAddsARowThatClosesIt) {
  MustRegister();
  ASSERT_TRUE(Submit(R"({"id":1})").ok());
  ASSERT_TRUE(ingest_->ResolveErrors({0}, "dropped").ok());
  const auto errors = lander_->View("system", "errors");
  ASSERT_EQ(errors->tail_rows, 2);
  const auto last = errors->tail.back();
  EXPECT_EQ((*last->GetColumnByName("state")->GetScalar(last->num_rows() - 1))->ToString(),
            "dropped");
  EXPECT_EQ((*last->GetColumnByName("error_offset")->GetScalar(last->num_rows() - 1))->ToString(),
            "0");
}

TEST_F(IngestTest, ManySendersOfTheSameRowsMakeEachOnce) {
  MustRegister();
  constexpr int kRows = 200;
  std::vector<std::future<Result<Receipt>>> answers;
  for (int sender = 0; sender < 4; ++sender) {
    for (int i = 0; i < kRows; ++i) {
      answers.push_back(Send(fmt::format(R"({{"id":"k{}","n":{}}})", i, i),
                             {.shape = Shape::kContent, .topic = "orders"}));
    }
  }
  int64_t accepted = 0;
  int64_t duplicate = 0;
  for (auto& answer : answers) {
    const auto receipt = answer.get();
    ASSERT_TRUE(receipt.ok());
    accepted += receipt->accepted;
    duplicate += receipt->duplicate;
  }
  EXPECT_EQ(accepted, kRows);
  EXPECT_EQ(duplicate, 3 * kRows);
  EXPECT_EQ(TailRows("bronze", "orders"), kRows);
}

}  // namespace
}  // namespace sluice::ingest
