#pragma once
/// \file
/// Tables that are not ours, named in queries by where they are.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/lake/delta_table.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"
#include "sluice/store/store_set.h"

namespace sluice::sql {

struct ExternalOptions {
  /// Folders (`/data/lake`, `s3://bucket/lake`) in which tables may be named; all others are
  /// denied.
  std::vector<std::string> allowed = {};
  std::string cache_folder = {};  ///< Absolute; for files of buckets, which queries read from here.
  uint64_t cache_bytes_max = 10ull << 30;
};

/// Opens tables by address, and keeps the states of those asked for last.
///
/// Thread-safe. Holds no lock over I/O.
class ExternalTables {
 public:
  /// All references must outlive the object.
  ExternalTables(ExternalOptions options, store::StoreSet& stores, os::Disk& disk,
                 const os::Clock& clock, os::Random& random);
  ~ExternalTables();

  /// The folders of this machine that queries read for these tables.
  std::vector<std::string> LocalFolders() const;

  /// A table, valid for as long as it is held. kDenied: the address is in none of the allowed
  /// folders. kInvalid: it is no absolute address.
  Result<std::shared_ptr<const lake::DeltaTable>> Open(std::string_view address);

  /// Returns the newest state of a table that Open() gave.
  Result<std::shared_ptr<const lake::Snapshot>> Load(const lake::DeltaTable& table);

 private:
  struct Opened;
  Result<std::shared_ptr<Opened>> Make(const std::string& address);

  const ExternalOptions options_;
  store::StoreSet& stores_;
  os::Disk& disk_;
  const os::Clock& clock_;
  os::Random& random_;
  std::mutex mutex_;  // Guards what follows, and the snapshots in it.
  uint64_t uses_ = 0;
  std::map<std::string, std::shared_ptr<Opened>> opened_;  // By address.
};

}  // namespace sluice::sql
