#pragma once
/// \file
/// A copy of a journal as it is at one moment, taken beside the process that writes it.

#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/journal/inspect.h"
#include "sluice/os/copy_file.h"
#include "sluice/os/disk.h"

namespace sluice::journal {

/// What CopyJournal() made.
struct JournalCopy {
  struct File {
    std::string name;  ///< In the folder.
    os::CopiedBytes content;
  };
  std::vector<File> files;
  /// The copy, read back: sound, with the offsets that it ends at.
  Inspection found;
};

/// Copies the journal in `folder` into the folder `target`, which must be empty or absent.
///
/// The copy has every row that was acknowledged before the call, and nothing that a crash of the
/// writer could still take back: it ends behind a group that is known to be synced. Where no
/// process has the journal open it has every whole group, as the next start would. Needs no place
/// in the journal's own folder, and the journal goes on meanwhile; segments that it lets go are
/// held until they are copied.
/// kNotFound: there is no journal. kCorrupt: it is damaged, see Inspect(). kUnavailable: a disk is
/// full or failed, or the writer synced nothing for seconds. What was written is then left behind.
Result<JournalCopy> CopyJournal(os::Disk& disk, const std::string& folder,
                                const std::string& target);

}  // namespace sluice::journal
