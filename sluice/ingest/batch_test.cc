#include <gtest/gtest.h>

#include <string>

#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/ingest_fixture.h"

namespace sluice::ingest {
namespace {

/// A topic whose rows go by the batch that they came in.
class BatchTest : public internal::IngestTest {
 protected:
  void MustRegisterMoves() {
    event::Contract contract = event::SchemalessContract("moves");
    contract.identity.by_batch = true;
    const auto topic = ingest_->Register(contract);
    ASSERT_TRUE(topic.ok()) << topic.error().ToString();
  }

  std::future<Result<Receipt>> Begin(const std::string& client, const std::string& batch,
                                     const std::string& body) {
    return Send(body, {.framing = decode::Framing::kNdjson,
                       .shape = decode::Shape::kContent,
                       .topic = "moves",
                       .client = client,
                       .batch_id = batch});
  }
  Result<Receipt> SendBatch(const std::string& client, const std::string& batch,
                            const std::string& body) {
    auto answer = Begin(client, batch, body);
    // A claim that nobody settles would have it wait for ever.
    if (answer.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
      return Internal("not answered");
    }
    return answer.get();
  }
};

constexpr const char* kTwo = "{\"x\":1}\n{\"x\":2}\n";
constexpr const char* kThree = "{\"x\":1}\n{\"x\":2}\n{\"x\":3}\n";

TEST_F(BatchTest, IsTakenOnceAndHasOneContent) {
  MustRegisterMoves();
  EXPECT_EQ(Counts(SendBatch("web", "1", kTwo)), "2/0/0");
  EXPECT_EQ(Counts(SendBatch("web", "1", kTwo)), "0/2/0");
  for (int i = 0; i < 3; ++i) {  // Of its third row each is the first that anybody hears of.
    const auto other = SendBatch("web", "1", kThree);
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().code(), ErrorCode::kConflict) << other.error().ToString();
  }
  EXPECT_EQ(OpenClaims(), 0);
  EXPECT_EQ(Counts(SendBatch("web", "1", kTwo)), "0/2/0");
  EXPECT_EQ(Counts(SendBatch("web", "2", kThree)), "3/0/0");
  EXPECT_EQ(TailRows("bronze", "moves"), 5);
}

TEST_F(BatchTest, IsItsClientsOwn) {
  MustRegisterMoves();
  EXPECT_EQ(Counts(SendBatch("a", "bc", kTwo)), "2/0/0");
  EXPECT_EQ(Counts(SendBatch("b", "bc", kTwo)), "2/0/0");
  EXPECT_EQ(Counts(SendBatch("ab", "c", kTwo)), "2/0/0") << "other words, the same letters";
  EXPECT_EQ(Counts(SendBatch("", "abc", kTwo)), "2/0/0");
  EXPECT_EQ(Counts(SendBatch("a", "bc", kTwo)), "0/2/0");
}

TEST_F(BatchTest, IsKnownByItsContentAfterARestart) {
  MustRegisterMoves();
  EXPECT_EQ(Counts(SendBatch("web", "1", kTwo)), "2/0/0");
  Restart();
  EXPECT_EQ(Counts(SendBatch("web", "1", kTwo)), "0/2/0") << "from the journal";
  EXPECT_EQ(SendBatch("web", "1", kThree).error().code(), ErrorCode::kConflict);
  ASSERT_TRUE(lander_->LandAll().ok());
  LoseJournal();
  EXPECT_EQ(Counts(SendBatch("web", "1", kTwo)), "0/2/0") << "from the table";
  EXPECT_EQ(SendBatch("web", "1", kThree).error().code(), ErrorCode::kConflict);
}

TEST_F(BatchTest, OfWhichARowWasCorrectedSinceIsTheSameBatch) {
  const auto with_fields = [&](const std::string& fields) {
    const auto contracts = event::CompileCapnp({{"m.capnp", fmt::format(R"(@0x9a41c6de07b35f21;
using Sl = import "sluice.capnp";
struct Move $Sl.event("moves") {{ n @0 :Int64;{} }}
)",
                                                                        fields)}},
                                               "m.capnp");
    ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
    event::Contract contract = contracts->front();
    contract.identity.by_batch = true;
    contract.unknown = event::UnknownFields::kError;
    const auto topic = ingest_->Register(contract);
    ASSERT_TRUE(topic.ok()) << topic.error().ToString();
  };
  with_fields("");
  const std::string body = "{\"n\":1}\n{\"n\":2,\"more\":\"x\"}\n";
  ASSERT_EQ(Counts(SendBatch("web", "1", body)), "1/0/1");
  const std::string id =
      ingest_->IdentitiesOf("moves", BatchRow{.client = "web", .batch_id = "1", .row = 1})->ids[0];
  Submission corrected{.shape = decode::Shape::kContent, .topic = "moves"};
  corrected.replaces = Submission::Replaced{.offset = 0, .id = id};
  ASSERT_EQ(Counts(Send(R"({"n":2})", corrected).get()), "1/0/0");
  with_fields(" more @1 :Text;");  // Now the row as it was would be good.
  EXPECT_EQ(Counts(SendBatch("web", "1", body)), "0/2/0");
  EXPECT_EQ(TailRows("bronze", "moves"), 2);
}

}  // namespace
}  // namespace sluice::ingest
