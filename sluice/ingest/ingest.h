#pragma once
/// \file
/// The door: bodies → decoded, identified, deduplicated rows → journal → answer.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/base/metrics.h"
#include "sluice/catalog/catalog.h"
#include "sluice/decode/json_decoder.h"
#include "sluice/ingest/dedupe.h"
#include "sluice/journal/journal.h"
#include "sluice/land/lander.h"
#include "sluice/os/clock.h"
#include "sluice/os/random.h"
#include "sluice/os/threads.h"
#include "sluice/privacy/keys.h"
#include "sluice/store/object_store.h"

namespace sluice::ingest {

namespace internal {
struct TopicState;
struct Draft;
}  // namespace internal

/// What the sender waits for.
enum class WaitLevel : uint8_t {
  kNone,   ///< Nothing: outside the promise.
  kLog,    ///< Until the rows survive a power loss.
  kTable,  ///< Until the rows are in their table.
};

struct Submission {
  std::string_view body =
      {};  ///< With JsonDecoder::kPaddingBytes readable behind it, during Submit().
  decode::Framing framing = decode::Framing::kJson;
  decode::Shape shape = decode::Shape::kEnvelope;
  std::string topic = {};  ///< Of Shape::kContent.
  WaitLevel wait = WaitLevel::kLog;
  /// Identity of a row that has none of its own (a replayed error: its offset).
  std::string fallback_identity = {};
};

struct OffsetRange {
  std::string topic;
  uint32_t partition = 0;
  journal::Offset first = 0;
  journal::Offset last = 0;
};

struct RowProblem {
  int64_t row = 0;
  std::string code;
  std::string path;
  std::string message;
};

struct Receipt {
  int64_t received = 0;
  int64_t accepted = 0;
  int64_t duplicate = 0;
  int64_t error = 0;
  int64_t without_identity = 0;  ///< Of the accepted: kept at least once.
  std::vector<OffsetRange> offsets;
  std::vector<RowProblem> errors;  ///< The first 100.
  bool durable = true;             ///< False for kNone.
  bool landed = false;             ///< For kTable.
};

struct IngestOptions {
  std::string tenant = "default";
  decode::DecodeLimits limits;
  DedupeOptions dedupe;
  std::chrono::microseconds table_wait_max = std::chrono::seconds(60);
};

/// Takes bodies of events.
///
/// Thread-safe.
class Ingest {
 public:
  /// All references must outlive the object.
  Ingest(const IngestOptions& options, journal::Journal& journal, land::Lander& lander,
         catalog::Catalog& catalog, store::ObjectStore& store, const privacy::Keys& keys,
         const os::Clock& clock, os::Random& random, os::Threads& threads, Metrics& metrics);
  ~Ingest();

  /// Brings tables, tail and dedupe to where journal and lake are. Call once, before anything else.
  Status Recover();

  /// Makes a contract's topic, or its next version, known; blocks until its schema is journaled.
  Result<catalog::Topic> Register(const event::Contract& contract);

  /// The same at a start, from the files that hold the contracts. Where the catalog has a successor
  /// already, because a change was cut short before its file was kept, that one stays.
  Result<catalog::Topic> RegisterAtStart(const event::Contract& contract);

  /// Takes one body; calls `done` once, on this thread or the journal's or the lander's.
  /// kInvalid: refused whole, nothing is kept. kUnavailable: outcome of none or some rows unknown;
  /// send again. kNotFound: Shape::kContent names no topic that can take it, even as errors.
  void Submit(const Submission& submission, std::function<void(Result<Receipt>)> done);

  /// Records what became of open errors (`fixed`, `dropped`), by their offsets; blocks until
  /// durable.
  Status ResolveErrors(const std::vector<journal::Offset>& offsets, std::string_view state);
  /// Opens the sealed payload of an error row.
  Result<std::string> OpenPayload(std::string_view sealed) const;

  std::vector<catalog::Topic> Topics() const;

 private:
  std::shared_ptr<internal::TopicState> Find(std::string_view topic) const;
  Result<std::shared_ptr<internal::TopicState>> Attach(const catalog::Topic& topic);
  Status RestoreFromLake(internal::TopicState& state);
  Status JournalSchema(internal::TopicState& state);
  Status Draft(const Submission& submission, decode::Decoded decoded,
               const std::shared_ptr<internal::Draft>& draft);
  Status DraftErrors(const Submission& submission, const std::vector<decode::RowError>& errors,
                     internal::Draft& draft);
  void Commit(std::shared_ptr<internal::Draft> draft);
  /// The outcome of our own rows.
  void Settle(const std::shared_ptr<internal::Draft>& draft, bool durable);
  /// One of the outcomes that the answer waits for.
  void Arrive(const std::shared_ptr<internal::Draft>& draft, bool ok);
  std::unique_ptr<decode::JsonDecoder> TakeDecoder();
  void ReturnDecoder(std::unique_ptr<decode::JsonDecoder> decoder);

  const IngestOptions options_;
  journal::Journal& journal_;
  land::Lander& lander_;
  catalog::Catalog& catalog_;
  store::ObjectStore& store_;
  const privacy::Keys& keys_;
  const os::Clock& clock_;
  os::Random& random_;
  os::Threads& threads_;
  Metrics& metrics_;

  std::mutex register_mutex_;        // One change of topics at a time.
  mutable std::shared_mutex mutex_;  // Guards topics_.
  std::unordered_map<std::string, std::shared_ptr<internal::TopicState>> topics_;
  std::mutex decoders_mutex_;  // Guards decoders_.
  std::vector<std::unique_ptr<decode::JsonDecoder>> decoders_;
};

/// The contract of the error rows: topic `system.errors`, table `system.errors`.
event::Contract ErrorsContract();

}  // namespace sluice::ingest
