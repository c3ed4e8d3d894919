#pragma once
/// \file
/// The files of a relation, as many as a query needs.

#include "duckdb/common/multi_file/multi_file_list.hpp"

#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

  /// Returns the row of the index that `file` comes from; absent: it comes from no index.
  static std::optional<int64_t> RowOf(const duckdb::OpenFileInfo& file);
  /// Returns which rows of the file are not there, as columnar::RowRuns encodes them; empty: none.
  static std::string_view DeletedOf(const BoundRelation& bound, int64_t row);

  /// Returns how many rows the files have that are there; absent: not known of each of them.
  std::optional<int64_t> KnownRows() const;

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

/// Returns the values of a column that is the same in all rows of a file, one a file; null: the
/// files have it.
const arrow::Array* ValuesOf(const BoundRelation& bound, size_t column);
/// Whether the file has the column itself even so.
bool HasItself(const BoundRelation& bound, size_t column, int64_t row);

}  // namespace sluice::duck::internal
