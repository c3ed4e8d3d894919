#pragma once
/// \file
/// Which identities a topic has seen within its horizon.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/privacy/keyed_hash.h"

namespace sluice::ingest {

namespace internal {
class IdentityRuns;
}

/// What identities take of the memory, of all topics together.
struct DedupeMemory {
  DedupeMemory() = default;
  /// Limits with which identities and the filters of those in files fit into `bytes_max` bytes.
  explicit DedupeMemory(uint64_t bytes_max);

  size_t ids_max = SIZE_MAX;  ///< In memory; beyond, who adds more brings its own oldest to files.
  /// Beyond, who adds more and has more than its part forgets its own oldest.
  size_t ids_on_disk_max = SIZE_MAX;
  size_t topic_ids_max = SIZE_MAX;  ///< Of one topic, in memory and in files.
  std::atomic<size_t> ids{0};
  std::atomic<size_t> ids_on_disk{0};
  std::atomic<size_t> topics_on_disk{0};  ///< That have some in files.
  std::atomic<size_t> bytes{0};

  /// What is left of `ids_max` beside the filters of those in files.
  size_t IdsMaxNow() const;
};

/// When an identity is, or was, seen.
struct SeenAt {
  SeenAt(os::Timestamp at) : SeenAt(at, at) {}
  SeenAt(os::Timestamp at, os::Timestamp by_row) : now(at), received(by_row) {}

  bool operator==(const SeenAt&) const = default;

  os::Timestamp now;       ///< By which it expires: grows only as time passes.
  os::Timestamp received;  ///< What its row says, by a clock that may be set.
};

struct DedupeOptions {
  std::chrono::microseconds horizon = std::chrono::hours(24);
  /// Beyond, the oldest go first and the held horizon shrinks. At most `memory->topic_ids_max`.
  size_t ids_max = 20'000'000;
  /// Beyond its limits the oldest go to files in `folder`; without a disk there are no such limits.
  /// What the disk does not take is forgotten, as beyond `ids_max`.
  std::shared_ptr<DedupeMemory> memory = nullptr;
  os::Disk* disk = nullptr;
  std::string folder = {};  ///< Made if need be; of this object alone.
};

/// Membership of identities, not order: an identity is a duplicate if it was seen, and only then.
///
/// An identity is *in flight* from Claim() until Settle() of its claim; who meets it meanwhile
/// waits for that outcome. Takes 32 to 54 bytes an identity in memory, 1.4 for one in a file. Not
/// thread-safe: the topic's mutex guards it, also while a file is looked into.
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

  explicit Dedupe(const DedupeOptions& options);
  ~Dedupe();

  /// Begins a claim: the identities of one request. Each must be settled, and less than a million
  /// may be open at once.
  ClaimId Begin();
  Answer Claim(ClaimId claim, const privacy::Hash128& id, uint64_t content, SeenAt seen);
  /// What Claim() would answer now, without claiming: kNew, kDuplicate or kOtherContent.
  Verdict Look(const privacy::Hash128& id, uint64_t content) const;
  /// Fetches what Claim() of this identity will look at: some rows ahead, it hides the wait for
  /// memory.
  void Prefetch(const privacy::Hash128& id) const;
  /// Ends a claim: its identities are durable, or forgotten. Returns who waited, to be told outside
  /// of the mutex.
  std::vector<std::function<void(bool)>> Settle(ClaimId claim, bool durable);
  /// Claims that are not settled yet: none whenever no request is under way.
  std::vector<ClaimId> Unsettled() const;
  /// Has `done` called with the outcome of a claim not yet settled.
  void Await(ClaimId claim, std::function<void(bool)> done);

  /// Makes room for so many more identities, as far as memory may hold them, before many are added:
  /// to grow step by step costs as much as to add them.
  void Reserve(size_t ids);
  /// Adds what the journal or the lake holds: durable at once.
  void Restore(const privacy::Hash128& id, uint64_t content, SeenAt seen);

  /// When an identity that is known was received: in a slice of the horizon, both ends included.
  /// Nothing: it is not known.
  struct Slice {
    os::Timestamp first;
    os::Timestamp last;
  };
  std::optional<Slice> ReceivedWithin(const privacy::Hash128& id) const;

  /// Lets identities stand for themselves: what was seen so far compares equal to any content,
  /// because from now on content is protected, so hashed, in another way.
  void ForgetContents();

  size_t size() const;
  size_t memory_bytes() const;
  size_t ids_on_disk() const { return ids_on_disk_; }
  /// How many were forgotten before their horizon: there were too many, or the disk failed.
  size_t forgotten_early() const { return forgotten_early_; }
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
  /// One slice of time.
  struct Generation {
    os::Timestamp begin;
    os::Timestamp last;
    Slice received;
    uint64_t number = 0;
    size_t ids = 0;
    /// Where those of the first shards are, a run each, if not in memory. Nobody else has it: the
    /// type is incomplete here.
    std::shared_ptr<internal::IdentityRuns> runs = {};
    size_t shards_on_disk = 0;
    size_t ids_on_disk = 0;    ///< Of ids.
    bool any_content = false;  ///< In the runs: compares equal to any.
  };
  struct Open {
    std::vector<privacy::Hash128> ids;
    std::vector<std::function<void(bool)>> waiters;
    bool settled = false;
  };

  static size_t ShardOf(const privacy::Hash128& id);
  bool IsLive(const Slot& slot, size_t shard) const;
  /// The content of an identity that lies in a file; nothing if none has it.
  std::optional<uint64_t> FindOnDisk(const privacy::Hash128& id);
  /// How many identities make a slice, if its time does not end before.
  size_t SliceIds() const;
  /// Brings a shard of the oldest slice that is in memory into its file, while too much is there or
  /// a slice is begun; more than one only if much too much is. So nobody waits long for the mutex.
  void Spill();
  Status SpillShard(Generation& generation);
  void DropOldest();    ///< Its time is over.
  void ForgetOldest();  ///< It is not.
  void MarkLive();
  /// Brings the sums over all topics up to date.
  void TellMemory();
  /// Returns the slot of the identity, or null.
  Slot* Find(const privacy::Hash128& id);
  const Slot* Find(const privacy::Hash128& id) const;
  /// Returns the slot of the identity; if it has none, puts it into one (`is_new`), without
  /// content.
  Slot* FindOrInsert(const privacy::Hash128& id, bool& is_new);
  /// Has the shard hold its slots, and so many more, without growing.
  void Rebuild(size_t number, size_t more = 0);
  /// Begins and ends slices of time.
  void Advance(SeenAt seen);
  Open* FindOpen(ClaimId claim);

  const DedupeOptions options_;
  std::array<Shard, 64> shards_;
  std::deque<Generation> generations_;  ///< Oldest first; what has none of them is dead.
  /// By number of a slice: the first shard whose slots of that slice count.
  std::array<size_t, 64> live_from_{};
  size_t next_cleaned_ = 0;  ///< The shard of which the slots of ended slices are freed next.
  size_t ids_on_disk_ = 0;   ///< Of size_.
  size_t forgotten_early_ = 0;
  size_t told_ids_on_disk_ = 0;
  size_t told_ids_ = 0;  ///< To options_.memory.
  size_t told_bytes_ = 0;
  uint64_t runs_written_ = 0;
  std::deque<Open> open_;  ///< Of claims from first_open_ on.
  ClaimId first_open_ = 1;
  size_t size_ = 0;
  SeenAt advanced_to_ = os::Timestamp::min();
};

}  // namespace sluice::ingest
