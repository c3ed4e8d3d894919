#pragma once
/// \file
/// Commands on the files of a journal: without a server, or beside it.

#include <string>

#include "sluice/cli/internal/commands.h"

namespace sluice::cli::internal {

struct JournalArguments {
  std::string folder;  ///< Of the journal; the project's if empty.
  std::string topic;   ///< `dump`: only of this one.
  bool rows = false;   ///< `dump`: rows, not frames.
  bool accept_loss = false;
  std::string reason;
};

/// Reads all of it; exit code 1 if something is damaged.
int VerifyJournal(const Global& global, const JournalArguments& arguments);
/// Lists the segments.
int InspectJournal(const Global& global, const JournalArguments& arguments);
/// Writes frames, or rows, a line each.
int DumpJournal(const Global& global, const JournalArguments& arguments);
int RepairJournal(const Global& global, const JournalArguments& arguments);

}  // namespace sluice::cli::internal
