#pragma once
/// \file
/// Files whose rows were written to other files, on their way into a commit that changes no rows.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/lake/compact_files.h"
#include "sluice/lake/internal/row_files.h"
#include "sluice/lake/internal/table_log.h"

namespace sluice::lake::internal {

/// How many bytes of files are read and written where so many of a file's rows are copied: what is
/// copied is about as large as before.
int64_t CopiedBytes(const DataFile& file, int64_t rows);

/// What is not committed in the end is deleted.
///
/// Not thread-safe.
class FileRewrite {
 public:
  struct Options {
    std::map<std::string, std::string> parameters = {};  ///< Of the commit.
    std::string clustering_provider = {};                ///< Of its new files; empty: none.
  };
  /// Some files, and those that have their rows now.
  struct Part {
    std::vector<DataFile> from;
    StatePtr state;                                    ///< That it was made of.
    std::shared_ptr<const PartitionValues> tags = {};  ///< Of its new files.
    std::vector<std::unique_ptr<RowFiles>> to = {};
  };

  /// `table` and `write` must outlive the object.
  FileRewrite(DeltaTable& table, StatePtr state, const AppendOptions& write, Options options);
  FileRewrite(const FileRewrite&) = delete;
  FileRewrite& operator=(const FileRewrite&) = delete;
  ~FileRewrite();

  const StatePtr& state() const { return state_; }
  CompactReport& report() { return report_; }

  /// Adds a part, to be filled before Commit().
  Part& Begin(std::vector<DataFile> from);
  /// Throws the last part away.
  void DropLast();
  /// The same, because one of its files is gone. kNotFound: the log still names it.
  Status GiveUpLast(const DataFile& file);

  /// Commits all parts; those of which another writer took files away are thrown away.
  Status Commit();

 private:
  static void Discard(Part& part);
  Status DropGone();

  DeltaTable& table_;
  const AppendOptions& write_;
  const Options options_;
  const TableLog log_;
  StatePtr state_;
  std::vector<Part> parts_;
  CompactReport report_;
};

}  // namespace sluice::lake::internal
