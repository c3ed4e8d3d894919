#include "sluice/lake/internal/statistics_check.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/compute/initialize.h>

#include "sluice/lake/internal/schema_json.h"

namespace sluice::lake::internal {

StatisticsCheck::StatisticsCheck(const arrow::Schema& schema, ColumnMapping mapping,
                                 const DataFile& file) {
  const StatisticsText statistics(file.stats);
  exact_ = file.deletion_vector == nullptr && statistics.tight();
  for (const auto& field : schema.fields()) {
    std::string name = field->name();
    if (mapping != ColumnMapping::kNone) {
      const std::string physical = Annotation(*field, "delta.columnMapping.physicalName");
      if (!physical.empty()) name = physical;
    }
    ColumnBounds bounds = statistics.Find({name}, field->type());
    if (bounds.low == nullptr && bounds.high == nullptr && !bounds.nulls) continue;
    columns_.push_back({.name = field->name(), .bounds = std::move(bounds)});
  }
}

void StatisticsCheck::Add(const arrow::RecordBatch& batch) {
  static const arrow::Status initialized = arrow::compute::Initialize();
  if (!initialized.ok()) return;  // Nothing can be compared, so nothing is found wrong.
  for (Column& column : columns_) {
    const auto values = batch.GetColumnByName(column.name);
    if (values == nullptr) continue;
    column.nulls += values->null_count();
    if (column.bounds.low == nullptr && column.bounds.high == nullptr) continue;
    const auto bounds = arrow::compute::MinMax(values);
    if (!bounds.ok()) continue;  // No order, no bounds.
    const auto& both = static_cast<const arrow::StructScalar&>(*bounds->scalar());
    const BoundValue low = ToBoundValue(*both.value[0]);
    const BoundValue high = ToBoundValue(*both.value[1]);
    const auto less = [](const BoundValue& a, const BoundValue& b) {
      return a.index() == b.index() && a.index() != 0 && a < b;
    };
    if (column.bounds.low != nullptr && less(low, ToBoundValue(*column.bounds.low))) {
      column.below = true;
    }
    if (column.bounds.high != nullptr && less(ToBoundValue(*column.bounds.high), high)) {
      column.above = true;
    }
  }
}

std::vector<std::string> StatisticsCheck::Finish() const {
  std::vector<std::string> faults;
  for (const Column& column : columns_) {
    if (column.below) {
      faults.push_back(fmt::format("column '{}' has a value below its minimum", column.name));
    }
    if (column.above) {
      faults.push_back(fmt::format("column '{}' has a value above its maximum", column.name));
    }
    if (exact_ && column.bounds.nulls && *column.bounds.nulls != column.nulls) {
      faults.push_back(fmt::format("column '{}' has {} nulls, the statistics say {}", column.name,
                                   column.nulls, *column.bounds.nulls));
    }
  }
  return faults;
}

}  // namespace sluice::lake::internal
