#include "sluice/lake/internal/read_plan.h"

#include <arrow/api.h>

#include <algorithm>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/schema_json.h"

namespace sluice::lake::internal {

namespace {

using Source = ReadPlan::Source;

// Adds a column of the table by name.
Status AddColumn(const TableState& state, const std::string& name, ReadPlan& plan) {
  for (const auto& field : state.annotated_schema()->fields()) {
    if (LowerCase(field->name()) != LowerCase(name)) continue;
    const bool partition =
        std::ranges::find_if(state.partition_columns(), [&](const std::string& column) {
          return LowerCase(column) == LowerCase(field->name());
        }) != state.partition_columns().end();
    plan.columns.push_back({field, partition ? Source::kPartition : Source::kFile});
    return {};
  }
  return Invalid("the table has no column '{}'", name);
}

void MakeSchema(ReadPlan& plan) {
  arrow::FieldVector fields;
  for (const ReadPlan::Column& column : plan.columns) {
    // Older files may lack what must not be null today.
    fields.push_back(WithoutAnnotations(*column.field)->WithNullable(true));
  }
  plan.schema = arrow::schema(std::move(fields));
}

}  // namespace

Result<ReadPlan> MakeReadPlan(const TableState& state, const ScanOptions& options) {
  ReadPlan plan;
  plan.mapping = MappingOf(state.metadata());
  plan.zone = options.zone;
  plan.batch_rows = std::max<int64_t>(options.batch_rows, 1);
  const std::vector<std::string> names =
      options.columns ? *options.columns : state.schema()->field_names();
  for (const std::string& name : names) SLUICE_RETURN_IF_ERROR(AddColumn(state, name, plan));
  if (options.row_ids) {
    const auto& properties = state.properties();
    if (LowerCase(Property(properties, "delta.enableRowTracking", "false")) != "true") {
      return Unsupported("the table does not track its rows");
    }
    plan.row_id_column = Property(properties, "delta.rowTracking.materializedRowIdColumnName", "");
    plan.version_column =
        Property(properties, "delta.rowTracking.materializedRowCommitVersionColumnName", "");
    plan.columns.push_back({arrow::field("_row_id", arrow::int64()), Source::kRowId});
    plan.columns.push_back(
        {arrow::field("_row_commit_version", arrow::int64()), Source::kCommitVersion});
  }
  if (options.positions) {
    plan.columns.push_back({arrow::field("_file", arrow::utf8()), Source::kPath});
    AddPositions(plan);
  }
  MakeSchema(plan);
  return plan;
}

void AddPositions(ReadPlan& plan) {
  plan.columns.push_back({arrow::field("_file_row", arrow::int64()), Source::kPosition});
  MakeSchema(plan);
}

Result<ReadPlan> PositionsPlan(const TableState& state, const std::vector<std::string>& columns,
                               const std::string& zone) {
  SLUICE_ASSIGN_OR_RETURN(ReadPlan plan, MakeReadPlan(state, {.columns = columns, .zone = zone}));
  AddPositions(plan);
  return plan;
}

Status AddFilterColumns(const TableState& state, const Expression& filter, ReadPlan& plan) {
  for (const std::string& name : filter.columns()) {
    const bool present = std::ranges::any_of(plan.columns, [&](const ReadPlan::Column& column) {
      return LowerCase(column.field->name()) == LowerCase(name);
    });
    if (!present) SLUICE_RETURN_IF_ERROR(AddColumn(state, name, plan));
  }
  MakeSchema(plan);
  return {};
}

}  // namespace sluice::lake::internal
