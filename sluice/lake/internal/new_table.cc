#include "sluice/lake/internal/new_table.h"

#include <arrow/api.h>

#include <set>

#include "sluice/base/ascii.h"
#include "sluice/lake/expression.h"
#include "sluice/lake/internal/column_mapping.h"
#include "sluice/lake/internal/commit_checks.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_editor.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

Status CheckPartitionColumns(const arrow::Schema& schema,
                             const std::vector<std::string>& partition_columns) {
  std::set<std::string> names;
  for (const std::string& name : partition_columns) {
    const auto field = schema.GetFieldByName(name);
    if (field == nullptr) return Invalid("there is no column '{}' to partition by", name);
    if (field->type()->num_fields() > 0) {
      return Invalid("column '{}' is nested: tables cannot be partitioned by it", name);
    }
    if (!names.insert(name).second) return Invalid("'{}' partitions the table twice", name);
  }
  if (static_cast<int>(names.size()) == schema.num_fields()) {
    return Invalid("a table needs a column that does not partition it");
  }
  return {};
}

// A table's constraints must be conditions over its columns before anybody relies on them.
Status CheckConstraints(const std::map<std::string, std::string>& properties,
                        const arrow::Schema& schema) {
  for (const auto& [name, text] : properties) {
    if (!name.starts_with("delta.constraints.")) continue;
    SLUICE_RETURN_IF_ERROR(ParseCondition(text, schema).status(), "{}", name);
  }
  return {};
}

}  // namespace

Status CheckColumnNames(const arrow::Schema& schema, const Metadata& metadata) {
  std::set<std::string> names;
  for (const auto& field : schema.fields()) {
    const std::string& name = field->name();
    SLUICE_RETURN_IF_ERROR(CheckColumnName(name, metadata));
    if (!names.insert(LowerCase(name)).second) {
      return Invalid("two columns are named '{}', without regard to case", name);
    }
  }
  return {};
}

Result<NewTable> PlanNewTable(const std::string& schema_json, const CreateOptions& options,
                              int64_t now_ms, os::Random& random) {
  SLUICE_ASSIGN_OR_RETURN(const ParsedSchema parsed, ParseSchema(schema_json));
  const arrow::Schema& schema = *parsed.schema;
  SLUICE_RETURN_IF_ERROR(CheckPartitionColumns(schema, options.partition_columns));
  SLUICE_RETURN_IF_ERROR(CheckNewProperties(options.properties));
  SLUICE_RETURN_IF_ERROR(CheckConstraints(options.properties, schema));
  NewTable made{.metadata = {.id = random.Uuid(),
                             .schema = schema_json,
                             .partition_columns = options.partition_columns,
                             .configuration = options.properties,
                             .created_ms = now_ms},
                .protocol = {}};
  if (!options.description.empty()) made.metadata.description = options.description;
  SLUICE_RETURN_IF_ERROR(CheckColumnNames(schema, made.metadata));
  SLUICE_RETURN_IF_ERROR(MapNewFields(made.metadata, random));
  if (IsOn(options.properties, "delta.enableRowTracking")) {
    NameRowTrackingColumns(made.metadata.configuration, random);
  }
  made.protocol =
      NewProtocol(options.properties, HasTimestampNtz(*arrow::struct_(schema.fields())));
  return made;
}

}  // namespace sluice::lake::internal
