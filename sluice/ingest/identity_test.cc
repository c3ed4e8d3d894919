#include <gtest/gtest.h>

#include <string>

#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/ingest_fixture.h"

namespace sluice::ingest {
namespace {

/// What tells one event from another.
class IdentityTest : public internal::IngestTest {
 protected:
  void MustRegisterCounts(const std::string& type) {
    const auto contracts = event::CompileCapnp({{"c.capnp", fmt::format(R"(@0x9a41c6de07b35f20;
using Sl = import "sluice.capnp";
struct Count $Sl.event("counts") {{ id @0 :{} $Sl.id; n @1 :Int64; }}
)",
                                                                        type)}},
                                               "c.capnp");
    ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
    const auto topic = ingest_->Register(contracts->front());
    ASSERT_TRUE(topic.ok()) << topic.error().ToString();
  }
  Result<Receipt> SubmitCount(const std::string& body) {
    return Send(body, {.shape = decode::Shape::kContent, .topic = "counts"}).get();
  }
};

TEST_F(IdentityTest, AnIdAnEventIdAndASequenceAreThreeNames) {
  MustRegister();
  EXPECT_EQ(Counts(Submit(R"({"id":"7","n":1})")), "1/0/0");
  EXPECT_EQ(Counts(SubmitEnvelope(R"({"event":"orders","event_id":"7","content":{"n":2}})")),
            "1/0/0");
  EXPECT_EQ(
      Counts(SubmitEnvelope(R"({"event":"orders","producer":"7","sequence":7,"content":{"n":3}})")),
      "1/0/0");
  EXPECT_EQ(TailRows("bronze", "orders"), 3);
}

TEST_F(IdentityTest, IsOfOneTopic) {
  MustRegister();
  MustRegisterCounts("Text");
  EXPECT_EQ(Counts(Submit(R"({"id":"7","n":1})")), "1/0/0");
  EXPECT_EQ(Counts(SubmitCount(R"({"id":"7","n":2})")), "1/0/0");
}

TEST_F(IdentityTest, StaysWhenAFieldIsProtectedFromNowOn) {
  const auto register_with = [&](const std::string& rule) {
    const auto contracts = event::CompileCapnp({{"u.capnp", fmt::format(R"(@0x9a41c6de07b35f22;
using Sl = import "sluice.capnp";
struct User $Sl.event("users") {{ id @0 :Text $Sl.id; mail @1 :Text{}; }}
)",
                                                                        rule)}},
                                               "u.capnp");
    ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
    const auto topic = ingest_->Register(contracts->front());
    ASSERT_TRUE(topic.ok()) << topic.error().ToString();
  };
  const Submission users{.shape = decode::Shape::kContent, .topic = "users"};
  const std::string event = R"({"id":"7","mail":"a@b.example"})";
  register_with("");
  EXPECT_EQ(Counts(Send(event, users).get()), "1/0/0");
  register_with(" $Sl.pii(\"contact\") $Sl.hash(hmacSha256)");
  EXPECT_EQ(Counts(Send(event, users).get()), "0/1/0") << "its content is another one as stored";
}

}  // namespace
}  // namespace sluice::ingest
