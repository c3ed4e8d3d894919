#pragma once
/// \file
/// One commit of a table's log, as it was written.

#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"

namespace sluice::lake {

/// What a commit says of files and transactions.
struct Commit {
  Version version = 0;
  int64_t timestamp_ms = 0;  ///< By the writer's clock; 0 if it did not say.
  std::string operation;     ///< Such as `DELETE`; empty if the writer did not say.
  std::string engine;        ///< `engineInfo`, or `clientVersion`; empty if it did not say.
  std::vector<DataFile> added;
  /// Without statistics and rows, which the log does not keep of such; the snapshot before has
  /// them.
  std::vector<DataFile> removed;
  std::vector<Transaction> transactions;
  /// Whether any of the files changes the rows of the table; false for compactions.
  bool data_change = false;
};

/// Reads one commit. kNotFound: the log does not, or no longer, have it.
Result<Commit> ReadCommit(const DeltaTable& table, Version version);

/// Whether the log has no commit behind the snapshot's version, and still has that one: two looks
/// at names. False also where the store does not tell.
bool IsNewest(const DeltaTable& table, const Snapshot& snapshot);

/// Returns the oldest version whose commit the log still has, with all later ones. kNotFound: there
/// is none.
Result<Version> OldestCommit(const DeltaTable& table);

}  // namespace sluice::lake
