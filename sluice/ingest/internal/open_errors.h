#pragma once
/// \file
/// Which open error rows have an identity: a good row of that identity supersedes them.

#include <atomic>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/journal/journal.h"
#include "sluice/privacy/keyed_hash.h"

namespace sluice::ingest::internal {

/// The open error rows whose identity could be read, by it; at most kRowsMax of them. What is
/// beyond stays open until somebody closes it.
///
/// Thread-safe. While it is restored, rows may come in any order, and more than once.
class OpenErrors {
 public:
  static constexpr size_t kRowsMax = 1'000'000;

  void Open(journal::Offset offset, const privacy::Hash128& id);
  void Close(journal::Offset offset);
  /// The offsets of the open errors of an identity.
  std::vector<journal::Offset> Of(const privacy::Hash128& id) const;
  bool empty() const { return size_.load(std::memory_order_relaxed) == 0; }

  /// Takes stored rows of the errors topic; their offsets begin at `base`, or stand in `_offset`
  /// when it is negative.
  Status Restore(const columnar::Batch& rows, journal::Offset base);
  /// Ends it; returns how many error rows each topic ever had. Needs rows of the table to have come
  /// before those of the journal, and their `topic`.
  std::map<std::string, int64_t> FinishRestore();

 private:
  struct Low {
    size_t operator()(const privacy::Hash128& id) const { return id.low; }
  };

  mutable std::mutex mutex_;  // Guards what follows.
  std::unordered_map<journal::Offset, privacy::Hash128> ids_;
  std::unordered_multimap<privacy::Hash128, journal::Offset, Low> offsets_;
  std::unordered_set<journal::Offset> closed_;  // Only while restoring_.
  std::map<std::string, int64_t> counts_;       // Likewise.
  journal::Offset counted_end_ = 0;
  bool restoring_ = true;
  std::atomic<size_t> size_{0};
};

}  // namespace sluice::ingest::internal
