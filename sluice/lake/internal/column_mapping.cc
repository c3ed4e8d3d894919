#include "sluice/lake/internal/column_mapping.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

constexpr std::string_view kId = "delta.columnMapping.id";
constexpr std::string_view kPhysicalName = "delta.columnMapping.physicalName";
constexpr const char* kMaxId = "delta.columnMapping.maxColumnId";

void ForEachField(SchemaType& type, const std::function<void(SchemaField&)>& use) {
  for (SchemaField& field : type.fields) {
    use(field);
    ForEachField(field.type, use);
  }
  for (SchemaType& inner : type.inner) ForEachField(inner, use);
}

std::optional<int64_t> ParseNumber(std::string_view text) {
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

// The largest id that the table has given out; 0: none.
int64_t LastId(const Metadata& metadata) {
  return ParseNumber(Property(metadata.configuration, kMaxId, "")).value_or(0);
}

}  // namespace

Status CheckColumnName(std::string_view name, const Metadata& metadata) {
  if (name.empty()) return Invalid("a column needs a name");
  // Spark refuses these in Parquet files.
  if (MappingOf(metadata) == ColumnMapping::kNone &&
      name.find_first_of(" ,;{}()\n\t=") != std::string_view::npos) {
    return Invalid(
        "'{}' cannot name a column: it has one of ' ,;{{}}()=' or a break, which only tables that "
        "map their columns may have (property delta.columnMapping.mode = name)",
        name);
  }
  return {};
}

Status MapNewFields(Metadata& metadata, os::Random& random) {
  if (MappingOf(metadata) == ColumnMapping::kNone) return {};
  SLUICE_ASSIGN_OR_RETURN(SchemaType schema, ParseSchemaTree(metadata.schema));
  int64_t last = LastId(metadata);
  bool sound = true;
  ForEachField(schema, [&](SchemaField& field) {
    const std::string* const id = FindAnnotation(field, kId);
    if (id == nullptr) return;
    const auto number = ParseNumber(*id);
    sound = sound && number;
    last = std::max(last, number.value_or(0));
  });
  if (!sound) return Corrupt("the schema has a field whose {} is no number", kId);
  ForEachField(schema, [&](SchemaField& field) {
    if (FindAnnotation(field, kId) == nullptr) Annotate(field, kId, std::to_string(++last));
    if (FindAnnotation(field, kPhysicalName) == nullptr) {
      Annotate(field, kPhysicalName, JsonText("col-" + random.Uuid()));
    }
  });
  metadata.configuration[kMaxId] = std::to_string(last);
  metadata.schema = ToJson(schema);
  return {};
}

void MapFieldsAsNamed(SchemaType& schema, Metadata& metadata) {
  int64_t last = LastId(metadata);
  ForEachField(schema, [&](SchemaField& field) {
    Annotate(field, kId, std::to_string(++last));
    Annotate(field, kPhysicalName, JsonText(field.name));
  });
  metadata.configuration["delta.columnMapping.mode"] = "name";
  metadata.configuration[kMaxId] = std::to_string(last);
}

}  // namespace sluice::lake::internal
