#pragma once
/// \file
/// How DuckDB reads the files of a relation.

#include "duckdb/common/multi_file/multi_file_reader.hpp"

#include "sluice/duck/internal/relations.h"

namespace sluice::duck::internal {

/// Reads the files of a relation. Knows their columns without opening one: files differ as schemas
/// grow, and there may be very many.
class RelationFileReader final : public duckdb::MultiFileReader {
 public:
  static duckdb::unique_ptr<MultiFileReader> Create(const duckdb::TableFunction&);

  /// `paths` is the slot of the relation.
  duckdb::shared_ptr<duckdb::MultiFileList> CreateFileList(
      duckdb::ClientContext& context, const duckdb::vector<duckdb::string>& paths,
      const duckdb::FileGlobInput& input) override;

  bool Bind(duckdb::MultiFileOptions& options, duckdb::MultiFileList& files,
            duckdb::vector<duckdb::LogicalType>& types, duckdb::vector<duckdb::string>& names,
            duckdb::MultiFileReaderBindData& bind_data) override;

  /// Tells what the relation knows of one file: columns that are the same in all its rows, and rows
  /// that are not there.
  void FinalizeBind(duckdb::MultiFileReaderData& reader_data,
                    const duckdb::MultiFileOptions& file_options,
                    const duckdb::MultiFileReaderBindData& options,
                    const duckdb::vector<duckdb::MultiFileColumnDefinition>& global_columns,
                    const duckdb::vector<duckdb::ColumnIndex>& global_column_ids,
                    duckdb::ClientContext& context,
                    duckdb::optional_ptr<duckdb::MultiFileReaderGlobalState> global_state) override;

  duckdb::TablePartitionInfo GetPartitionInfo(duckdb::ClientContext& context,
                                              const duckdb::MultiFileReaderBindData& bind_data,
                                              duckdb::TableFunctionPartitionInput& input) override;

  duckdb::unique_ptr<MultiFileReader> Copy() const override;

 private:
  const BoundRelation* bound_ = nullptr;  // The query's, which outlives its plan.
};

}  // namespace sluice::duck::internal
