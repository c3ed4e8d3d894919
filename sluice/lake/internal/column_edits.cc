// The changes of columns that TableEditor makes.

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <fmt/format.h>

#include <algorithm>

#include "sluice/base/ascii.h"
#include "sluice/base/trim.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/column_mapping.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_editor.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/internal/type_widening.h"

namespace sluice::lake::internal {

namespace {

std::string Dotted(const ColumnPath& path) { return fmt::format("{}", fmt::join(path, ".")); }

Result<SchemaType> TreeOf(const arrow::DataType& type) {
  SLUICE_ASSIGN_OR_RETURN(auto table_type, TableType(type));
  SLUICE_ASSIGN_OR_RETURN(
      SchemaType schema,
      ParseSchemaTree(SchemaToJson(*arrow::schema({arrow::field("a", std::move(table_type))}))));
  return std::move(schema.fields[0].type);
}

Status CheckFieldNames(const SchemaType& type, const Metadata& metadata) {
  for (const SchemaField& field : type.fields) {
    SLUICE_RETURN_IF_ERROR(CheckColumnName(field.name, metadata));
    SLUICE_RETURN_IF_ERROR(CheckFieldNames(field.type, metadata));
  }
  for (const SchemaType& inner : type.inner) {
    SLUICE_RETURN_IF_ERROR(CheckFieldNames(inner, metadata));
  }
  return {};
}

// Where in the struct a field goes; those behind move on.
Result<size_t> PlaceIn(const SchemaType& holder, const ColumnPlace& place) {
  if (place.where == ColumnPlace::Where::kFirst) return size_t{0};
  if (place.where == ColumnPlace::Where::kLast) return holder.fields.size();
  const int neighbour = IndexOf(holder, place.neighbour);
  if (neighbour < 0) return Invalid("there is no column '{}' beside it", place.neighbour);
  return static_cast<size_t>(neighbour) + 1;
}

// Quotes the names, so that any of them is a column of an expression.
Result<std::string> Quoted(const ColumnPath& path) {
  std::string quoted;
  for (const std::string& name : path) {
    if (name.find('`') != std::string::npos) {
      return Unsupported("column '{}' has a '`' in its name", Dotted(path));
    }
    quoted += fmt::format("{}`{}`", quoted.empty() ? "" : ".", name);
  }
  return quoted;
}

// Where the property that lists columns with statistics names a renamed or dropped one.
void ReplaceInList(std::string& list, const std::string& before, const std::string& after) {
  std::string result;
  std::string_view rest = list;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view entry = Trim(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    const std::string lower = LowerCase(entry);
    std::string kept(entry);
    if (lower == LowerCase(before) || lower.starts_with(LowerCase(before) + ".")) {
      if (after.empty()) continue;
      kept = after + std::string(entry.substr(before.size()));
    }
    result += (result.empty() ? "" : ",") + kept;
  }
  list = result;
}

}  // namespace

Status TableEditor::Make(const AddColumn& change) {
  if (change.path.empty() || change.type == nullptr) return Invalid("a column needs name and type");
  const std::string& name = change.path.back();
  SLUICE_RETURN_IF_ERROR(CheckColumnName(name, metadata_));
  SchemaType* holder = &schema_;
  const ColumnPath parent(change.path.begin(), change.path.end() - 1);
  if (!parent.empty()) {
    SLUICE_ASSIGN_OR_RETURN(const FoundField found, FindField(schema_, parent));
    holder = found.type;
  }
  if (holder->kind != SchemaType::Kind::kStruct) {
    return Invalid("'{}' is no struct: fields can only be added to such", Dotted(parent));
  }
  if (IndexOf(*holder, name) >= 0) {
    return Invalid("there is a column '{}' already, without regard to case", Dotted(change.path));
  }
  SchemaField field{.name = name};
  SLUICE_ASSIGN_OR_RETURN(field.type, TreeOf(*change.type), "column '{}'", Dotted(change.path));
  SLUICE_RETURN_IF_ERROR(CheckFieldNames(field.type, metadata_));
  if (!change.comment.empty()) Annotate(field, "comment", JsonText(change.comment));
  if (!change.default_value.empty()) {
    if (!parent.empty()) return Invalid("'{}': only columns have defaults", Dotted(change.path));
    SLUICE_RETURN_IF_ERROR(SetDefaultOf(field, change.default_value));
  }
  SLUICE_ASSIGN_OR_RETURN(const size_t index, PlaceIn(*holder, change.place));
  holder->fields.insert(holder->fields.begin() + static_cast<ptrdiff_t>(index), std::move(field));
  return WriteSchema();
}

Status TableEditor::Make(const RenameColumn& change) {
  SLUICE_ASSIGN_OR_RETURN(const FoundField found, FindField(schema_, change.path));
  if (!found.inside.empty()) return Invalid("'{}' has no name to change", Dotted(change.path));
  SLUICE_RETURN_IF_ERROR(CheckMapped("renaming a column"));
  SLUICE_RETURN_IF_ERROR(CheckColumnName(change.name, metadata_));
  const int taken = IndexOf(*found.holder, change.name);
  if (taken >= 0 && static_cast<size_t>(taken) != found.index) {
    return Invalid("there is a column '{}' already, without regard to case", change.name);
  }
  SLUICE_RETURN_IF_ERROR(CheckNotNeeded(found, change.path, "renamed"));
  if (change.path.size() == 1) {
    std::ranges::replace(metadata_.partition_columns, found.field().name, change.name);
  }
  ColumnPath after = change.path;
  after.back() = change.name;
  if (const auto listed = metadata_.configuration.find("delta.dataSkippingStatsColumns");
      listed != metadata_.configuration.end()) {
    ReplaceInList(listed->second, Dotted(change.path), Dotted(after));
  }
  found.field().name = change.name;
  return WriteSchema();
}

Status TableEditor::Make(const DropColumn& change) {
  SLUICE_ASSIGN_OR_RETURN(const FoundField found, FindField(schema_, change.path));
  if (!found.inside.empty()) return Invalid("'{}' cannot be dropped alone", Dotted(change.path));
  SLUICE_RETURN_IF_ERROR(CheckMapped("dropping a column"));
  if (Partitions(found)) {
    return Invalid("column '{}' partitions the table: it cannot be dropped", Dotted(change.path));
  }
  SLUICE_RETURN_IF_ERROR(CheckNotNeeded(found, change.path, "dropped"));
  const size_t partitions = found.holder == &schema_ ? metadata_.partition_columns.size() : 0;
  if (found.holder->fields.size() <= partitions + 1) {
    return Invalid("column '{}' is the last one: it cannot be dropped", Dotted(change.path));
  }
  if (const auto listed = metadata_.configuration.find("delta.dataSkippingStatsColumns");
      listed != metadata_.configuration.end()) {
    ReplaceInList(listed->second, Dotted(change.path), "");
    if (listed->second.empty()) metadata_.configuration.erase(listed);
  }
  found.holder->fields.erase(found.holder->fields.begin() + static_cast<ptrdiff_t>(found.index));
  return WriteSchema();
}

Status TableEditor::Make(const WidenColumn& change) {
  if (change.type == nullptr) return Invalid("a column needs a type");
  SLUICE_ASSIGN_OR_RETURN(const FoundField found, FindField(schema_, change.path));
  SLUICE_ASSIGN_OR_RETURN(const SchemaType wanted, TreeOf(*change.type));
  if (found.type->kind != SchemaType::Kind::kPrimitive ||
      wanted.kind != SchemaType::Kind::kPrimitive) {
    return Invalid("'{}' is, or would be, nested: widen the fields in it", Dotted(change.path));
  }
  if (found.type->name == wanted.name) return {};
  SLUICE_RETURN_IF_ERROR(CheckWider(found.type->name, wanted.name), "column '{}'",
                         Dotted(change.path));
  if (!IsOn("delta.enableTypeWidening")) {
    return Invalid(
        "widening '{}' needs the property delta.enableTypeWidening = true, which locks out engines "
        "that do not know typeWidening: set it first, or in the same change",
        Dotted(change.path));
  }
  if (Partitions(found) && wanted.name == "timestamp_ntz") {
    return Unsupported("column '{}' partitions the table: its dates cannot become timestamps",
                       Dotted(change.path));
  }
  SLUICE_RETURN_IF_ERROR(CheckNotNeeded(found, change.path, "widened"));
  SLUICE_RETURN_IF_ERROR(
      NoteTypeChange(found.field(), found.inside, found.type->name, wanted.name));
  found.type->name = wanted.name;
  return WriteSchema();
}

Status TableEditor::Make(const SetNotNull& change) {
  SLUICE_ASSIGN_OR_RETURN(const FoundField found, FindField(schema_, change.path));
  if (!found.only_structs) {
    return Unsupported("'{}' lies in a list or a map: it cannot become NOT NULL",
                       Dotted(change.path));
  }
  if (!found.field().nullable) return {};
  SLUICE_ASSIGN_OR_RETURN(std::string text, Quoted(change.path));
  text += " is not null";
  if (change.path.size() > 1) {  // It counts only where the struct around it is there.
    SLUICE_ASSIGN_OR_RETURN(const std::string around,
                            Quoted(ColumnPath(change.path.begin(), change.path.end() - 1)));
    text = fmt::format("{} is null or {}", around, text);
  }
  SLUICE_ASSIGN_OR_RETURN(Expression condition, Expression::Parse(text));
  RowCondition row_condition{fmt::format("column '{}' NOT NULL", Dotted(change.path)),
                             std::move(condition)};
  if (change.path.size() == 1) row_condition.not_null_column = found.field().name;
  conditions_.push_back(std::move(row_condition));
  found.field().nullable = false;
  features_.emplace_back("invariants");
  return WriteSchema();
}

Status TableEditor::Make(const DropNotNull& change) {
  SLUICE_ASSIGN_OR_RETURN(const FoundField found, FindField(schema_, change.path));
  if (!found.inside.empty()) {
    return Unsupported("'{}' lies in a list or a map", Dotted(change.path));
  }
  found.field().nullable = true;
  return WriteSchema();
}

Status TableEditor::Make(const MoveColumn& change) {
  SLUICE_ASSIGN_OR_RETURN(const FoundField found, FindField(schema_, change.path));
  if (!found.inside.empty()) return Invalid("'{}' has no place to change", Dotted(change.path));
  if (change.place.where == ColumnPlace::Where::kAfter &&
      LowerCase(change.place.neighbour) == LowerCase(found.field().name)) {
    return Invalid("column '{}' cannot stand behind itself", Dotted(change.path));
  }
  SchemaType& holder = *found.holder;
  SchemaField moved = std::move(found.field());
  holder.fields.erase(holder.fields.begin() + static_cast<ptrdiff_t>(found.index));
  SLUICE_ASSIGN_OR_RETURN(const size_t index, PlaceIn(holder, change.place));
  holder.fields.insert(holder.fields.begin() + static_cast<ptrdiff_t>(index), std::move(moved));
  return WriteSchema();
}

Status TableEditor::Make(const CommentColumn& change) {
  SLUICE_ASSIGN_OR_RETURN(const FoundField found, FindField(schema_, change.path));
  if (!found.inside.empty()) return Invalid("'{}' cannot have a comment", Dotted(change.path));
  Annotate(found.field(), "comment", change.comment.empty() ? "" : JsonText(change.comment));
  return WriteSchema();
}

Status TableEditor::Make(const SetDefault& change) {
  SLUICE_ASSIGN_OR_RETURN(const FoundField found, FindField(schema_, change.path));
  if (change.path.size() > 1)
    return Invalid("'{}': only columns have defaults", Dotted(change.path));
  if (change.value.empty()) {
    Annotate(found.field(), "CURRENT_DEFAULT", "");
  } else {
    SLUICE_RETURN_IF_ERROR(SetDefaultOf(found.field(), change.value));
  }
  return WriteSchema();
}

Status TableEditor::SetDefaultOf(SchemaField& field, const std::string& value) {
  for (const std::string_view key : {"delta.generationExpression", "delta.identity.start"}) {
    if (FindAnnotation(field, key) != nullptr) {
      return Invalid("column '{}' is generated: it cannot have a default", field.name);
    }
  }
  SLUICE_ASSIGN_OR_RETURN(const Expression expression, Expression::Parse(value), "default of '{}'",
                          field.name);
  if (!expression.columns().empty()) {
    return Invalid("default of '{}': it cannot depend on columns", field.name);
  }
  SLUICE_RETURN_IF_ERROR(columnar::InitializeCompute());
  const auto no_columns = arrow::RecordBatch::Make(arrow::schema({}), 1, arrow::ArrayVector());
  SLUICE_ASSIGN_OR_RETURN(const auto made, expression.Evaluate(*no_columns), "default of '{}'",
                          field.name);
  SchemaType holder{.kind = SchemaType::Kind::kStruct, .fields = {field}};
  SLUICE_ASSIGN_OR_RETURN(const ParsedSchema parsed, ParseSchema(ToJson(holder)));
  const auto& type = parsed.schema->field(0)->type();
  if (!arrow::compute::Cast(*made, type).ok()) {
    return Invalid("default of '{}': it is {}, not {}", field.name, made->type()->ToString(),
                   type->ToString());
  }
  Annotate(field, "CURRENT_DEFAULT", JsonText(value));
  return {};
}

Status TableEditor::CheckMapped(std::string_view what) const {
  if (MappingOf(metadata_) != ColumnMapping::kNone) return {};
  return Invalid(
      "{} needs a table that maps its columns, since its files keep the names they were written "
      "with: set the property delta.columnMapping.mode = name first, or in the same change",
      what);
}

bool TableEditor::Partitions(const FoundField& found) const {
  return found.holder == &schema_ &&
         std::ranges::find(metadata_.partition_columns, found.field().name) !=
             metadata_.partition_columns.end();
}

Status TableEditor::CheckNotNeeded(const FoundField& found, const ColumnPath& path,
                                   std::string_view what) const {
  const auto check = [&](const std::string& by, const std::string& text) -> Status {
    const auto expression = Expression::Parse(text);
    if (!expression.ok()) {
      return Unsupported("{} is not understood, so it cannot be told whether it needs '{}'", by,
                         Dotted(path));
    }
    for (const std::string& column : expression->columns()) {
      if (LowerCase(column) == LowerCase(path[0])) {
        return Invalid("column '{}' cannot be {}: {} needs it", Dotted(path), what, by);
      }
    }
    return {};
  };
  for (const auto& [name, text] : metadata_.configuration) {
    if (!name.starts_with("delta.constraints.")) continue;
    SLUICE_RETURN_IF_ERROR(check(fmt::format("the property '{}'", name), text));
  }
  const auto parsed = ParseSchema(metadata_.schema);
  if (!parsed.ok()) return parsed.status();
  for (const auto& field : parsed->annotated->fields()) {
    const std::string text = Annotation(*field, "delta.generationExpression");
    if (text.empty()) continue;
    SLUICE_RETURN_IF_ERROR(check(fmt::format("the generated column '{}'", field->name()), text));
  }
  if (FindAnnotation(found.field(), "delta.invariants") != nullptr && what != "dropped") {
    return Invalid("column '{}' cannot be {}: its invariant needs it", Dotted(path), what);
  }
  if (what == "dropped" && path.size() == 1 && Clusters(found.field())) {
    return Invalid("column '{}' cannot be dropped: the table is clustered by it", Dotted(path));
  }
  return {};
}

}  // namespace sluice::lake::internal
