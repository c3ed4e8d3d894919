#pragma once
/// \file
/// What a backup says of itself: the file `backup` in its folder, written last.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"
#include "sluice/os/copy_file.h"
#include "sluice/os/disk.h"

namespace sluice::backup {

/// The parts of a backup: one folder each, and what restoring puts them into.
inline constexpr std::string_view kProject = "project/";  ///< `sluice.yaml` and `schemas/`
inline constexpr std::string_view kData = "data/";        ///< `journal/`, `control/`, `tables/`
inline constexpr std::string_view kKeys = "keys/";        ///< The key file, and tokens.

/// One file, by its path in the backup.
struct StoredFile {
  std::string path;
  os::CopiedBytes content;
};

/// A table at the moment of the backup.
struct StoredTable {
  std::string topic;  ///< Empty: of a topic that was removed.
  std::string path;   ///< In the folder of tables.
  int64_t version = 0;
  int64_t landed = -1;  ///< The last offset in it; -1: none.
  int64_t next = 0;     ///< The topic's next offset: what lies between is in the journal.
};

/// What became of the key file.
enum class KeysInBackup : uint8_t {
  kLeftOut,  ///< Whoever restores must have it from elsewhere.
  kSealed,   ///< As it is: sealed under a key that is not in the backup.
  kClear,    ///< Because that was asked for.
};
/// `left out`, `sealed`, `clear`
std::string_view ToString(KeysInBackup keys);

/// All that is in a backup.
struct Contents {
  os::Timestamp made{};
  std::string program;  ///< Version of what made it.
  std::string project;
  std::string journal;  ///< Its uuid.
  KeysInBackup keys = KeysInBackup::kLeftOut;
  std::string
      tables_at;  ///< Address of the tables, where they are elsewhere; empty: in the backup.
  std::vector<StoredTable> tables;
  std::vector<StoredFile> files;

  uint64_t Bytes() const;
};

/// Writes the list, durably: from then on the folder is a backup.
Status WriteContents(os::Disk& disk, const std::string& folder, const Contents& contents);

/// kNotFound: the folder is no backup, or one that was cut short. kCorrupt: the list is damaged.
/// kUnsupported: a newer program made it.
Result<Contents> ReadContents(os::Disk& disk, const std::string& folder);

/// Reads every file of a backup. kCorrupt: names those that are damaged or missing, the first ten.
Status CheckFiles(os::Disk& disk, const std::string& folder, const Contents& contents);

}  // namespace sluice::backup
