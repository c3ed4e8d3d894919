#include "sluice/sql/internal/change_once.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <string>
#include <utility>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/duck/change_plan.h"
#include "sluice/sql/internal/change_reader.h"
#include "sluice/sql/internal/file_index.h"
#include "sluice/sql/table_relation.h"

namespace sluice::sql::internal {

namespace {

constexpr int64_t kHeldBytesMax = int64_t{256} << 20;  // Of new values, in this process.

// Whether a name in the statement is the table that it changes.
bool Means(const duck::RelationName& name, const TargetTable& target) {
  if (name.is_function) return false;
  if (target.schema.empty()) return name.schema.empty() && name.name == target.name;
  const std::string schema = name.schema.empty() ? "bronze" : LowerCase(name.schema);
  return schema == target.schema && LowerCase(name.name) == target.name;
}

}  // namespace

Status ChangeOnce::Run(worker::Pool& pool, const worker::Tenant& workers,
                       const worker::Query& query,
                       const std::shared_ptr<const lake::Snapshot>& snapshot, lake::RowEdits& edits,
                       std::stop_token stop, Diagnostic& found) const {
  const auto look_up =
      [&](const duck::RelationName& name) -> Result<std::optional<duck::Relation>> {
    const bool to_change = name.arguments.contains(duck::kChangeArgument);
    if (!Means(name, target) || (!to_change && !name.arguments.empty())) {
      if (to_change) return Denied("the statement changes another table than its first words say");
      return relations(name);
    }
    // The same state in all places, and all of it landed.
    SLUICE_RETURN_IF_ERROR(snapshot->CheckOwnFiles(), "table '{}'", target.Label());
    SLUICE_RETURN_IF_ERROR(target.table->MakeLocal(snapshot->files()));
    duck::Relation relation;
    relation.schema_name = target.schema;
    relation.name = target.name;
    relation.schema = snapshot->schema();
    if (to_change) {
      SLUICE_RETURN_IF_ERROR(AddFilesToChange(*target.table, snapshot, indexes, relation));
    } else {
      edits.LooksAtTable();
      SLUICE_RETURN_IF_ERROR(AddFiles(*target.table, snapshot, indexes, relation));
    }
    return std::optional(std::move(relation));
  };
  ChangeReader reader(kind, edits, target.fit, kHeldBytesMax);
  const auto outcome = pool.Run(workers, query, look_up, reader, std::move(stop), &found);
  if (outcome.ok()) return reader.Finish();
  const ErrorCode code = outcome.error().code();
  if (found.code.empty() && code == ErrorCode::kInvalid) found.code = "SL2111";
  return outcome.error();
}

Result<columnar::Batch> AnswerOf(const lake::ChangeReport& report) {
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, int64_t>>{
           {"rows_deleted", report.rows_deleted},
           {"rows_updated", report.rows_updated},
           {"rows_inserted", report.rows_inserted},
           {"version", report.snapshot->version()}}) {
    arrow::Int64Builder builder;
    SLUICE_RETURN_IF_ERROR(columnar::FromArrow(builder.Append(value)));
    SLUICE_ASSIGN_OR_RETURN(columns.emplace_back(), columnar::FromArrow(builder.Finish()));
    fields.push_back(arrow::field(name, arrow::int64()));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), 1, std::move(columns));
}

}  // namespace sluice::sql::internal
