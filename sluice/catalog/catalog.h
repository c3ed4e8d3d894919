#pragma once
/// \file
/// Names → contracts, partitions and tables: the control state of one data directory.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/event/contract.h"
#include "sluice/os/disk.h"

namespace sluice::catalog {

/// A topic and its table.
struct Topic {
  std::shared_ptr<const event::Contract> contract;
  uint32_t partition = 0;    ///< In the journal; never given to another topic.
  uint32_t incarnation = 1;  ///< Raised for a topic whose table a deleted topic had.
  std::string schema_name = "bronze";
  std::string table_path;  ///< Relative to the store: `default/bronze/flights`.
};

/// The topic of error rows; always there.
inline constexpr std::string_view kErrorsTopic = "system.errors";
/// Topics that only this program writes begin with it; their tables are in schema `system`.
inline constexpr std::string_view kSystemPrefix = "system.";

/// Keeps topics in one file, replaced whole and durably at each change.
///
/// Thread-safe.
class Catalog {
 public:
  /// Reads the catalog in `folder`, or begins an empty one. `disk` must outlive the result.
  /// kCorrupt: the file cannot be read back; it is never replaced then.
  static Result<std::unique_ptr<Catalog>> Open(os::Disk& disk, std::string folder);

  /// Makes the contract known: a new topic, or the next version of one. The same contract again
  /// changes nothing. Returns the topic as it is then, durably. kConflict: stored data cannot take
  /// it, or two topics would share a table.
  Result<Topic> Put(const event::Contract& contract);
  /// The same for many, of as many topics, with one write of the file: all of them, or none.
  Result<std::vector<Topic>> PutAll(std::span<const event::Contract> contracts);

  /// Forgets a topic, durably, and returns it as it was. A topic made later under the same name is
  /// another incarnation, with a partition and a table folder of its own. kNotFound: there is none.
  Result<Topic> Remove(std::string_view topic);
  /// Whether a partition was that of a topic that is removed.
  bool WasRemoved(uint32_t partition) const;
  /// Returns all versions of the topic's contract that are known, the present one last. kNotFound:
  /// there is no such topic.
  Result<std::vector<event::Contract>> Versions(std::string_view topic) const;

  /// Returns the topic if the contract is as a version before its present one was. A schema that
  /// came over HTTP may not have been kept as a file: to take the older file for the next version
  /// would take fields away that events have.
  Result<std::optional<Topic>> FindLater(const event::Contract& contract) const;

  std::optional<Topic> Find(std::string_view topic) const;
  std::vector<Topic> All() const;

 private:
  Catalog(os::Disk& disk, std::string folder) : disk_(disk), folder_(std::move(folder)) {}
  Status Load();
  using Topics = std::map<std::string, Topic, std::less<>>;

  /// What the contract makes of `topics`, which it is put into, with `next_partition`.
  Result<Topic> Place(const event::Contract& contract, Topics& topics,
                      uint32_t& next_partition) const;
  /// Writes these, and what was removed: durable when this returns ok.
  Status Store(const Topics& topics, uint32_t next_partition) const;

  std::string VersionsFolder(const Topic& topic) const;

  os::Disk& disk_;
  const std::string folder_;
  mutable std::mutex
      mutex_;  // Guards what follows; held over the write of the file, which is rare.
  Topics topics_;
  struct Removed {
    std::string topic;
    uint32_t incarnation = 1;
  };
  std::map<uint32_t, Removed> removed_;  // By partition.
  uint32_t next_partition_ = 1;
};

/// Compares what decides about decoding and storing, not texts: whether `b` can be taken for `a`.
bool SameShape(const event::Contract& a, const event::Contract& b);

}  // namespace sluice::catalog
