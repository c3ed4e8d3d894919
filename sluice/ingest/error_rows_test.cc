#include <arrow/api.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/ingest_fixture.h"

namespace sluice::ingest {
namespace {

/// What opens an error, and what closes it.
class ErrorRowsTest : public internal::IngestTest {
 protected:
  /// `open SL3012`, `fixed 0` a row of system.errors that has not landed.
  std::vector<std::string> Rows() {
    std::vector<std::string> rows;
    const auto view = lander_->View("system", "errors");
    EXPECT_TRUE(view.ok());
    for (const auto& batch : view.ok() ? view->tail : std::vector<columnar::Batch>()) {
      for (int64_t i = 0; i < batch->num_rows(); ++i) {
        const auto text = [&](const char* column) {
          const auto array = batch->GetColumnByName(column);
          return array->IsNull(i) ? std::string() : (*array->GetScalar(i))->ToString();
        };
        rows.push_back(fmt::format("{} {}{}", text("state"), text("code"), text("error_offset")));
      }
    }
    return rows;
  }

  Result<Receipt> Replay(const std::string& body, journal::Offset error) {
    Submission submission{
        .framing = decode::Framing::kJson, .shape = decode::Shape::kContent, .topic = "orders"};
    submission.replaces.emplace().offset = error;
    return Send(body, submission).get();
  }

  using Lines = std::vector<std::string>;
};

TEST_F(ErrorRowsTest, AGoodRowClosesThoseOfItsIdentityOnce) {
  MustRegister();
  ASSERT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":\"x\"}\n{\"id\":\"a\",\"n\":\"y\"}\n")), "0/0/2");
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  const Lines closed = {"open SL3012", "open SL3012", "fixed 0", "fixed 1"};
  EXPECT_EQ(Rows(), closed);
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "0/1/0");
  clock_.Advance(std::chrono::hours(30));  // Its identity is forgotten.
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  EXPECT_EQ(Rows(), closed) << "what is closed is not closed again";
  Restart();
  clock_.Advance(std::chrono::hours(30));
  EXPECT_EQ(Counts(Submit(R"({"id":"a","n":2})")), "1/0/0");
  EXPECT_EQ(Rows(), closed);
}

TEST_F(ErrorRowsTest, AnErrorOfOtherContentIsAnOperatorsAffair) {
  MustRegister();
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":2})")), "0/0/1");
  for (const bool restart : {false, true}) {
    if (restart) Restart();
    clock_.Advance(std::chrono::hours(30));
    EXPECT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
    EXPECT_EQ(Rows(), Lines{"open SL3040"});
  }
}

TEST_F(ErrorRowsTest, WhatIsResolvedIsNotClosedAgain) {
  MustRegister();
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":"x"})")), "0/0/1");
  ASSERT_TRUE(ingest_->ResolveErrors({0}, "dropped").ok());
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  const Lines dropped = {"open SL3012", "dropped 0"};
  EXPECT_EQ(Rows(), dropped);
}

TEST_F(ErrorRowsTest, AReplayClosesItsErrorWhateverBecomesOfIt) {
  MustRegister();
  ASSERT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":\"x\"}\n{\"n\":\"y\"}\n")), "0/0/2");
  EXPECT_EQ(Counts(Replay(R"({"id":"a","n":"still"})", 0)), "0/0/1");
  Lines rows = {"open SL3012", "open SL3012", "open SL3012", "fixed 0"};
  EXPECT_EQ(Rows(), rows) << "there is one open error of the event, not two";
  EXPECT_EQ(Counts(Replay(R"({"id":"a","n":1})", 2)), "1/0/0");
  EXPECT_EQ(Counts(Replay(R"({"n":2})", 1)), "1/0/0");
  EXPECT_EQ(Counts(Replay(R"({"n":2})", 1)), "0/1/0") << "without an identity it goes by its error";
  EXPECT_EQ(Replay("[{\"n\":2},{\"n\":3}]", 1).error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(TailRows("bronze", "orders"), 2);
}

TEST_F(ErrorRowsTest, AreRestoredFromTableAndJournal) {
  MustRegister();
  ASSERT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":\"x\"}\n{\"id\":\"b\",\"n\":\"x\"}\n")), "0/0/2");
  ASSERT_TRUE(lander_->LandAll().ok());
  ASSERT_EQ(Counts(Submit(R"({"id":"c","n":"x"})")), "0/0/1");
  ASSERT_EQ(Counts(Submit(R"({"id":"a","n":1})")), "1/0/0");
  Restart();
  ASSERT_EQ(Counts(Submit("{\"id\":\"b\",\"n\":1}\n{\"id\":\"c\",\"n\":1}\n")), "2/0/0");
  const Lines rows = {"open SL3012", "fixed 0", "fixed 1", "fixed 2"};
  EXPECT_EQ(Rows(), rows);
}

TEST_F(ErrorRowsTest, AreCountedWithTheirTopicOnceWhateverWasLanded) {
  MustRegister();
  const uint32_t partition = catalog_->Find("orders")->partition;
  const auto errors = [&] {
    int64_t count = 0;
    const auto ledger = lander_->Ledger(partition);
    EXPECT_TRUE(ledger.ok());
    for (const auto& entry : *ledger) count += entry.error;
    return count;
  };
  ASSERT_EQ(Counts(Submit("{\"id\":\"a\",\"n\":\"x\"}\n{\"id\":\"b\",\"n\":\"x\"}\n")), "0/0/2");
  EXPECT_EQ(errors(), 2);
  ASSERT_TRUE(lander_->LandAll().ok());
  ASSERT_EQ(Counts(Submit(R"({"id":"c","n":"x"})")), "0/0/1");
  for (int start = 0; start < 2; ++start) {
    EXPECT_EQ(errors(), 3) << start;
    Restart();  // The journal still has what the table has.
  }
}

TEST_F(ErrorRowsTest, WhatCannotBeProtectedIsAnErrorAndNothingElse) {
  const auto contracts = event::CompileCapnp({{"u.capnp", R"(@0x9a41c6de07b35f22;
using Sl = import "sluice.capnp";
struct User $Sl.event("users") { id @0 :Text; mail @1 :Text; }
)"}},
                                             "u.capnp");
  ASSERT_TRUE(contracts.ok());
  event::Contract contract = contracts->front();
  contract.fields[0].subject = true;
  contract.fields[1].privacy = *event::ParsePrivacyRule("encrypt");
  ASSERT_TRUE(ingest_->Register(contract).ok());
  const Submission users{
      .framing = decode::Framing::kNdjson, .shape = decode::Shape::kContent, .topic = "users"};
  EXPECT_EQ(Counts(Send("{\"id\":\"7\",\"mail\":\"a@b\"}\n{\"mail\":\"c@d\"}\n", users).get()),
            "1/0/1");
  EXPECT_EQ(TailRows("bronze", "users"), 1);
}

}  // namespace
}  // namespace sluice::ingest
