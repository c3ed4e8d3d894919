#pragma once
/// \file
/// Whole objects by path: one interface over local disk, memory, and stores that fail on purpose.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"

namespace sluice::store {

struct ObjectInfo {
  std::string path;
  uint64_t size = 0;
  os::Timestamp modified{};  ///< 1970 where the store does not say.
};

/// Checks that `path` may name an object: relative, without empty, "." or ".." parts or NUL bytes.
Status CheckPath(std::string_view path);

/// An object that is written part by part, for one that shall not lie in memory as a whole.
///
/// Nobody sees any of it before Finish() has returned, and it takes no space but memory before it
/// has some MiB. Destroyed before that, or after an error, it gives up and takes back what it
/// wrote; best effort, since what is left then nobody sees either. Must not outlive its store.
///
/// Not thread-safe.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;

  /// Writes on. After an error the object cannot be finished.
  virtual Status Write(std::string_view bytes) = 0;
  /// Once, last: the object is what a Put() of all its bytes would have made. kUnavailable: unknown
  /// whether it was written.
  virtual Status Finish() = 0;
};

/// A flat space of objects. Paths are relative, with '/', and may not contain "..", "." or empty
/// parts.
///
/// Thread-safe. When a put has returned, the object is durable and whole; before, nobody sees any
/// of it.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  /// kNotFound: no such object.
  virtual Result<std::string> Get(std::string_view path) = 0;
  /// Returns fewer bytes at the end of the object. kInvalid: `offset` lies behind it.
  virtual Result<std::string> GetRange(std::string_view path, uint64_t offset, uint64_t size) = 0;
  virtual Result<ObjectInfo> Head(std::string_view path) = 0;
  /// Writes or replaces an object.
  virtual Status Put(std::string_view path, std::string_view bytes) = 0;
  /// As Put(), part by part. What this one does by itself collects the parts in memory.
  virtual Result<std::unique_ptr<ObjectWriter>> StartPut(std::string_view path);
  /// Writes an object whose path must be free.
  /// kConflict: it exists; nothing was written. kUnavailable: unknown whether it was written.
  virtual Status PutIfAbsent(std::string_view path, std::string_view bytes) = 0;
  /// Returns the objects whose path begins with `prefix` and sorts after `after`, sorted by bytes.
  virtual Result<std::vector<ObjectInfo>> List(std::string_view prefix,
                                               std::string_view after = {}) = 0;
  /// Fine if it does not exist.
  virtual Status Delete(std::string_view path) = 0;
  /// Deletes many as Delete() does one. After an error any of them may be deleted.
  virtual Status DeleteAll(std::span<const std::string> paths);
  /// Makes durable which objects there are directly in a folder ("" or without its final '/'), each
  /// of which its writer has synced. What is seen need not be: who gave it its name may have died
  /// before that was durable. Stores where nothing is seen before do nothing.
  virtual Status SyncFolder(std::string_view /*folder*/) { return {}; }
  /// Whether a request costs a round trip, so that readers do better with few large ones ahead of
  /// time.
  virtual bool is_remote() const { return false; }
  /// Makes sure that the objects, which exist and never change, are found at their Location() as
  /// files. Stores whose objects are not files anyway have no such place, and do nothing.
  virtual Status MakeLocal(std::span<const std::string> /*paths*/) { return {}; }
  /// Where an engine on this machine finds the object: an absolute file path, or a URI.
  virtual std::string Location(std::string_view path) const = 0;
};

}  // namespace sluice::store
