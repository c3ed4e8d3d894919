#pragma once
/// \file
/// Identities that do not fit into memory: sorted runs in a file, and what leads to a place in it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"
#include "sluice/privacy/keyed_hash.h"

namespace sluice::ingest::internal {

/// An identity and the hash of its content, as stored.
struct StoredIdentity {
  privacy::Hash128 id;
  uint64_t content = 0;

  bool operator<(const StoredIdentity& other) const { return id < other.id; }
};
static_assert(sizeof(StoredIdentity) == 24);

/// Sorted runs of identities in one file, added one after the other; it goes with the object.
///
/// Keeps 10 bits an identity of a Bloom filter in memory: of identities that it does not have, one
/// in about 60 costs a read of 3 KiB. The file is a cache: nothing syncs it, each page is checked
/// against a sum that only memory has, and a restart begins without it. Not thread-safe.
class IdentityRuns {
 public:
  /// `path` must be free or left by another process.
  static Result<std::unique_ptr<IdentityRuns>> Create(os::Disk& disk, std::string path);
  ~IdentityRuns();
  IdentityRuns(const IdentityRuns&) = delete;
  IdentityRuns& operator=(const IdentityRuns&) = delete;

  /// Sorts the identities and writes them as the next run.
  /// kUnavailable: the disk is full or failed; the runs before it are as they were.
  Status Add(std::vector<StoredIdentity> identities);

  /// Returns the content of an identity, if run `number` (from 0) has it; none has it that was not
  /// added. kCorrupt, kUnavailable: the file cannot be read back.
  Result<std::optional<uint64_t>> Find(size_t number, const privacy::Hash128& id) const;

  /// Fetches the part of the filter that Find() will look at.
  void Prefetch(size_t number, const privacy::Hash128& id) const;

  size_t runs() const { return runs_.size(); }
  size_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Page {
    uint64_t first = 0;  ///< `low` of its first identity.
    uint32_t crc = 0;
  };
  struct Run {
    size_t begin = 0;  ///< In identities, from the front of the file.
    size_t size = 0;
    std::vector<Page> pages = {};
    std::vector<uint64_t> filter = {};  ///< Blocks of 8 words.

    void AddToFilter(const privacy::Hash128& id);
    bool MayHave(const privacy::Hash128& id) const;
  };

  IdentityRuns(os::Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}

  os::Disk& disk_;
  const std::string path_;
  std::unique_ptr<os::File> file_;
  std::vector<Run> runs_;
  size_t memory_bytes_ = 0;
};

}  // namespace sluice::ingest::internal
