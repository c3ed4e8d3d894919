#include "sluice/duck/internal/relations.h"

#include "duckdb/catalog/catalog_entry/table_function_catalog_entry.hpp"
#include "duckdb/common/arrow/arrow_wrapper.hpp"
#include "duckdb/common/multi_file/multi_file_reader.hpp"
#include "duckdb/function/replacement_scan.hpp"
#include "duckdb/function/table/arrow.hpp"
#include "duckdb/main/client_context.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/main/extension/extension_loader.hpp"
#include "duckdb/parser/keyword_helper.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/parser/tableref/subqueryref.hpp"

#include <arrow/record_batch.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sluice/duck/internal/batch_reader.h"
#include "sluice/duck/internal/file_list.h"

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
  const bool has_files =
      !relation.files.empty() || (relation.indexed_files && relation.indexed_files->num_rows() > 0);
  std::string sql;
  if (has_files) {
    sql = fmt::format("SELECT {} FROM {}(['{}']{})", columns, kFilesFunction, slot,
                      relation.file_rows > 0
                          ? fmt::format(", explicit_cardinality = {}", relation.file_rows)
                          : "");
    if (!relation.batches.empty()) sql += " UNION ALL ";
  }
  // Without files and batches it is the latter that gives no rows of the right types.
  if (!has_files || !relation.batches.empty()) {
    sql += fmt::format("SELECT {} FROM {}({})", columns, kBatchesFunction, slot);
  }
  return sql;
}

duckdb::unique_ptr<duckdb::TableRef> FindRelation(
    ClientContext& context, duckdb::ReplacementScanInput& input,
    duckdb::optional_ptr<duckdb::ReplacementScanData>) {
  // A schema that is also the name of a DuckDB catalog, such as "system", arrives as the catalog.
  std::string schema = input.schema_name;
  if (!input.catalog_name.empty()) {
    if (!schema.empty() && schema != "main") return nullptr;
    schema = input.catalog_name;
  }
  const auto relations = QueryRelations::Of(context);
  const auto slot = relations->Find(context, schema, input.table_name);
  if (!slot) return nullptr;
  duckdb::Parser parser;
  parser.ParseQuery(RelationSql(relations->at(*slot), *slot));
  auto select = duckdb::unique_ptr_cast<duckdb::SQLStatement, duckdb::SelectStatement>(
      std::move(parser.statements[0]));
  return duckdb::make_uniq<duckdb::SubqueryRef>(std::move(select));
}

size_t ParseSlot(const std::string& text) {
  size_t slot = 0;
  std::from_chars(text.data(), text.data() + text.size(), slot);
  return slot;
}

/// Reads the files of a relation. Knows their columns without opening one: files differ as schemas
/// grow, and there may be very many.
class RelationFileReader final : public duckdb::MultiFileReader {
 public:
  static duckdb::unique_ptr<MultiFileReader> Create(const duckdb::TableFunction&) {
    return duckdb::make_uniq<RelationFileReader>();
  }

  duckdb::shared_ptr<duckdb::MultiFileList> CreateFileList(
      ClientContext& context, const duckdb::vector<duckdb::string>& paths,
      const duckdb::FileGlobInput&) override {
    bound_ = &QueryRelations::Of(context)->at(ParseSlot(paths.at(0)));
    if (bound_->relation.indexed_files) {
      auto list = IndexedFileList::Make(*bound_);
      if (!list.ok()) throw duckdb::InvalidInputException(list.error().message());
      return std::move(*list);
    }
    duckdb::vector<duckdb::OpenFileInfo> files;
    for (const auto& file : bound_->relation.files) files.emplace_back(file);
    return duckdb::make_shared_ptr<duckdb::SimpleMultiFileList>(std::move(files));
  }

  bool Bind(duckdb::MultiFileOptions& options, duckdb::MultiFileList&,
            duckdb::vector<duckdb::LogicalType>& types, duckdb::vector<duckdb::string>& names,
            duckdb::MultiFileReaderBindData& bind_data) override {
    names = bound_->names;
    types = bound_->types;
    bind_data.schema = duckdb::MultiFileColumnDefinition::ColumnsFromNamesAndTypes(names, types);
    for (auto& column : bind_data.schema) {
      column.default_expression =
          duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(column.type));
    }
    bind_data.mapping = duckdb::MultiFileColumnMappingMode::BY_NAME;
    options.auto_detect_hive_partitioning = false;
    options.hive_types_autocast = false;
    options.hive_partitioning = !bound_->relation.hive_columns.empty();
    for (const std::string& column : bound_->relation.hive_columns) {
      for (size_t i = 0; i < names.size(); ++i) {
        if (names[i] == column) options.hive_types_schema[column] = types[i];
      }
    }
    return true;
  }

  duckdb::unique_ptr<MultiFileReader> Copy() const override {
    auto copy = duckdb::make_uniq<RelationFileReader>();
    copy->bound_ = bound_;
    return copy;
  }

 private:
  const BoundRelation* bound_ = nullptr;  // The query's, which outlives its plan.
};

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

std::optional<size_t> QueryRelations::Find(ClientContext& context, const std::string& schema,
                                           const std::string& name) {
  const auto [place, added] = slots_.try_emplace({schema, name});
  if (!added) return place->second;
  auto found = lookup_ ? lookup_(schema, name) : Result<std::optional<Relation>>(std::nullopt);
  if (!found.ok()) {
    error_ = std::move(found).error();
    throw duckdb::InvalidInputException(error_->message());
  }
  if (!*found) {
    missing_ = schema.empty() ? name : schema + "." + name;
    return std::nullopt;
  }

  BoundRelation bound;
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
  relations_.push_back(std::move(bound));
  place->second = relations_.size() - 1;
  return place->second;
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

  // In place of DuckDB's own, which take the name of a table for that of a file.
  auto& scans = duckdb::DBConfig::GetConfig(database).replacement_scans;
  scans.clear();
  scans.emplace_back(FindRelation);
}

}  // namespace sluice::duck::internal
