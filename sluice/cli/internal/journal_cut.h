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
  std::vector<journal::Loss> given_up = {};  ///< That may not stand in the table yet.
};

/// Reads the whole journal in the data directory `data`, and the catalog beside it; changes
/// nothing.
///
/// kNotFound: there is no journal or no catalog. kConflict: a process has the journal open, so its
/// end is where that process says. kCorrupt: it is damaged, so its end is not known.
Result<std::vector<TopicCut>> ReadJournalCut(os::Disk& disk, const std::string& data);

}  // namespace sluice::cli::internal
