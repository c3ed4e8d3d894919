#pragma once
/// \file
/// The files of a relation, as many as a query needs.

#include "duckdb/common/multi_file/multi_file_list.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/duck/internal/relations.h"

namespace sluice::duck::internal {

/// Files of a relation that has an index: all of them, or those left by a query's conditions.
///
/// Immutable.
class IndexedFileList final : public duckdb::MultiFileList {
 public:
  /// `bound` must outlive the list. kInvalid: the index has no paths.
  static Result<duckdb::shared_ptr<duckdb::MultiFileList>> Make(const BoundRelation& bound);

  IndexedFileList(const BoundRelation& bound, std::vector<int64_t> rows)
      : bound_(bound), rows_(std::move(rows)) {}

  /// Returns the files that may have rows for which all `filters` hold; nullptr: all of these.
  duckdb::unique_ptr<MultiFileList> ComplexFilterPushdown(
      duckdb::ClientContext& context, const duckdb::MultiFileOptions& options,
      duckdb::MultiFilePushdownInfo& info,
      duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& filters) const override;

  duckdb::vector<duckdb::OpenFileInfo> GetAllFiles() const override;
  duckdb::FileExpandResult GetExpandResult() const override;
  duckdb::idx_t GetTotalFileCount() const override { return rows_.size(); }
  duckdb::unique_ptr<MultiFileList> Copy() const override;

 protected:
  bool FileIsAvailable(duckdb::idx_t) const override { return true; }
  duckdb::OpenFileInfo GetFile(duckdb::idx_t i) const override;

 private:
  const BoundRelation& bound_;
  const std::vector<int64_t> rows_;  // Of the index, one a file.
};

}  // namespace sluice::duck::internal
