#pragma once
/// \file
/// What the door keeps for each topic, and one request on its way.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sluice/catalog/catalog.h"
#include "sluice/columnar/batch.h"
#include "sluice/ingest/dedupe.h"
#include "sluice/ingest/ingest.h"
#include "sluice/journal/journal.h"

namespace sluice::ingest::internal {

/// One version of a topic's contract at the door; the next version shares its dedupe.
struct TopicState {
  struct Seen {
    explicit Seen(const DedupeOptions& options) : dedupe(options) {}
    std::mutex mutex;  // Guards dedupe.
    Dedupe dedupe;
  };

  catalog::Topic topic;
  columnar::Schema frame_schema;
  std::string frame_schema_bytes;
  uint64_t schema_id = 0;
  std::vector<std::string> content_columns;  ///< What "same content" compares.
  std::shared_ptr<Seen> seen;

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
  std::vector<Part> parts;   ///< One a frame, in the same order.
  std::vector<Part> claims;  ///< Claims without a frame (every row a duplicate).
  WaitLevel wait = WaitLevel::kLog;
  std::function<void(Result<Receipt>)> done;
  os::Monotonic start{};

  std::atomic<int> outstanding{
      1};  ///< Outcomes still awaited: our own, and those of claims we met.
  std::atomic<bool> failed{false};
};

TopicState MakeTopicState(const catalog::Topic& topic, std::shared_ptr<TopicState::Seen> seen);

/// Returns, for each row, its identity, or a zero hash where it has none.
Result<std::vector<privacy::Hash128>> IdentifyRows(const TopicState& topic,
                                                   const columnar::Batch& rows,
                                                   const privacy::Keys& keys,
                                                   const std::string& tenant,
                                                   const std::string& fallback);

/// Puts the identities into the column `_id` and leaves only the columns of a frame.
Result<columnar::Batch> ToFrameRows(const TopicState& topic, const columnar::Batch& rows,
                                    const std::vector<privacy::Hash128>& ids);

/// Reads `_id` of stored rows; a zero hash where there is none.
std::vector<privacy::Hash128> StoredIds(const columnar::Batch& rows);

}  // namespace sluice::ingest::internal
