#pragma once
/// \file
/// How far the topics of a project had come when its server ended, by the journal that it left.

#include <cstdint>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/journal.h"
#include "sluice/os/disk.h"

namespace sluice::cli::internal {

/// One topic in the journal.
struct TopicCut {
  std::string topic;
  std::string table_path;  ///< Relative to the folder of all tables.
  int64_t end = 0;         ///< Behind the last acknowledged offset; 0 if the journal has none.
  int64_t kept_from = 0;   ///< The first offset of which the journal has the row; `end`: of none.
  std::vector<journal::Loss> given_up = {};  ///< That may not stand in the table yet.
};

/// What is known without a server.
struct JournalCut {
  /// By the catalog. Where the journal could not be read, `end` and `kept_from` are 0.
  std::vector<TopicCut> topics;
  /// kNotFound: there is no journal, or no catalog. kConflict: a process has the journal open, so
  /// its end is where that process says. kCorrupt: it is damaged, so its end is not known.
  Status journal = {};
};

/// Reads the whole journal in the data directory `data`, and the catalog beside it; changes
/// nothing.
JournalCut ReadJournalCut(os::Disk& disk, const std::string& data);

}  // namespace sluice::cli::internal
