#pragma once
/// \file
/// Files whose rows were written to other files, on their way into a commit that changes no rows.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/lake/compact_files.h"
#include "sluice/lake/internal/row_files.h"
#include "sluice/lake/internal/table_log.h"

namespace sluice::lake::internal {

/// Returns the bytes of all of them.
int64_t BytesOf(const std::vector<DataFile>& files);

/// How much is rewritten, and how fast.
///
/// Not thread-safe.
class RewritePace {
 public:
  /// `options`: of CompactFiles() or ClusterFiles().
  template <typename Options>
  explicit RewritePace(const Options& options)
      : bytes_max_(options.bytes_max), go_on_(options.go_on), pace_(options.pace) {}

  /// Whether files of so many bytes are rewritten, too: however many they are, if they are the
  /// first.
  bool MayBegin(int64_t bytes);
  /// Tells of rows of `file` that were copied, and may wait. kUnavailable: no more shall be read.
  Status Copied(const DataFile& file, int64_t rows);
  /// Whether Copied() has said so.
  bool stopped() const { return stopped_; }

 private:
  const int64_t bytes_max_;
  const std::function<bool()> go_on_;
  const std::function<bool(int64_t bytes)> pace_;
  int64_t bytes_ = 0;  // Begun.
  bool stopped_ = false;
};

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
