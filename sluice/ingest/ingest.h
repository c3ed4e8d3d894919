#pragma once
/// \file
/// The door: bodies → decoded, identified, deduplicated rows → journal → answer.

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/base/metrics.h"
#include "sluice/catalog/catalog.h"
#include "sluice/decode/json_decoder.h"
#include "sluice/decode/message_decoder.h"
#include "sluice/ingest/dedupe.h"
#include "sluice/ingest/event_name.h"
#include "sluice/journal/journal.h"
#include "sluice/land/lander.h"
#include "sluice/os/clock.h"
#include "sluice/os/expiry_clock.h"
#include "sluice/os/random.h"
#include "sluice/os/threads.h"
#include "sluice/privacy/keyed_hash.h"
#include "sluice/privacy/keys.h"
#include "sluice/store/object_store.h"

namespace sluice::ingest {

namespace internal {
class ErrorQuota;
class OpenErrors;
struct TopicState;
struct Draft;
struct RequestIdentity;
}  // namespace internal

/// The code of the rows of the errors table whose identity came before, with other content.
inline constexpr std::string_view kOtherContent = "SL3040";

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
  /// Set: the body is messages of Cap'n Proto, in Shape::kContent, and `framing` says nothing.
  std::optional<decode::Packing> messages = {};
  decode::Shape shape = decode::Shape::kEnvelope;
  std::string topic = {};  ///< Of Shape::kContent.
  WaitLevel wait = WaitLevel::kLog;
  bool system = false;  ///< Our own: may name a topic of the system.
  /// Who sends, as far as it is proven: has a quota for what does not fit.
  std::string sender = {};
  /// Who sends by its own words, and the name of the body among the sender's: the identity of its
  /// rows in topics that are deduped by batch.
  std::string client = {};
  std::string batch_id = {};
  /// The open error whose event the body is, corrected or not. It is closed in the same group that
  /// has the event, or the error that it makes now.
  struct Replaced {
    journal::Offset offset = 0;
    std::string id = {};  ///< Its `_id`, 16 bytes; empty if it has none.
  };
  std::optional<Replaced> replaces = {};
  /// Whether the sender may send to a topic; empty: to all. One topic that it may not send to
  /// refuses the whole body with kDenied.
  std::function<bool(std::string_view topic)> may_send = {};
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
  int64_t events_not_kept = 0;     ///< Of the errors: only their rows are, the quota was used up.
  std::vector<RowProblem> errors;  ///< The first 100.
  bool durable = true;             ///< False for kNone.
  bool landed = false;             ///< For kTable.
};

struct IngestOptions {
  std::string tenant = "default";
  decode::DecodeLimits limits;
  DedupeOptions dedupe;
  std::map<std::string, DedupeOptions> topic_dedupe;  ///< Where a topic differs.
  std::chrono::microseconds table_wait_max = std::chrono::seconds(60);
  /// By which identities expire; must outlive the object. Null: one that trusts the clock at the
  /// start.
  const os::ExpiryClock* expiry = nullptr;
  /// Of rejected events, for each sender and topic. 0: no limit.
  int64_t error_bytes_a_day = 0;
  /// Beside those of the system. What is there stays when it is lowered.
  size_t topics_max = SIZE_MAX;
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
  /// kUnsupported: as CheckTopicsMax().
  Result<catalog::Topic> Register(const event::Contract& contract);
  /// The same for many, each of another topic, with one write of the catalog and few of the
  /// journal: all, or none; or, where schemas or tables could not be written, some, and the next
  /// try goes on.
  Result<std::vector<catalog::Topic>> RegisterAll(std::span<const event::Contract> contracts);

  /// Whether there may be the topics of these contracts, beside those that there are. kUnsupported:
  /// there would be more than IngestOptions::topics_max (SL4221).
  Status CheckTopicsMax(std::span<const event::Contract> contracts) const;

  /// The same as RegisterAll() at a start, from the files that hold the contracts. Where one is as
  /// a version before the catalog's was, because a change was cut short before its file was kept,
  /// the later stays.
  Status RegisterAtStart(std::vector<event::Contract> contracts);

  /// Forgets a topic: its next events are those of an unknown one. What it has is landed before,
  /// and the files of its table stay. kInvalid: it is one of the system's. kNotFound: there is
  /// none. After other errors it is still there: kUnavailable: it does not land, say.
  Result<catalog::Topic> Remove(std::string_view topic);

  /// Takes one body; calls `done` once, on this thread or the journal's or the lander's.
  /// kInvalid: refused whole, nothing is kept. kConflict: the same, because its batch came before
  /// with other content. kUnavailable: refused whole (SL4291: the sender's quota for what does not
  /// fit is used up), or the outcome of none or some rows unknown; send again. kNotFound:
  /// Shape::kContent names no topic that can take it, even as errors.
  void Submit(const Submission& submission, std::function<void(Result<Receipt>)> done);

  /// What those that were tried before would have made known: `_id` and content.
  using Tried = std::map<std::string, uint64_t, std::less<>>;
  /// Tells what Submit() of one event would answer now: accepted, a duplicate or an error, by
  /// today's contracts and what has been seen, `tried` included; keeps and counts nothing. As
  /// Submit(), kInvalid: refused whole. What a table has of before the horizon is not asked.
  Result<Receipt> Try(const Submission& submission, Tried& tried);

  /// Whether an event received then may no longer be known by its identity: the table must be
  /// asked.
  bool IsBeyondHorizon(std::string_view topic, os::Timestamp received) const;
  /// The `_id`, 16 bytes, that the event of a submission which replaces an error would get.
  std::string ReplayIdentity(const Submission& submission);

  /// What an event of the topic, as its sender names it, is known by. kNotFound: there is no such
  /// topic.
  Result<EventIdentities> IdentitiesOf(std::string_view topic, const EventName& name);
  /// The time in which an event of the topic with one of these identities was received, both ends
  /// included; nothing if none is known any more.
  std::optional<Dedupe::Slice> ReceivedWithin(std::string_view topic,
                                              std::span<const std::string> identities) const;

  /// Records what became of open errors (`fixed`, `dropped`), by their offsets; blocks until
  /// durable.
  Status ResolveErrors(const std::vector<journal::Offset>& offsets, std::string_view state);
  /// Opens the sealed payload of an error row.
  Result<std::string> OpenPayload(std::string_view sealed) const;

  /// What a token, an encrypted or a sealed value of any topic stands for (privacy::Reveal()).
  Result<std::string> Reveal(std::string_view token) const;
  /// Destroys the key of what is encrypted for the subject (privacy::Keys::DestroySubject()).
  Status DestroySubject(std::string_view subject);
  /// The subject as `e1.` values name it.
  std::string NameOfSubject(std::string_view subject) const;

  std::vector<catalog::Topic> Topics() const;
  /// As catalog::Catalog::Versions().
  Result<std::vector<event::Contract>> Versions(std::string_view topic) const {
    return catalog_.Versions(topic);
  }

 private:
  // Of one request; they keep their buffers for the next.
  struct Decoders {
    decode::JsonDecoder json;
    decode::MessageDecoder messages;
  };

  std::shared_ptr<internal::TopicState> Find(std::string_view topic) const;
  Result<std::shared_ptr<internal::TopicState>> Attach(const catalog::Topic& topic);
  /// What the topic's identities go by, in a folder of their own.
  DedupeOptions DedupeOptionsOf(const catalog::Topic& topic) const;
  /// kCorrupt, kNotFound: a file of landed rows.
  Status RestoreFromLake(internal::TopicState& state);
  SeenAt RestoredAt(os::Timestamp received) const;
  void SawReceived(os::Timestamp received);
  /// The frame schemas of all versions of a topic: those in the journal may be among what was lost.
  Status AddCatalogSchemas(const catalog::Topic& topic,
                           std::unordered_map<uint64_t, columnar::Schema>& schemas);
  Status RestoreOpenErrors(internal::TopicState& state);
  /// Has a topic take no more events, and waits for the requests that bring some.
  void Close(const internal::TopicState& state);
  /// Lands what waits of a topic now.
  Status LandAllOf(const internal::TopicState& state);
  /// Has the journal keep the schemas of these; blocks until it does.
  Status JournalSchemas(std::span<const internal::TopicState> states);
  Status Draft(const Submission& submission, decode::Decoded decoded,
               const std::shared_ptr<internal::Draft>& draft);
  Status DraftErrors(const Submission& submission, const internal::RequestIdentity& request,
                     const std::vector<decode::RowError>& errors, internal::Draft& draft);
  internal::RequestIdentity IdentityOf(const Submission& submission) const;
  /// The identities of events with this id; as the door would read it, so whatever the field's
  /// type.
  std::vector<std::string> IdentitiesOfId(const event::Contract& contract, std::string_view id);
  /// The identity of an event that could not be taken, as far as it can be read; else a zero hash.
  privacy::Hash128 IdentifyError(const Submission& submission,
                                 const internal::RequestIdentity& request,
                                 const decode::RowError& error);
  void Commit(std::shared_ptr<internal::Draft> draft);
  /// The outcome of our own rows.
  void Settle(const std::shared_ptr<internal::Draft>& draft, bool durable);
  /// Adds frames that count what is answered as `duplicate`.
  void CountDuplicates(internal::Draft& draft, std::vector<journal::NewFrame>& frames) const;
  /// One of the outcomes that the answer waits for.
  void Arrive(const std::shared_ptr<internal::Draft>& draft, bool ok);
  /// Adds to the topic's counters; `state` may be null.
  void Count(const internal::TopicState* state, std::string_view topic, size_t outcome,
             int64_t rows);
  /// All outcomes are known.
  void Answer(const std::shared_ptr<internal::Draft>& draft);
  std::unique_ptr<Decoders> TakeDecoders();
  void ReturnDecoders(std::unique_ptr<Decoders> decoders);

  const IngestOptions options_;
  journal::Journal& journal_;
  land::Lander& lander_;
  catalog::Catalog& catalog_;
  store::ObjectStore& store_;
  privacy::Keys keys_;
  const os::Clock& clock_;
  const os::ExpiryClock own_expiry_;
  const os::ExpiryClock& expiry_;  // The one above if there is no other.
  os::Random& random_;
  os::Threads& threads_;
  Metrics& metrics_;
  Histogram& ack_seconds_;
  Histogram& queryable_seconds_;

  std::mutex register_mutex_;        // One change of topics at a time.
  mutable std::shared_mutex mutex_;  // Guards topics_.
  std::unordered_map<std::string, std::shared_ptr<internal::TopicState>> topics_;
  const std::unique_ptr<internal::OpenErrors> open_errors_;
  const std::unique_ptr<internal::ErrorQuota> error_quota_;
  std::atomic<os::Timestamp> last_received_ = os::Timestamp::min();  // Of any row.
  std::mutex decoders_mutex_;                                        // Guards decoders_.
  std::vector<std::unique_ptr<Decoders>> decoders_;
};

/// The contract of the error rows: topic `system.errors`, table `system.errors`.
event::Contract ErrorsContract();

}  // namespace sluice::ingest
