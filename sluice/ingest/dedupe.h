#pragma once
/// \file
/// Which identities a topic has seen within its horizon.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "sluice/os/clock.h"
#include "sluice/privacy/keyed_hash.h"

namespace sluice::ingest {

struct DedupeOptions {
  std::chrono::microseconds horizon = std::chrono::hours(24);  ///< In received time.
  size_t ids_max = 20'000'000;  ///< Beyond, the oldest go first and the held horizon shrinks.
};

/// Membership of identities, not order: an identity is a duplicate if it was seen, and only then.
///
/// An identity is *in flight* from Claim() until Settle() of its claim; who meets it meanwhile
/// waits for that outcome. Not thread-safe: the topic's mutex guards it.
class Dedupe {
 public:
  using ClaimId = uint32_t;
  enum class Verdict : uint8_t {
    kNew,           ///< Now in flight under the caller's claim.
    kDuplicate,     ///< Seen, durable, same content.
    kInFlight,      ///< Seen under a claim not yet settled, same content: Await() it.
    kOtherContent,  ///< Seen with other content.
  };
  struct Answer {
    Verdict verdict;
    ClaimId claim = 0;  ///< Of kInFlight.
  };

  explicit Dedupe(const DedupeOptions& options) : options_(options) {}

  /// Begins a claim: the identities of one request.
  ClaimId Begin() { return ++last_claim_; }
  Answer Claim(ClaimId claim, const privacy::Hash128& id, uint64_t content, os::Timestamp now);
  /// Ends a claim: its identities are durable, or forgotten. Returns who waited, to be told outside
  /// of the mutex.
  std::vector<std::function<void(bool)>> Settle(ClaimId claim, bool durable);
  /// Has `done` called with the outcome of a claim not yet settled.
  void Await(ClaimId claim, std::function<void(bool)> done);

  /// Adds what the journal or the lake holds: durable at once.
  void Restore(const privacy::Hash128& id, uint64_t content, os::Timestamp received);

  size_t size() const;
  /// How far back identities are held for sure.
  std::chrono::microseconds Held(os::Timestamp now) const;

 private:
  struct Entry {
    privacy::Hash128 id;
    uint64_t content = 0;
    uint32_t state = 0;  ///< kFree, kDurable, kForgotten, or kClaimBase + claim.
  };
  /// One slice of received time; an open-addressing table.
  struct Generation {
    os::Timestamp begin;
    os::Timestamp last;
    std::vector<Entry> slots;
    size_t used = 0;
    Entry* Find(const privacy::Hash128& id);
    Entry* Insert(const privacy::Hash128& id);
    void Grow();
  };
  struct Open {
    std::vector<privacy::Hash128> ids;
    std::vector<std::function<void(bool)>> waiters;
  };

  Entry* Find(const privacy::Hash128& id);
  Generation& Current(os::Timestamp now);

  const DedupeOptions options_;
  std::deque<Generation> generations_;  ///< Oldest first.
  std::unordered_map<ClaimId, Open> open_;
  ClaimId last_claim_ = 0;
};

}  // namespace sluice::ingest
