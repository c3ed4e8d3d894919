#include "sluice/duck/internal/relations.h"

#include "duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp"
#include "duckdb/common/arrow/arrow_wrapper.hpp"
#include "duckdb/function/replacement_scan.hpp"
#include "duckdb/function/table/arrow.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "duckdb/parser/keyword_helper.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/parser/tableref/subqueryref.hpp"

#include <arrow/array/array_base.h>
#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>

#include "sluice/duck/change_plan.h"
#include "sluice/duck/internal/batch_reader.h"
#include "sluice/duck/internal/change_statement.h"
#include "sluice/duck/internal/relation_file_reader.h"

namespace sluice::duck::internal {

using duckdb::ClientContext;

namespace {

// Text that users may write; both functions find their relation in the query's slots.
std::string RelationSql(const BoundRelation& bound, size_t slot) {
  std::string columns;
  for (const auto& name : bound.names) {
    columns += columns.empty() ? "" : ", ";
    columns += duckdb::KeywordHelper::WriteQuoted(name, '"');
  }
  const Relation& relation = bound.relation;
  const auto columns_and = [&](std::string_view row) {
    return bound.shows_rows ? fmt::format("{}, {} AS {}", columns, row, kRowColumn) : columns;
  };
  const bool has_files =
      !relation.files.empty() || (relation.indexed_files && relation.indexed_files->num_rows() > 0);
  std::string sql;
  if (has_files) {
    sql = fmt::format(
        "SELECT {} FROM {}(['{}']{})", columns_and("file_row_number"), kFilesFunction, slot,
        relation.file_rows > 0 ? fmt::format(", explicit_cardinality = {}", relation.file_rows)
                               : "");
    if (!relation.batches.empty()) sql += " UNION ALL ";
  }
  // Without files and batches it is the latter that gives no rows of the right types.
  if (!has_files || !relation.batches.empty()) {
    sql +=
        fmt::format("SELECT {} FROM {}({})", columns_and("NULL::BIGINT"), kBatchesFunction, slot);
  }
  return sql;
}

duckdb::unique_ptr<duckdb::TableRef> ReferTo(const BoundRelation& bound, size_t slot) {
  duckdb::Parser parser;
  parser.ParseQuery(RelationSql(bound, slot));
  auto select = duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(
      std::move(parser.statements[0]));
  return duckdb::make_uniq<duckdb::SubqueryRef>(std::move(select));
}

// Separates the parts of NameAt(); whoever writes it into a name says the same as with AT.
constexpr char kAtMark = '\x1f';

duckdb::unique_ptr<duckdb::TableRef> FindRelation(
    ClientContext& context, duckdb::ReplacementScanInput& input,
    duckdb::optional_ptr<duckdb::ReplacementScanData>) {
  // A schema that is also the name of a DuckDB catalog, such as "system", arrives as the catalog.
  std::string schema = input.schema_name;
  if (!input.catalog_name.empty()) {
    if (!schema.empty() && schema != "main") return nullptr;
    schema = input.catalog_name;
  }
  RelationName name{.schema = std::move(schema), .name = input.table_name};
  if (const size_t unit = name.name.find(kAtMark); unit != std::string::npos) {
    const size_t value = std::min(name.name.find(kAtMark, unit + 1), name.name.size() - 1);
    name.arguments[name.name.substr(unit + 1, value - unit - 1)] = name.name.substr(value + 1);
    name.name.resize(unit);
  }
  const auto relations = QueryRelations::Of(context);
  const auto slot = relations->Find(context, name);
  if (!slot) return nullptr;
  return ReferTo(relations->at(*slot), *slot);
}

duckdb::unique_ptr<duckdb::TableRef> FindByFunction(ClientContext& context, RelationName name) {
  name.is_function = true;
  const auto relations = QueryRelations::Of(context);
  const auto slot = relations->Find(context, name);
  if (!slot) {
    throw duckdb::CatalogException("Table with name %s does not exist!", relations->missing());
  }
  return ReferTo(relations->at(*slot), *slot);
}

duckdb::unique_ptr<duckdb::TableRef> ReplaceDeltaScan(ClientContext& context,
                                                      duckdb::TableFunctionBindInput& input) {
  RelationName name{.schema = {}, .name = kDeltaScanFunction};
  name.arguments["path"] = input.inputs.at(0).ToString();
  for (const auto& [key, value] : input.named_parameters) {
    if (value.IsNull()) continue;
    name.arguments[duckdb::StringUtil::CIEquals(key, "version") ? "version" : "timestamp"] =
        value.ToString();
  }
  return FindByFunction(context, std::move(name));
}

duckdb::unique_ptr<duckdb::TableRef> ReplaceTableChanges(ClientContext& context,
                                                         duckdb::TableFunctionBindInput& input) {
  RelationName name{.schema = {}, .name = kTableChangesFunction};
  name.arguments["table"] = input.inputs.at(0).ToString();
  name.arguments["from"] = input.inputs.at(1).ToString();
  if (input.inputs.size() > 2) name.arguments["to"] = input.inputs[2].ToString();
  return FindByFunction(context, std::move(name));
}

// What arrow_scan calls; `factory` is a BoundRelation.
duckdb::unique_ptr<duckdb::ArrowArrayStreamWrapper> OpenBatches(
    uintptr_t factory, duckdb::ArrowStreamParameters& parameters) {
  const auto& bound = *reinterpret_cast<const BoundRelation*>(factory);
  auto stream = duckdb::make_uniq<duckdb::ArrowArrayStreamWrapper>();
  // Only these columns: arrow_scan takes what comes for what it asked for.
  const Status status =
      ExportBatches(bound.schema, bound.relation.batches, parameters.projected_columns.columns,
                    &stream->arrow_array_stream);
  if (!status.ok()) throw duckdb::IOException(status.error().message());
  return stream;
}

void GetBatchesSchema(ArrowArrayStream* factory, ArrowSchema& schema) {
  const auto& bound = *reinterpret_cast<const BoundRelation*>(factory);
  const Status status = ExportSchema(bound.schema, &schema);
  if (!status.ok()) throw duckdb::NotImplementedException(status.error().message());
}

duckdb::unique_ptr<duckdb::FunctionData> BindBatches(ClientContext& context,
                                                     duckdb::TableFunctionBindInput& input,
                                                     duckdb::vector<duckdb::LogicalType>& types,
                                                     duckdb::vector<duckdb::string>& names) {
  const auto slot = input.inputs.at(0).GetValue<int64_t>();
  const BoundRelation& bound = QueryRelations::Of(context)->at(static_cast<size_t>(slot));
  const auto pointer = [](auto* value) {
    return duckdb::Value::POINTER(reinterpret_cast<uintptr_t>(value));
  };
  // The inputs stay as they were: a copied plan binds again with them.
  const auto kept = input.inputs;
  input.inputs = {pointer(&bound), pointer(&OpenBatches), pointer(&GetBatchesSchema)};
  auto data = duckdb::ArrowTableFunction::ArrowScanBind(context, input, types, names);
  input.inputs = kept;
  return data;
}

}  // namespace

duckdb::shared_ptr<QueryRelations> QueryRelations::Of(ClientContext& context) {
  auto relations = context.registered_state->Get<QueryRelations>(kKey);
  if (!relations) throw duckdb::InvalidInputException("there are no relations here");
  return relations;
}

const BoundRelation& QueryRelations::at(size_t slot) const {
  if (slot >= relations_.size()) throw duckdb::InvalidInputException("there is no such relation");
  return relations_[slot];
}

std::optional<size_t> QueryRelations::Find(ClientContext& context, const RelationName& name) {
  const auto [place, added] = slots_.try_emplace(name);
  if (!added) return place->second;
  auto found = lookup_ ? lookup_(name) : Result<std::optional<Relation>>(std::nullopt);
  if (!found.ok()) {
    error_ = std::move(found).error();
    throw duckdb::InvalidInputException(error_->message());
  }
  if (!*found) {
    const auto table = name.arguments.find("table");
    missing_ = name.schema.empty() ? name.name : name.schema + "." + name.name;
    if (name.is_function && table != name.arguments.end()) missing_ = table->second;
    return std::nullopt;
  }

  BoundRelation bound;
  bound.shows_rows = !name.is_function && name.arguments.contains(kChangeArgument);
  bound.relation = std::move(**found);
  bound.schema = PlainSchema(bound.relation.schema);
  // The types are those that arrow_scan gives to the schema, so that files and batches agree.
  duckdb::ArrowSchemaWrapper schema_of;
  GetBatchesSchema(reinterpret_cast<ArrowArrayStream*>(&bound), schema_of.arrow_schema);
  duckdb::ArrowTableSchema table;
  duckdb::ArrowTableFunction::PopulateArrowTableSchema(context, table, schema_of.arrow_schema);
  bound.names = table.GetNames();
  bound.types = table.GetTypes();
  if (bound.names.empty()) throw duckdb::InvalidInputException("the relation has no columns");
  if (const auto& stored = bound.relation.stored_schema;
      stored != nullptr && stored->num_fields() != static_cast<int>(bound.names.size())) {
    throw duckdb::InvalidInputException("the relation's stored columns are not its columns");
  }
  if (const auto& index = bound.relation.indexed_files) {
    bool any = false;
    for (const auto& column : bound.names) {
      bound.values.push_back(index->GetColumnByName("value:" + column));
      bound.own.push_back(index->GetColumnByName("own:" + column));
      any = any || bound.values.back() != nullptr;
    }
    if (!any) bound.values.clear();
    for (const auto& own : bound.own) {
      if (own && own->type_id() != arrow::Type::BOOL) {
        throw duckdb::InvalidInputException("the relation's index of files has another type");
      }
    }
    bound.deleted = index->GetColumnByName("deleted");
    if (bound.deleted && bound.deleted->type_id() != arrow::Type::BINARY) {
      throw duckdb::InvalidInputException("the relation's index of files has another type");
    }
  }
  relations_.push_back(std::move(bound));
  place->second = relations_.size() - 1;
  return place->second;
}

std::string NameAt(const std::string& name, const std::string& unit, const std::string& value) {
  return name + kAtMark + unit + kAtMark + value;
}

void RegisterRelations(duckdb::DatabaseInstance& database) {
  duckdb::ExtensionLoader loader(database, "sluice");

  auto& readers = loader.GetTableFunction("read_parquet").functions.functions;
  const auto of_list = std::ranges::find_if(readers, [](const duckdb::TableFunction& function) {
    return function.arguments.at(0).id() == duckdb::LogicalTypeId::LIST;
  });
  if (of_list == readers.end()) throw duckdb::InternalException("read_parquet takes no list");
  duckdb::TableFunction files = *of_list;
  files.name = kFilesFunction;
  files.get_multi_file_reader = RelationFileReader::Create;
  // Without these a copied plan binds again, by slot.
  files.serialize = nullptr;
  files.deserialize = nullptr;
  loader.RegisterFunction(files);

  auto batches = loader.GetTableFunction("arrow_scan").functions.GetFunctionByOffset(0);
  batches.name = kBatchesFunction;
  batches.arguments = {duckdb::LogicalType::BIGINT};
  batches.bind = BindBatches;
  // arrow_scan would leave filters to the producer of the stream, and never look whether they were
  // applied.
  batches.filter_pushdown = false;
  batches.filter_prune = false;
  loader.RegisterFunction(batches);

  duckdb::TableFunction scan(kDeltaScanFunction, {duckdb::LogicalType::VARCHAR}, nullptr, nullptr);
  scan.bind_replace = ReplaceDeltaScan;
  scan.named_parameters["version"] = duckdb::LogicalType::BIGINT;
  scan.named_parameters["as_of"] = duckdb::LogicalType::VARCHAR;
  loader.RegisterFunction(scan);

  duckdb::TableFunctionSet changes(kTableChangesFunction);
  for (const bool to : {false, true}) {
    duckdb::vector<duckdb::LogicalType> arguments = {duckdb::LogicalType::VARCHAR,
                                                     duckdb::LogicalType::BIGINT};
    if (to) arguments.push_back(duckdb::LogicalType::BIGINT);
    duckdb::TableFunction function(kTableChangesFunction, arguments, nullptr, nullptr);
    function.bind_replace = ReplaceTableChanges;
    changes.AddFunction(function);
  }
  loader.RegisterFunction(changes);

  // In place of DuckDB's own, which take the name of a table for that of a file.
  auto& scans = duckdb::DBConfig::GetConfig(database).replacement_scans;
  scans.clear();
  scans.emplace_back(FindRelation);
}

}  // namespace sluice::duck::internal
