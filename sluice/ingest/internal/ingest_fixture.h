#pragma once
/// \file
/// For tests: the whole way of an event, but for HTTP and SQL.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/decode/padded_text.h"
#include "sluice/ingest/ingest.h"
#include "sluice/os/simulated_disk.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/memory_store.h"

namespace sluice::ingest::internal {

/// Makes, stops and starts all that an event passes.
class IngestTest : public testing::Test {
 protected:
  IngestTest() { Start(); }
  ~IngestTest() override { Stop(); }

  void Start() {
    keys_ = *privacy::Keys::LoadOrMake(disk_, "keys", random_);
    journal::Options options{
        .folder = journal_folder_, .segment_bytes = 64 << 10, .free_bytes_min = 0};
    options.queue_bytes_max = queue_bytes_max_;
    options.expiry = options_.expiry;
    journal_ = *journal::Journal::Open(options, disk_, clock_, random_, threads_);
    catalog_ = *catalog::Catalog::Open(disk_, "control");
    lander_ = std::make_unique<land::Lander>(land_options_, store_, clock_, random_, threads_,
                                             metrics_, journal_->uuid());
    ingest_ = std::make_unique<Ingest>(options_, *journal_, *lander_, *catalog_, store_, *keys_,
                                       clock_, random_, threads_, metrics_);
    const Status recovered = ingest_->Recover();
    ASSERT_TRUE(recovered.ok()) << recovered.error().ToString();
  }

  void Stop() {
    if (journal_) journal_->Stop();
    EXPECT_EQ(OpenClaims(), 0) << "of requests that have all been answered";
    ingest_.reset();
    lander_.reset();
    journal_.reset();
    catalog_.reset();
  }

  /// An orderly stop without a landing, and a start.
  void Restart() {
    Stop();
    Start();
  }

  /// The same, after the clock was set, with an expiry clock of the disk.
  void RestartWithClock(std::chrono::microseconds by) {
    Stop();
    clock_.SetWall(clock_.Now() + by);
    clock_.Advance(std::chrono::minutes(5));
    expiry_.emplace(clock_);
    ASSERT_TRUE(expiry_->Open(disk_, "clock").ok());
    ASSERT_TRUE(expiry_->Keep().ok());
    options_.expiry = &*expiry_;
    land_options_.expiry = &*expiry_;
    Start();
  }

  void MustRegister(const std::string& more_fields = {}) {
    const auto contracts = event::CompileCapnp({{"o.capnp", R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Order $Sl.event("orders") { id @0 :Text $Sl.id; n @1 :Int64; )" +
                                                                more_fields + "}\n"}},
                                               "o.capnp");
    ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
    event::Contract contract = contracts->front();
    contract.identity.by_producer = true;
    const auto topic = ingest_->Register(contract);
    ASSERT_TRUE(topic.ok()) << topic.error().ToString();
  }

  std::future<Result<Receipt>> Send(std::string body, Submission submission) {
    auto promise = std::make_shared<std::promise<Result<Receipt>>>();
    const decode::PaddedText padded(std::move(body));
    submission.body = padded.view();
    ingest_->Submit(submission, [promise](Result<Receipt> r) { promise->set_value(std::move(r)); });
    return promise->get_future();
  }

  Result<Receipt> Submit(const std::string& body, WaitLevel wait = WaitLevel::kLog) {
    return Send(body, {.framing = decode::Framing::kNdjson,
                       .shape = decode::Shape::kContent,
                       .topic = "orders",
                       .wait = wait})
        .get();
  }
  Result<Receipt> SubmitEnvelope(const std::string& body) {
    return Send(body, {.framing = decode::Framing::kJson}).get();
  }

  /// `accepted/duplicate/error` of a body that was taken.
  std::string Counts(const Result<Receipt>& receipt) {
    if (!receipt.ok()) return receipt.error().ToString();
    EXPECT_EQ(receipt->received, receipt->accepted + receipt->duplicate + receipt->error);
    return fmt::format("{}/{}/{}", receipt->accepted, receipt->duplicate, receipt->error);
  }

  /// Of all topics.
  int64_t OpenClaims() const {
    int64_t open = 0;
    std::istringstream lines(metrics_.Render());
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("sluice_dedupe_open_claims{")) continue;
      open += std::stoll(line.substr(line.rfind(' ') + 1));
    }
    return open;
  }

  /// Has the table alone know what has landed, and the journal begin anew.
  void LoseJournal() {
    Stop();
    const auto files = *disk_.List(journal_folder_);
    for (const std::string& name : files) {
      ASSERT_TRUE(disk_.Remove(journal_folder_ + "/" + name).ok());
    }
    Start();
  }

  int64_t TailRows(std::string_view schema, std::string_view table) {
    const auto view = lander_->View(schema, table);
    EXPECT_TRUE(view.ok()) << view.error().ToString();
    return view.ok() ? view->tail_rows : -1;
  }

  os::SimulatedDisk disk_;
  os::SimulatedClock clock_{os::Timestamp(std::chrono::sys_days(std::chrono::days(20'000)))};
  std::optional<os::ExpiryClock> expiry_;
  os::SimulatedRandom random_{1};
  os::SystemThreads threads_;
  store::MemoryStore memory_;
  store::FaultyStore store_{memory_};
  Metrics metrics_;
  IngestOptions options_;
  land::LandOptions land_options_;
  std::string journal_folder_ = "journal";
  uint64_t queue_bytes_max_ = 1 << 20;
  std::optional<privacy::Keys> keys_;
  std::unique_ptr<journal::Journal> journal_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<land::Lander> lander_;
  std::unique_ptr<Ingest> ingest_;
};

}  // namespace sluice::ingest::internal
