#include "sluice/ledger/internal/offset_reader.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include "sluice/columnar/batch.h"
#include "sluice/lake/scan.h"

namespace sluice::ledger::internal {

Status VisitOffsets(const lake::DeltaTable& table, const SnapshotPtr& snapshot, int threads,
                    const std::optional<std::set<std::string>>& files,
                    const std::function<void(std::optional<int64_t>)>& visit) {
  const std::string column = "_offset";
  if (snapshot->schema()->GetFieldByName(column) == nullptr) {
    return Invalid("it has no column '{}': it is no table that events land in", column);
  }
  lake::ScanOptions options;
  options.columns = {column};
  options.threads = threads;
  options.files = files;
  SLUICE_ASSIGN_OR_RETURN(const auto scan, lake::Scan::Open(table, snapshot, options));
  while (true) {
    SLUICE_ASSIGN_OR_RETURN(const columnar::Batch batch, scan->Next());
    if (batch == nullptr) return {};
    if (batch->column(0)->type_id() != arrow::Type::INT64) {
      return Corrupt("column '{}' is {}, not a whole number of 8 bytes", column,
                     batch->column(0)->type()->ToString());
    }
    const auto& offsets = static_cast<const arrow::Int64Array&>(*batch->column(0));
    for (int64_t i = 0; i < offsets.length(); ++i) {
      visit(offsets.IsNull(i) ? std::nullopt : std::optional(offsets.Value(i)));
    }
  }
}

}  // namespace sluice::ledger::internal
