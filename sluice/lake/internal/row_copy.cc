#include "sluice/lake/internal/row_copy.h"

#include <arrow/api.h>
#include <simdjson.h>

#include <algorithm>
#include <set>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/read_plan.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/stored_files.h"

namespace sluice::lake::internal {

RowCopy::RowCopy(const DeltaTable& table) : places_(table.store(), table.root(), table.foreign()) {}

Result<RowCopy> RowCopy::Of(const DeltaTable& table, const TableState& state,
                            const std::string& zone, int64_t memory_bytes_max) {
  RowCopy copy(table);
  const bool tracks = IsOn(state.properties(), "delta.enableRowTracking");
  SLUICE_ASSIGN_OR_RETURN(copy.plan_, MakeReadPlan(state, {.row_ids = tracks, .zone = zone}));
  copy.plan_.memory_bytes_max = memory_bytes_max;
  if (!tracks) return copy;
  for (const char* name : {"delta.rowTracking.materializedRowIdColumnName",
                           "delta.rowTracking.materializedRowCommitVersionColumnName"}) {
    const std::string column(Property(state.properties(), name, ""));
    if (column.empty()) return Corrupt("a table that tracks rows lacks '{}'", name);
    copy.extra_.push_back(arrow::field(column, arrow::int64()));
  }
  return copy;
}

ReadPlan RowCopy::WithPositions() const {
  ReadPlan plan = plan_;
  AddPositions(plan);
  return plan;
}

Status RowCopy::Read(const DataFile& file,
                     const std::function<Status(const columnar::Batch& rows)>& use) const {
  SLUICE_ASSIGN_OR_RETURN(const auto reader, DataFileReader::Open(places_, file, plan_));
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, reader->Next());
    if (batch == nullptr) return {};
    SLUICE_RETURN_IF_ERROR(use(batch));
  }
}

std::vector<std::string> ColumnsWithoutBounds(const TableState& state,
                                              const std::vector<DataFile>& files) {
  std::set<std::string> bounded;
  simdjson::dom::parser parser;
  for (const DataFile& file : files) {
    simdjson::dom::element stats;
    if (parser.parse(file.stats.data(), file.stats.size()).get(stats) != simdjson::SUCCESS) {
      continue;
    }
    for (const auto& field : state.schema()->fields()) {
      const std::string name = NameInLog(state, field->name());
      simdjson::dom::element bound;
      int64_t nulls = -1;
      const bool has_bound = stats["minValues"][name].get(bound) == simdjson::SUCCESS;
      const bool all_null = stats["nullCount"][name].get(nulls) == simdjson::SUCCESS && file.rows &&
                            nulls == *file.rows;
      if (has_bound || all_null) bounded.insert(field->name());
    }
  }
  std::vector<std::string> without;
  for (const auto& field : state.schema()->fields()) {
    const auto& partition = state.partition_columns();
    const bool partitions = std::ranges::find(partition, field->name()) != partition.end();
    if (!partitions && !bounded.contains(field->name())) without.push_back(field->name());
  }
  return without;
}

}  // namespace sluice::lake::internal
