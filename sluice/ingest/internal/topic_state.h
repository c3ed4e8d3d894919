#pragma once
/// \file
/// What the door keeps for each topic, and one request on its way.

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/metrics.h"
#include "sluice/catalog/catalog.h"
#include "sluice/columnar/batch.h"
#include "sluice/ingest/dedupe.h"
#include "sluice/ingest/ingest.h"
#include "sluice/journal/journal.h"
#include "sluice/privacy/protect.h"

namespace sluice::ingest::internal {

/// The `_id` of an event that has none.
inline constexpr privacy::Hash128 kNoIdentity{};

/// What is counted of the rows of a topic; kReceived is the sum of the others.
enum Outcome : size_t { kReceived, kAccepted, kDuplicate, kError, kOutcomes };

/// One version of a topic's contract at the door; the next version shares its dedupe.
struct TopicState {
  struct Seen {
    explicit Seen(const DedupeOptions& options) : horizon(options.horizon), dedupe(options) {}
    const std::chrono::microseconds horizon;
    std::mutex mutex;  // Guards dedupe and closed.
    Dedupe dedupe;
    bool closed = false;  ///< The topic is being deleted: it takes no events.
    /// Why not all identities of landed rows could be read at the start: then nobody can say what
    /// is new, so the topic takes no events. Empty: they could.
    std::string unreadable;
    /// `sluice_ingest_events_total` of the topic, by Outcome; null before the first of a kind. Kept
    /// because finding one by its text takes longer than all else that an answer takes.
    std::array<std::atomic<Counter*>, kOutcomes> counters{};
  };

  catalog::Topic topic;
  columnar::Schema frame_schema;
  std::string frame_schema_bytes;
  /// Where a frame's columns stand among the decoder's; -1 for `_id`, which is made behind it.
  std::vector<int> frame_columns;
  uint64_t schema_id = 0;
  std::vector<std::string> content_columns;  ///< What "same content" compares.
  std::shared_ptr<const event::Contract> identity_contract;
  std::shared_ptr<Seen> seen;
  std::shared_ptr<const privacy::Protector> protector;

  const event::Contract& contract() const { return *topic.contract; }
};

/// One request between decoding and its answer.
struct Draft {
  struct Part {
    std::shared_ptr<TopicState> topic;
    columnar::Batch rows;
    Dedupe::ClaimId claim = 0;  ///< 0: none.
  };
  Receipt receipt;
  std::vector<journal::NewFrame> frames;
  std::vector<Part> parts;                  ///< One a frame, in the same order.
  std::vector<Part> claims;                 ///< Claims without a frame (every row a duplicate).
  std::vector<privacy::Hash128> error_ids;  ///< Of the error rows that the request makes.
  std::vector<journal::Offset> closes;      ///< Open errors that end with this request.
  std::optional<Error> refusal;             ///< Why nothing of it is kept, if not for the journal.
  struct Outcomes {
    int64_t accepted = 0, duplicate = 0, error = 0;
  };
  std::map<std::string, Outcomes> outcomes;  ///< By topic; those of unknown topics under "".
  bool duplicates_counted = false;           ///< In a frame of the journal.
  WaitLevel wait = WaitLevel::kLog;
  std::function<void(Result<Receipt>)> done;
  os::Monotonic start{};

  std::atomic<int> outstanding{
      1};  ///< Outcomes still awaited: our own, and those of claims we met.
  std::atomic<bool> failed{false};
};

Result<TopicState> MakeTopicState(const catalog::Topic& topic,
                                  std::shared_ptr<TopicState::Seen> seen, const privacy::Keys& keys,
                                  const std::string& tenant);

/// Whether both protect the columns they share in the same way.
bool SameRules(const event::Contract& a, const event::Contract& b);

/// What a request says about the identity of its rows.
struct RequestIdentity {
  std::string batch;                    ///< Client and batch; empty: none.
  std::optional<privacy::Hash128> own;  ///< Of a row that has none of its own: a replayed error's.

  bool Binds(const event::Contract& contract) const {
    return contract.identity.by_batch && !batch.empty();
  }
};

/// The identity of row number `row` of a batch.
privacy::Hash128 BatchRowIdentity(const std::string& topic, const RequestIdentity& request,
                                  int64_t row, const privacy::Keys& keys,
                                  const std::string& tenant);

/// The identity of an event that goes by producer and sequence.
privacy::Hash128 ProducerIdentity(const std::string& topic, const ProducerSequence& name,
                                  const privacy::Keys& keys, const std::string& tenant);

/// Returns, for each row, its identity, or a zero hash where it has none. `numbers` are those of
/// the rows in their body.
Result<std::vector<privacy::Hash128>> IdentifyRows(const event::Contract& contract,
                                                   const columnar::Batch& rows,
                                                   const std::vector<int64_t>& numbers,
                                                   const RequestIdentity& request,
                                                   const privacy::Keys& keys,
                                                   const std::string& tenant);

/// A contract that decodes nothing of an event but what identifies it.
std::shared_ptr<const event::Contract> IdentityContract(const event::Contract& contract);

/// Whether a good row supersedes an error of this code by having its identity.
bool SupersededByIdentity(std::string_view code);

/// Puts the identities into the column `_id`, marks the rows of a batch by its sum, and leaves only
/// the columns of a frame.
Result<columnar::Batch> ToFrameRows(const TopicState& topic, const columnar::Batch& rows,
                                    const std::vector<privacy::Hash128>& ids,
                                    std::optional<uint64_t> batch_sum);

/// Reads `_id` of stored rows; a zero hash where there is none.
std::vector<privacy::Hash128> StoredIds(const columnar::Batch& rows);

}  // namespace sluice::ingest::internal
