#include "sluice/lake/internal/table_editor.h"

#include <arrow/api.h>
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/column_mapping.h"
#include "sluice/lake/internal/commit_checks.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/statistics.h"
#include "sluice/lake/internal/table_features.h"

namespace sluice::lake::internal {

namespace {

constexpr std::string_view kConstraintPrefix = "delta.constraints.";
constexpr const char* kClusteringDomain = "delta.clustering";
constexpr const char* kMappingMode = "delta.columnMapping.mode";

// Properties that follow from others; only what makes them may set them.
bool IsDerived(std::string_view name) {
  return name == "delta.columnMapping.maxColumnId" || name == "delta.minReaderVersion" ||
         name == "delta.minWriterVersion" ||
         name.starts_with("delta.inCommitTimestampEnablement") ||
         name.starts_with("delta.rowTracking.materialized");
}

// The features that a table of this metadata needs.
Result<std::vector<std::string>> NeededBy(const Metadata& metadata) {
  std::vector<std::string> features = FeaturesAskedFor(metadata.configuration);
  SLUICE_ASSIGN_OR_RETURN(const ParsedSchema parsed, ParseSchema(metadata.schema));
  features.insert(features.end(), parsed.features.begin(), parsed.features.end());
  const bool ntz = std::ranges::any_of(
      parsed.schema->fields(), [](const auto& field) { return HasTimestampNtz(*field->type()); });
  if (ntz) features.emplace_back("timestampNtz");
  return features;
}

// Whether statistics of the type have bounds.
bool HasBounds(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
    case arrow::Type::DATE32:
    case arrow::Type::STRING:
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DECIMAL128:
      return true;
    default:
      return false;
  }
}

// A field's name in files and statistics, as JSON.
std::string PhysicalNameJson(const SchemaField& field, const Metadata& metadata) {
  const std::string* const name = FindAnnotation(field, "delta.columnMapping.physicalName");
  if (MappingOf(metadata) == ColumnMapping::kNone || name == nullptr) return JsonText(field.name);
  return *name;
}

}  // namespace

bool TableEdit::Changes(const TableState& state) const {
  return !(metadata == state.metadata()) || !(protocol == state.protocol()) || !domains.empty();
}

Result<TableEditor> TableEditor::Of(const TableState& state, os::Random& random) {
  SLUICE_RETURN_IF_ERROR(state.CheckWritable());
  TableEditor editor(state, random);
  SLUICE_ASSIGN_OR_RETURN(editor.schema_, ParseSchemaTree(state.metadata().schema));
  return editor;
}

Status TableEditor::Apply(const TableAlteration& change) {
  return std::visit([this](const auto& one) { return Make(one); }, change);
}

bool TableEditor::IsOn(const std::string& property) const {
  return internal::IsOn(metadata_.configuration, property);
}

Status TableEditor::WriteSchema() {
  metadata_.schema = ToJson(schema_);
  SLUICE_RETURN_IF_ERROR(MapNewFields(metadata_, random_));
  SLUICE_ASSIGN_OR_RETURN(schema_, ParseSchemaTree(metadata_.schema));
  return {};
}

Status TableEditor::Make(const SetProperties& change) {
  for (const auto& [name, value] : change.properties) {
    SLUICE_RETURN_IF_ERROR(SetProperty(name, value));
  }
  return {};
}

Status TableEditor::SetProperty(const std::string& name, const std::string& value) {
  constexpr std::string_view kFeaturePrefix = "delta.feature.";
  if (name.empty()) return Invalid("a property needs a name");
  if (name.starts_with(kFeaturePrefix)) {
    if (LowerCase(value) != "supported") {
      return Invalid("property '{}' can only be 'supported'", name);
    }
    const std::string feature = name.substr(kFeaturePrefix.size());
    SLUICE_RETURN_IF_ERROR(CheckFeature(feature));
    features_.push_back(feature);
    if (feature == "rowTracking" || feature == "clustering")
      features_.emplace_back("domainMetadata");
    return {};
  }
  if (IsDerived(name)) return Invalid("property '{}' follows from others: it cannot be set", name);
  if (name.starts_with(kConstraintPrefix)) {
    return Invalid("'{}' is a constraint: it is added as such, so that rows are checked", name);
  }
  SLUICE_RETURN_IF_ERROR(CheckProperty(name, value));
  const bool landed = std::ranges::any_of(state_.transactions(), [](const auto& transaction) {
    return transaction.first.starts_with(kLandingPrefix);
  });
  if (landed && name == kTransactionRetention) {
    return Invalid(
        "property '{}' cannot be set where events land: engines would forget by it what has landed",
        name);
  }
  if (name == kMappingMode) return SetMapping(LowerCase(value));
  if (name == "delta.enableChangeDataFeed" && LowerCase(value) == "true") {
    for (const char* const column : {"_change_type", "_commit_version", "_commit_timestamp"}) {
      if (IndexOf(schema_, column) >= 0) {
        return Invalid("a table with a column '{}' cannot have a change feed", column);
      }
    }
  }
  metadata_.configuration[name] = value;
  return {};
}

Status TableEditor::SetMapping(const std::string& mode) {
  const std::string now = LowerCase(Property(metadata_.configuration, kMappingMode, "none"));
  if (mode == now) return {};
  if (now != "none" || mode != "name") {
    return Invalid("property '{}' cannot go from '{}' to '{}': only from none to name",
                   kMappingMode, now, mode);
  }
  MapFieldsAsNamed(schema_, metadata_);
  return WriteSchema();
}

Status TableEditor::Make(const UnsetProperties& change) {
  for (const std::string& name : change.names) {
    if (!metadata_.configuration.contains(name)) return Invalid("there is no property '{}'", name);
    if (IsDerived(name) || name == kMappingMode) {
      return Invalid("property '{}' cannot be unset: the table's files rely on it", name);
    }
    if (name.starts_with(kConstraintPrefix)) {
      return Invalid("'{}' is a constraint: it is dropped as such", name);
    }
    metadata_.configuration.erase(name);
  }
  return {};
}

Status TableEditor::Make(const AddConstraint& change) {
  if (change.name.empty()) return Invalid("a constraint needs a name");
  const std::string key = std::string(kConstraintPrefix) + LowerCase(change.name);
  if (metadata_.configuration.contains(key)) {
    return Invalid("there is a constraint '{}' already", change.name);
  }
  SLUICE_ASSIGN_OR_RETURN(const ParsedSchema parsed, ParseSchema(metadata_.schema));
  SLUICE_ASSIGN_OR_RETURN(Expression condition, ParseCondition(change.condition, *parsed.schema),
                          "constraint '{}'", change.name);
  metadata_.configuration[key] = change.condition;
  conditions_.push_back({fmt::format("constraint '{}'", change.name), std::move(condition)});
  return {};
}

Status TableEditor::Make(const DropConstraint& change) {
  const std::string key = std::string(kConstraintPrefix) + LowerCase(change.name);
  if (metadata_.configuration.erase(key) == 0) {
    return Invalid("there is no constraint '{}'", change.name);
  }
  return {};
}

Status TableEditor::Make(const ClusterBy& change) {
  constexpr size_t kColumnsMax = 4;
  if (!metadata_.partition_columns.empty()) {
    return Invalid("a partitioned table cannot be clustered");
  }
  if (change.columns.size() > kColumnsMax) {
    return Invalid("a table is clustered by at most {} columns, not {}", kColumnsMax,
                   change.columns.size());
  }
  SLUICE_ASSIGN_OR_RETURN(const ParsedSchema parsed, ParseSchema(metadata_.schema));
  std::string list;
  std::set<size_t> used;
  const std::vector<std::string> indexed =
      IndexedColumns(*parsed.schema, metadata_.configuration, {});
  for (const ColumnPath& path : change.columns) {
    SLUICE_ASSIGN_OR_RETURN(const FoundField found, FindField(schema_, path));
    const SchemaField& field = found.field();
    // Our writers keep bounds of columns alone, not of fields in structs.
    if (path.size() != 1) {
      return Unsupported("'{}' is inside a column: only columns can cluster a table",
                         fmt::join(path, "."));
    }
    if (!HasBounds(*parsed.schema->field(static_cast<int>(found.index))->type())) {
      return Invalid("column '{}' has no order by which a table could be clustered", field.name);
    }
    if (std::ranges::find(indexed, field.name) == indexed.end()) {
      return Invalid(
          "column '{}' has no statistics, which clustering needs: see the properties "
          "delta.dataSkippingNumIndexedCols and delta.dataSkippingStatsColumns",
          field.name);
    }
    if (!used.insert(found.index).second) {
      return Invalid("column '{}' clusters the table twice", field.name);
    }
    list += fmt::format("{}[{}]", list.empty() ? "" : ",", PhysicalNameJson(field, metadata_));
  }
  Domain domain{.name = kClusteringDomain,
                .configuration = fmt::format(R"({{"clusteringColumns":[{}],"domainName":"{}"}})",
                                             list, kClusteringDomain)};
  features_.insert(features_.end(), {"clustering", "domainMetadata"});
  const auto known = state_.domains().find(kClusteringDomain);
  if (known != state_.domains().end() && known->second.configuration == domain.configuration) {
    domains_.erase(kClusteringDomain);
  } else {
    domains_[kClusteringDomain] = std::move(domain);
  }
  return {};
}

bool TableEditor::Clusters(const SchemaField& column) const {
  const Domain* domain = nullptr;
  if (const auto known = state_.domains().find(kClusteringDomain);
      known != state_.domains().end()) {
    domain = &known->second;
  }
  if (const auto changed = domains_.find(kClusteringDomain); changed != domains_.end()) {
    domain = &changed->second;
  }
  if (domain == nullptr) return false;
  simdjson::dom::parser parser;
  simdjson::dom::array columns;
  const simdjson::padded_string text(domain->configuration);
  if (parser.parse(text)["clusteringColumns"].get(columns) != simdjson::SUCCESS) return false;
  const std::string name = PhysicalNameJson(column, metadata_);
  for (const simdjson::dom::element element : columns) {
    // Some write a path of names, some one name.
    simdjson::dom::array path;
    std::string_view first;
    if (element.get(path) == simdjson::SUCCESS ? path.at(0).get(first) == simdjson::SUCCESS
                                               : element.get(first) == simdjson::SUCCESS) {
      if (JsonText(first) == name) return true;
    }
  }
  return false;
}

Result<TableEdit> TableEditor::Finish() {
  TableEdit edit{.metadata = {}, .protocol = state_.protocol()};
  const Metadata& before = state_.metadata();
  edit.begins_row_tracking = IsOn("delta.enableRowTracking") &&
                             !internal::IsOn(before.configuration, "delta.enableRowTracking");
  if (edit.begins_row_tracking) NameRowTrackingColumns(metadata_.configuration, random_);
  edit.begins_commit_times =
      IsOn("delta.enableInCommitTimestamps") &&
      !internal::IsOn(before.configuration, "delta.enableInCommitTimestamps");
  if (!IsOn("delta.enableInCommitTimestamps")) {
    std::erase_if(metadata_.configuration, [](const auto& property) {
      return property.first.starts_with("delta.inCommitTimestampEnablement");
    });
  }
  // What the table had asked for before is as it is, whatever its protocol says of it.
  SLUICE_ASSIGN_OR_RETURN(const auto had, NeededBy(before));
  SLUICE_ASSIGN_OR_RETURN(const auto needs, NeededBy(metadata_));
  for (const std::string& feature : needs) {
    if (std::ranges::find(had, feature) == had.end()) features_.push_back(feature);
  }
  edit.protocol = WithFeatures(edit.protocol, features_);
  edit.metadata = metadata_;
  for (const auto& [name, domain] : domains_) edit.domains.push_back(domain);
  edit.conditions = std::move(conditions_);
  return edit;
}

void NameRowTrackingColumns(std::map<std::string, std::string>& properties, os::Random& random) {
  constexpr std::array<std::pair<const char*, const char*>, 2> kColumns = {
      {{"delta.rowTracking.materializedRowIdColumnName", "_row-id-col-"},
       {"delta.rowTracking.materializedRowCommitVersionColumnName", "_row-commit-version-col-"}}};
  for (const auto& [property, prefix] : kColumns) {
    if (!properties.contains(property)) properties.emplace(property, prefix + random.Uuid());
  }
}

}  // namespace sluice::lake::internal
