#include "sluice/lake/internal/row_rules.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <simdjson.h>

#include <algorithm>
#include <set>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/match_structs.h"
#include "sluice/lake/internal/partition_value.h"
#include "sluice/lake/internal/schema_json.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;
using ArrayPtr = std::shared_ptr<arrow::Array>;

constexpr std::string_view kConstraintPrefix = "delta.constraints.";

int64_t NumberAnnotation(const arrow::Field& field, std::string_view key, int64_t otherwise) {
  const std::string text = Annotation(field, key);
  return text.empty() ? otherwise : std::strtoll(text.c_str(), nullptr, 10);
}

std::optional<Identity> IdentityOf(const arrow::Field& field) {
  if (Annotation(field, "delta.identity.start").empty() &&
      Annotation(field, "delta.identity.step").empty()) {
    return std::nullopt;
  }
  Identity identity{.start = NumberAnnotation(field, "delta.identity.start", 1),
                    .step = NumberAnnotation(field, "delta.identity.step", 1)};
  if (!Annotation(field, "delta.identity.highWaterMark").empty()) {
    identity.last = NumberAnnotation(field, "delta.identity.highWaterMark", 0);
  }
  identity.explicit_allowed = Annotation(field, "delta.identity.allowExplicitInsert") == "true";
  return identity;
}

// `{"expression":{"expression":"a > 3"}}`
Result<std::string> InvariantText(const std::string& json) {
  simdjson::dom::parser parser;
  std::string_view text;
  if (parser.parse(json.data(), json.size())["expression"]["expression"].get(text) !=
      simdjson::SUCCESS) {
    return Unsupported("an invariant that is no expression");
  }
  return std::string(text);
}

void CollectInvariants(const arrow::Field& field, std::vector<std::string>& texts) {
  std::string text = Annotation(field, "delta.invariants");
  if (!text.empty()) texts.push_back(std::move(text));
  for (const auto& child : field.type()->fields()) CollectInvariants(*child, texts);
}

Error NullWhereNoneMayBe(const std::string& name, int64_t count) {
  return Invalid("column '{}' must not be null, but is in {} rows", name, count);
}

// Nulls of members count only where their struct is there.
Status CheckNulls(const arrow::Array& array, const arrow::Field& field, const std::string& name) {
  if (!field.nullable() && array.null_count() > 0)
    return NullWhereNoneMayBe(name, array.null_count());
  switch (array.type_id()) {
    case arrow::Type::STRUCT: {
      const auto& members = static_cast<const arrow::StructArray&>(array);
      for (int i = 0; i < members.num_fields(); ++i) {
        const arrow::Field& member = *field.type()->field(i);
        const std::string path = name + "." + member.name();
        SLUICE_ASSIGN_OR_RETURN(const ArrayPtr flat, FromArrow(members.GetFlattenedField(i)));
        const int64_t own = flat->null_count() - array.null_count();
        if (!member.nullable() && own > 0) return NullWhereNoneMayBe(path, own);
        SLUICE_RETURN_IF_ERROR(CheckNulls(*flat, *member.WithNullable(true), path));
      }
      return {};
    }
    case arrow::Type::LIST:
    case arrow::Type::MAP: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      const auto used = list.Flatten();
      SLUICE_RETURN_IF_ERROR(FromArrow(used.status()));
      return CheckNulls(**used, *field.type()->field(0), name + ".element");
    }
    default:
      return {};
  }
}

Result<ArrayPtr> CastColumn(const ArrayPtr& column, const arrow::Field& field) {
  if (column->type()->Equals(*field.type())) return column;
  const auto wanted = TableType(*column->type());
  if (column->type_id() == arrow::Type::NA) {
    return FromArrow(arrow::MakeArrayOfNull(field.type(), column->length()));
  }
  const bool same = wanted.ok() && (*wanted)->Equals(*field.type());
  ArrayPtr cast = column;
  if (wanted.ok() && !(*wanted)->Equals(*column->type())) {
    SLUICE_RETURN_IF_ERROR(columnar::InitializeCompute());
    const auto& type = same ? field.type() : *wanted;
    SLUICE_ASSIGN_OR_RETURN(cast, FromArrow(arrow::compute::Cast(*column, type)), "column '{}'",
                            field.name());
  }
  if (same) return cast;
  // Structs may lack fields that another writer added, or have them in another order.
  auto matched = columnar::MatchStructs(cast, field);
  if (!wanted.ok() || !matched.ok() || !(*matched)->type()->Equals(*field.type())) {
    return Invalid("column '{}' is {}, but {} in the table", field.name(),
                   column->type()->ToString(), field.type()->ToString());
  }
  return std::move(*matched);
}

// Values of expressions may be of a nearby type: integers are longs, texts are dates.
Result<ArrayPtr> CastValue(const ArrayPtr& value, const arrow::Field& field) {
  if (value->type()->Equals(*field.type())) return value;
  auto cast = arrow::compute::Cast(*value, field.type());
  if (!cast.ok()) {
    return Invalid("column '{}': its expression makes {}, not {}", field.name(),
                   value->type()->ToString(), field.type()->ToString());
  }
  return std::move(cast).ValueUnsafe();
}

Status CheckColumnNames(const arrow::Schema& table, const arrow::Schema& rows) {
  std::set<std::string> present;
  for (const auto& field : rows.fields()) {
    if (table.GetFieldByName(field->name()) == nullptr) {
      return Invalid("the table has no column '{}'", field->name());
    }
    if (!present.insert(field->name()).second) {
      return Invalid("column '{}' is there twice", field->name());
    }
  }
  return {};
}

Error NotAsGenerated(const std::string& name, const Expression& expression) {
  return Invalid("column '{}' is generated as {}, but other values were given", name,
                 expression.text());
}

// Whether generated values are what was given: null equals null.
Result<bool> AllEqual(const ArrayPtr& given, const ArrayPtr& expected) {
  arrow::EqualOptions options;
  return given->Equals(*expected, options.nans_equal(true));
}

}  // namespace

Result<int64_t> Identity::Next() {
  int64_t value = start;
  if (last && __builtin_add_overflow(*last, step, &value)) {
    return Invalid("the values of an identity column are used up");
  }
  last = value;
  return value;
}

Result<RowRules> RowRules::Of(const TableState& table) {
  SLUICE_RETURN_IF_ERROR(columnar::InitializeCompute());
  RowRules rules;
  rules.schema_ = table.schema();
  rules.partition_columns_ = table.partition_columns();
  const auto parse = [](const std::string& name, const std::string& text, std::string_view feature,
                        std::vector<Rule>& into) -> Status {
    auto expression = Expression::Parse(text);
    if (!expression.ok()) {
      return Unsupported("the table uses the writer feature '{}' ({}): {}", feature, name,
                         expression.error().message());
    }
    into.push_back({name, std::move(*expression)});
    return {};
  };
  for (const auto& field : table.annotated_schema()->fields()) {
    if (auto identity = IdentityOf(*field)) rules.identities_.emplace(field->name(), *identity);
    const std::string generated = Annotation(*field, "delta.generationExpression");
    if (!generated.empty()) {
      SLUICE_RETURN_IF_ERROR(parse(field->name(), generated, "generatedColumns", rules.generated_));
    }
    const std::string otherwise = Annotation(*field, "CURRENT_DEFAULT");
    if (!otherwise.empty()) {
      SLUICE_RETURN_IF_ERROR(
          parse(field->name(), otherwise, "allowColumnDefaults", rules.defaults_));
    }
    std::vector<std::string> invariants;
    CollectInvariants(*field, invariants);
    for (const std::string& json : invariants) {
      SLUICE_ASSIGN_OR_RETURN(const std::string text, InvariantText(json));
      SLUICE_RETURN_IF_ERROR(parse(field->name(), text, "invariants", rules.constraints_));
    }
  }
  for (const auto& [name, text] : table.properties()) {
    if (!name.starts_with(kConstraintPrefix)) continue;
    SLUICE_RETURN_IF_ERROR(
        parse(name.substr(kConstraintPrefix.size()), text, "checkConstraints", rules.constraints_));
  }
  return rules;
}

Result<columnar::Batch> RowRules::Apply(const arrow::RecordBatch& rows,
                                        const PartitionValues& partition,
                                        std::map<std::string, Identity>& identities,
                                        std::vector<std::string>& absent) const {
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (int i = 0; i < rows.num_columns(); ++i) {
    const auto& field = rows.schema()->field(i);
    if (std::ranges::find(partition_columns_, field->name()) != partition_columns_.end()) continue;
    fields.push_back(field);
    columns.push_back(rows.column(i));
  }
  for (const std::string& name : partition_columns_) {
    const auto field = schema_->GetFieldByName(name);
    const auto found = partition.find(name);
    const auto text = found == partition.end() ? std::nullopt : found->second;
    SLUICE_ASSIGN_OR_RETURN(const auto value, ParsePartitionValue(text, field->type()),
                            "partition column '{}'", name);
    SLUICE_ASSIGN_OR_RETURN(auto column,
                            FromArrow(arrow::MakeArrayFromScalar(*value, rows.num_rows())));
    fields.push_back(field);
    columns.push_back(std::move(column));
  }
  return Complete(*arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows.num_rows(),
                                            std::move(columns)),
                  identities, absent);
}

Result<columnar::Batch> RowRules::Complete(const arrow::RecordBatch& rows,
                                           std::map<std::string, Identity>& identities,
                                           std::vector<std::string>& absent) const {
  SLUICE_RETURN_IF_ERROR(CheckColumnNames(*schema_, *rows.schema()));
  const auto full_of = [&](const arrow::ArrayVector& columns) {
    return arrow::RecordBatch::Make(schema_, rows.num_rows(), columns);
  };
  arrow::ArrayVector columns;
  std::set<std::string> missing;
  for (const auto& field : schema_->fields()) {
    const auto given = rows.GetColumnByName(field->name());
    if (given != nullptr) {
      SLUICE_ASSIGN_OR_RETURN(auto column, CastColumn(given, *field));
      columns.push_back(std::move(column));
    } else {
      missing.insert(field->name());
      SLUICE_ASSIGN_OR_RETURN(auto column,
                              FromArrow(arrow::MakeArrayOfNull(field->type(), rows.num_rows())));
      columns.push_back(std::move(column));
    }
  }
  const auto column_of = [&](const std::string& name) -> ArrayPtr& {
    return columns[static_cast<size_t>(schema_->GetFieldIndex(name))];
  };
  for (const Rule& rule : defaults_) {
    if (!missing.contains(rule.name)) continue;
    SLUICE_ASSIGN_OR_RETURN(const ArrayPtr value, rule.expression.Evaluate(*full_of(columns)),
                            "default of '{}'", rule.name);
    SLUICE_ASSIGN_OR_RETURN(column_of(rule.name),
                            CastValue(value, *schema_->GetFieldByName(rule.name)));
    missing.erase(rule.name);
  }
  for (auto& [name, identity] : identities) {
    if (!missing.contains(name)) {
      if (!identity.explicit_allowed) {
        return Invalid("column '{}' is GENERATED ALWAYS AS IDENTITY: it cannot be given", name);
      }
      continue;
    }
    arrow::Int64Builder builder;
    SLUICE_RETURN_IF_ERROR(FromArrow(builder.Reserve(rows.num_rows())));
    for (int64_t row = 0; row < rows.num_rows(); ++row) {
      SLUICE_ASSIGN_OR_RETURN(const int64_t value, identity.Next(), "column '{}'", name);
      builder.UnsafeAppend(value);
    }
    SLUICE_ASSIGN_OR_RETURN(column_of(name), FromArrow(builder.Finish()));
    missing.erase(name);
  }
  for (const Rule& rule : generated_) {
    SLUICE_ASSIGN_OR_RETURN(const ArrayPtr raw, rule.expression.Evaluate(*full_of(columns)),
                            "generated column '{}'", rule.name);
    SLUICE_ASSIGN_OR_RETURN(const ArrayPtr value,
                            CastValue(raw, *schema_->GetFieldByName(rule.name)));
    if (missing.erase(rule.name) > 0) {
      column_of(rule.name) = value;
      continue;
    }
    SLUICE_ASSIGN_OR_RETURN(const bool equal, AllEqual(column_of(rule.name), value));
    if (!equal) {
      return NotAsGenerated(rule.name, rule.expression);
    }
  }
  const columnar::Batch full = full_of(columns);
  for (const std::string& name : missing) {
    if (!schema_->GetFieldByName(name)->nullable()) {
      return Invalid("column '{}' must not be null, but is missing", name);
    }
  }
  SLUICE_RETURN_IF_ERROR(CheckRows(*full));
  absent.assign(missing.begin(), missing.end());
  return full;
}

Status RowRules::CheckRows(const arrow::RecordBatch& full) const {
  for (int i = 0; i < full.num_columns(); ++i) {
    const arrow::Field& field = *schema_->field(i);
    SLUICE_RETURN_IF_ERROR(CheckNulls(*full.column(i), field, field.name()));
  }
  for (const Rule& rule : constraints_) {
    SLUICE_ASSIGN_OR_RETURN(const ArrayPtr held, rule.expression.Evaluate(full), "constraint '{}'",
                            rule.name);
    if (held->type_id() != arrow::Type::BOOL) {
      return Invalid("constraint '{}' ({}) is no condition", rule.name, rule.expression.text());
    }
    const int64_t broken =
        full.num_rows() - static_cast<const arrow::BooleanArray&>(*held).true_count();
    if (broken > 0) {
      return Invalid("{} rows break the constraint '{}' ({})", broken, rule.name,
                     rule.expression.text());
    }
  }
  return {};
}

Result<columnar::Batch> RowRules::Assign(const arrow::RecordBatch& rows,
                                         const arrow::RecordBatch& values,
                                         std::span<const Assignment> assignments) const {
  arrow::ArrayVector columns;
  for (int i = 0; i < schema_->num_fields(); ++i) columns.push_back(rows.column(i));
  std::set<int> assigned;
  for (const Assignment& assignment : assignments) {
    const int index = FindColumn(assignment.column);
    if (index < 0) return Invalid("the table has no column '{}'", assignment.column);
    const arrow::Field& field = *schema_->field(index);
    if (!assigned.insert(index).second) {
      return Invalid("column '{}' is assigned twice", field.name());
    }
    if (identities_.contains(field.name())) {
      return Invalid("column '{}' gives out identities: it cannot be assigned", field.name());
    }
    SLUICE_ASSIGN_OR_RETURN(const ArrayPtr value, assignment.value.Evaluate(values), "column '{}'",
                            field.name());
    SLUICE_ASSIGN_OR_RETURN(columns[static_cast<size_t>(index)], CastValue(value, field));
  }
  for (const Rule& rule : generated_) {
    const int index = schema_->GetFieldIndex(rule.name);
    if (assigned.contains(index)) continue;
    SLUICE_ASSIGN_OR_RETURN(
        const ArrayPtr value,
        rule.expression.Evaluate(*arrow::RecordBatch::Make(schema_, rows.num_rows(), columns)),
        "generated column '{}'", rule.name);
    SLUICE_ASSIGN_OR_RETURN(columns[static_cast<size_t>(index)],
                            CastValue(value, *schema_->field(index)));
  }
  return arrow::RecordBatch::Make(schema_, rows.num_rows(), std::move(columns));
}

Result<ArrayPtr> RowRules::AsColumn(const ArrayPtr& values, int column) const {
  return CastValue(values, *schema_->field(column));
}

bool RowRules::MakesItself(const std::string& column) const {
  return identities_.contains(column) ||
         std::ranges::find(generated_, column, &Rule::name) != generated_.end();
}

Result<columnar::Batch> RowRules::Check(const arrow::RecordBatch& rows) const {
  for (const Rule& rule : generated_) {
    const arrow::Field& field = *schema_->GetFieldByName(rule.name);
    SLUICE_ASSIGN_OR_RETURN(const ArrayPtr raw, rule.expression.Evaluate(rows),
                            "generated column '{}'", rule.name);
    SLUICE_ASSIGN_OR_RETURN(const ArrayPtr value, CastValue(raw, field));
    SLUICE_ASSIGN_OR_RETURN(const bool equal, AllEqual(rows.GetColumnByName(rule.name), value));
    if (!equal) return NotAsGenerated(rule.name, rule.expression);
  }
  SLUICE_RETURN_IF_ERROR(CheckRows(rows));
  return arrow::RecordBatch::Make(schema_, rows.num_rows(), rows.columns());
}

int RowRules::FindColumn(std::string_view name) const {
  for (int i = 0; i < schema_->num_fields(); ++i) {
    if (LowerCase(schema_->field(i)->name()) == LowerCase(name)) return i;
  }
  return -1;
}

}  // namespace sluice::lake::internal
