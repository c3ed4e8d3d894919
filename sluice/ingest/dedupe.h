#pragma once
/// \file
/// Which identities a topic has seen within its horizon.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
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
/// waits for that outcome. Takes 32 to 54 bytes an identity. Not thread-safe: the topic's mutex
/// guards it.
class Dedupe {
 public:
  using ClaimId = uint64_t;  ///< From 1 on.
  enum class Verdict : uint8_t {
    kNew,           ///< Now in flight under the caller's claim.
    kDuplicate,     ///< Seen, durable, same content.
    kInFlight,      ///< Seen, same content, perhaps under a claim not yet settled: Await() it.
    kOtherContent,  ///< Seen with other content.
  };
  struct Answer {
    Verdict verdict;
    ClaimId claim = 0;  ///< Of kInFlight.
  };

  /// A content that compares equal to any.
  static constexpr uint64_t kAnyContent = 0;

  explicit Dedupe(const DedupeOptions& options) : options_(options) {}

  /// Begins a claim: the identities of one request. Each must be settled, and less than a million
  /// may be open at once.
  ClaimId Begin();
  Answer Claim(ClaimId claim, const privacy::Hash128& id, uint64_t content, os::Timestamp now);
  /// Fetches what Claim() of this identity will look at: some rows ahead, it hides the wait for
  /// memory.
  void Prefetch(const privacy::Hash128& id) const;
  /// Ends a claim: its identities are durable, or forgotten. Returns who waited, to be told outside
  /// of the mutex.
  std::vector<std::function<void(bool)>> Settle(ClaimId claim, bool durable);
  /// Has `done` called with the outcome of a claim not yet settled.
  void Await(ClaimId claim, std::function<void(bool)> done);

  /// Adds what the journal or the lake holds: durable at once.
  void Restore(const privacy::Hash128& id, uint64_t content, os::Timestamp received);

  /// Lets identities stand for themselves: what was seen so far compares equal to any content,
  /// because from now on content is protected, so hashed, in another way.
  void ForgetContents();

  size_t size() const;
  /// How far back identities are held for sure.
  std::chrono::microseconds Held(os::Timestamp now) const;

 private:
  /// An identity in three words. The six bits of `high` that choose the shard make room for the
  /// generation; of the content's hash 44 bits are compared.
  struct Slot {
    uint64_t low;
    uint64_t high_generation;
    uint64_t content_claim;
  };
  /// An open-addressing table. It grows on its own, so that no growth takes long or needs much
  /// memory at once.
  struct Shard {
    std::unique_ptr<Slot[]> slots;
    size_t size = 0;
    size_t used = 0;  ///< Slots that are not free, those of the dead included.

    size_t Home(uint64_t low) const;
  };
  /// One slice of received time.
  struct Generation {
    os::Timestamp begin;
    os::Timestamp last;
    uint64_t number = 0;
    size_t ids = 0;
  };
  struct Open {
    std::vector<privacy::Hash128> ids;
    std::vector<std::function<void(bool)>> waiters;
    bool settled = false;
  };

  static size_t ShardOf(const privacy::Hash128& id);
  bool IsLive(const Slot& slot) const;
  /// Returns the slot of the identity, or null.
  Slot* Find(const privacy::Hash128& id);
  /// Returns the slot of the identity; if it has none, puts it into one (`is_new`), without
  /// content.
  Slot* FindOrInsert(const privacy::Hash128& id, bool& is_new);
  void Rebuild(Shard& shard);
  /// Begins and ends slices of time.
  void Advance(os::Timestamp now);
  Open* FindOpen(ClaimId claim);

  const DedupeOptions options_;
  std::array<Shard, 64> shards_;
  std::deque<Generation> generations_;  ///< Oldest first; what has none of them is dead.
  std::deque<Open> open_;               ///< Of claims from first_open_ on.
  ClaimId first_open_ = 1;
  size_t size_ = 0;
  os::Timestamp advanced_to_ = os::Timestamp::min();
};

}  // namespace sluice::ingest
