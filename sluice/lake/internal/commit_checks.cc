#include "sluice/lake/internal/commit_checks.h"

#include <arrow/api.h>

#include <algorithm>
#include <set>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

bool AsksForValues(const arrow::Field& field) {
  for (const std::string_view key : {"delta.generationExpression", "CURRENT_DEFAULT",
                                     "delta.invariants", "delta.identity.start"}) {
    if (!Annotation(field, key).empty()) return true;
  }
  return false;
}

// Whether rows written under `before` fit under `now`: it is the same, but for fields inside
// structs that may be null, as they are in our rows.
bool IsSameOrWider(const arrow::Field& before, const arrow::Field& now) {
  if (before.Equals(now, /*check_metadata=*/true)) return true;
  const auto& have = *before.type();
  const auto& want = *now.type();
  if (have.id() != want.id() || !before.WithType(now.type())->Equals(now, true)) return false;
  if (have.id() == arrow::Type::LIST) return IsSameOrWider(*have.field(0), *want.field(0));
  if (have.id() != arrow::Type::STRUCT) return false;
  int kept = 0;
  for (const auto& field : want.fields()) {
    const auto found = static_cast<const arrow::StructType&>(have).GetFieldByName(field->name());
    if (found == nullptr ? !field->nullable() || AsksForValues(*field)
                         : !IsSameOrWider(*found, *field)) {
      return false;
    }
    kept += found == nullptr ? 0 : 1;
  }
  return kept == have.num_fields();
}

std::map<std::string, std::string> Constraints(const Snapshot& snapshot) {
  std::map<std::string, std::string> constraints;
  for (const auto& [name, text] : snapshot.properties()) {
    if (name.starts_with("delta.constraints.")) constraints.emplace(name, text);
  }
  return constraints;
}

}  // namespace

Standing Judge(const Snapshot& snapshot, const AppendOptions& options) {
  if (!options.expect) return Standing::kFree;
  const auto ours =
      std::ranges::find(options.transactions, options.expect->app_id, &Transaction::app_id);
  const auto found = snapshot.TransactionVersion(options.expect->app_id);
  if (found == options.expect->expected) return Standing::kFree;
  if (found && *found >= ours->version) return Standing::kDone;
  return Standing::kBroken;
}

Error BrokenExpectation(const Snapshot& snapshot, const AppendOptions::Expectation& expect) {
  const auto text = [](std::optional<int64_t> version) {
    return version ? std::to_string(*version) : "none";
  };
  return Conflict("application '{}' is at {}, expected {}", expect.app_id,
                  text(snapshot.TransactionVersion(expect.app_id)), text(expect.expected));
}

Status CheckOptions(const AppendOptions& options) {
  std::set<std::string> app_ids;
  for (const Transaction& transaction : options.transactions) {
    if (!app_ids.insert(transaction.app_id).second) {
      return Invalid("application '{}' has two transactions in one commit", transaction.app_id);
    }
  }
  if (options.expect && !app_ids.contains(options.expect->app_id)) {
    return Invalid("the expectation of application '{}' needs a transaction of it",
                   options.expect->app_id);
  }
  return {};
}

Status CheckStillFits(const TableState& base, const TableState& now, const AppendOptions& options) {
  SLUICE_RETURN_IF_ERROR(now.CheckWritable());
  if (now.table_id() != base.table_id()) {
    return Conflict("the table was replaced by another one while we wrote");
  }
  if (now.partition_columns() != base.partition_columns()) {
    return Conflict("the partition columns were changed by another writer");
  }
  for (const auto& field : now.annotated_schema()->fields()) {
    const auto before = base.annotated_schema()->GetFieldByName(field->name());
    // A new column that is more than nullable asks for values that our files do not have.
    const bool asks = before == nullptr && (!field->nullable() || AsksForValues(*field));
    if (asks || (before != nullptr && !IsSameOrWider(*before, *field))) {
      return Conflict("column '{}' was changed by another writer", field->name());
    }
  }
  if (Constraints(now) != Constraints(base)) {
    return Conflict("the table's constraints were changed by another writer");
  }
  if (MappingOf(now.metadata()) != MappingOf(base.metadata())) {
    return Conflict("the table's column mapping was changed by another writer");
  }
  for (const auto& field : base.schema()->fields()) {
    if (now.schema()->GetFieldByName(field->name()) == nullptr) {
      return Conflict("column '{}' was dropped by another writer", field->name());
    }
  }
  for (const Transaction& transaction : options.transactions) {
    if (now.TransactionVersion(transaction.app_id) != base.TransactionVersion(transaction.app_id)) {
      return Conflict("application '{}' was moved by another writer", transaction.app_id);
    }
  }
  return {};
}

Result<Expression> ParseCondition(std::string_view text, const arrow::Schema& schema) {
  SLUICE_ASSIGN_OR_RETURN(Expression condition, Expression::Parse(text));
  SLUICE_ASSIGN_OR_RETURN(
      const auto no_rows,
      columnar::FromArrow(arrow::RecordBatch::MakeEmpty(std::make_shared<arrow::Schema>(schema))));
  SLUICE_ASSIGN_OR_RETURN(const auto held, condition.Evaluate(*no_rows));
  if (held->type_id() != arrow::Type::BOOL) return Invalid("'{}' is no condition", text);
  return condition;
}

}  // namespace sluice::lake::internal
