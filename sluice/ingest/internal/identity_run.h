#pragma once
/// \file
/// Identities that do not fit into memory: a sorted file, and what leads to a place in it.

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

/// A sorted run of identities in a file, which goes with the object.
///
/// Keeps 10 bits an identity of a Bloom filter in memory: of identities that it does not have, one
/// in about 60 costs a read of 3 KiB. The file is a cache: nothing syncs it, each page is checked
/// against a sum that only memory has, and a restart begins without it. Not thread-safe.
class IdentityRun {
 public:
  /// Sorts the identities and writes them to `path`, which must be free or left by another process.
  /// kUnavailable: the disk is full or failed; nothing is left of it.
  static Result<std::unique_ptr<IdentityRun>> Write(os::Disk& disk, std::string path,
                                                    std::vector<StoredIdentity> identities);
  ~IdentityRun();
  IdentityRun(const IdentityRun&) = delete;
  IdentityRun& operator=(const IdentityRun&) = delete;

  /// Returns the content of an identity, if it is here. kCorrupt, kUnavailable: the file cannot be
  /// read back.
  Result<std::optional<uint64_t>> Find(const privacy::Hash128& id) const;

  size_t size() const { return size_; }
  size_t memory_bytes() const;

 private:
  struct Page {
    uint64_t first = 0;  ///< `low` of its first identity.
    uint32_t crc = 0;
  };

  IdentityRun(os::Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  void AddToFilter(const privacy::Hash128& id);
  bool MayHave(const privacy::Hash128& id) const;

  os::Disk& disk_;
  const std::string path_;
  std::unique_ptr<os::File> file_;
  size_t size_ = 0;
  std::vector<Page> pages_;
  std::vector<uint64_t> filter_;  ///< Blocks of 8 words.
};

}  // namespace sluice::ingest::internal
