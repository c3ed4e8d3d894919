#include "sluice/duck/internal/relation_file_reader.h"

#include "duckdb/common/multi_file/multi_file_data.hpp"
#include "duckdb/function/partition_stats.hpp"
#include "duckdb/parser/expression/constant_expression.hpp"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/scalar.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <charconv>

#include "sluice/columnar/row_runs.h"
#include "sluice/duck/internal/file_list.h"

namespace sluice::duck::internal {

namespace {

using Definition = duckdb::MultiFileColumnDefinition;
using duckdb::LogicalTypeId;

size_t ParseSlot(const std::string& text) {
  size_t slot = 0;
  std::from_chars(text.data(), text.data() + text.size(), slot);
  return slot;
}

// What the parts of lists and maps are called, in place of what a file calls them.
constexpr const char* kElement = "list";
constexpr const char* kKey = "key";
constexpr const char* kValue = "value";
constexpr int32_t kElementId = 1;
constexpr int32_t kKeyId = 1;
constexpr int32_t kValueId = 2;

int32_t FieldId(const arrow::Field& field) {
  const auto& metadata = field.metadata();
  int32_t id = -1;
  if (metadata == nullptr) return id;
  const auto text = metadata->Get("PARQUET:field_id");
  if (text.ok()) std::from_chars(text->data(), text->data() + text->size(), id);
  return id;
}

// Says how a column of the relation is found in files.
class StoredColumns {
 public:
  explicit StoredColumns(bool by_id) : by_id_(by_id) {}

  Definition Define(const std::string& name, const duckdb::LogicalType& type,
                    const arrow::Field& stored) const {
    return Define(name, type, stored, stored.name(), FieldId(stored));
  }

 private:
  Definition Define(const std::string& name, const duckdb::LogicalType& type,
                    const arrow::Field& stored, const std::string& stored_name, int32_t id) const {
    Definition column(name, type);
    column.identifier = by_id_ ? duckdb::Value::INTEGER(id) : duckdb::Value(stored_name);
    column.default_expression = duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(type));
    const auto& parts = stored.type()->fields();
    const auto add = [&](const std::string& part_name, const duckdb::LogicalType& part_type,
                         const arrow::Field& part, int32_t part_id) {
      column.children.push_back(Define(part_name, part_type, part, part_name, part_id));
    };
    if (type.id() == LogicalTypeId::STRUCT && stored.type()->id() == arrow::Type::STRUCT) {
      const auto& children = duckdb::StructType::GetChildTypes(type);
      for (size_t i = 0; i < children.size() && i < parts.size(); ++i) {
        column.children.push_back(Define(children[i].first, children[i].second, *parts[i]));
      }
    } else if (type.id() == LogicalTypeId::LIST && parts.size() == 1) {
      add(kElement, duckdb::ListType::GetChildType(type), *parts[0], kElementId);
    } else if (type.id() == LogicalTypeId::MAP && stored.type()->id() == arrow::Type::MAP) {
      const auto& entry = parts[0]->type()->fields();
      add(kKey, duckdb::MapType::KeyType(type), *entry[0], kKeyId);
      add(kValue, duckdb::MapType::ValueType(type), *entry[1], kValueId);
    }
    return column;
  }

  const bool by_id_;
};

// Writers name the parts of lists and maps as they like, and give them ids or not.
void NameParts(Definition& column) {
  const auto name = [](Definition& part, const char* called, int32_t id) {
    part.name = called;
    part.identifier = duckdb::Value::INTEGER(id);
  };
  if (column.type.id() == LogicalTypeId::LIST && column.children.size() == 1) {
    name(column.children[0], kElement, kElementId);
  } else if (column.type.id() == LogicalTypeId::MAP && column.children.size() == 1 &&
             column.children[0].children.size() == 2) {
    name(column.children[0].children[0], kKey, kKeyId);
    name(column.children[0].children[1], kValue, kValueId);
  }
  for (Definition& child : column.children) NameParts(child);
}

// DuckDB finds no column behind the first that has no id. Those that have none on both sides find
// each other by name: they get numbers that no id is.
int32_t IdWithoutId(int index) { return -2 - index; }

void GiveIds(const arrow::Schema& stored, duckdb::vector<Definition>& columns) {
  for (Definition& column : columns) {
    if (!column.identifier.IsNull()) continue;
    const int index = stored.GetFieldIndex(column.name);
    const bool matches = index >= 0 && FieldId(*stored.field(index)) < 0;
    column.identifier = duckdb::Value::INTEGER(matches ? IdWithoutId(index) : -1);
  }
}

duckdb::Value ToValue(const arrow::Array& array, int64_t row, const duckdb::LogicalType& type) {
  if (array.IsNull(row)) return duckdb::Value(type);
  switch (array.type_id()) {
    case arrow::Type::STRING:
      return duckdb::Value(static_cast<const arrow::StringArray&>(array).GetString(row));
    case arrow::Type::BINARY: {
      const auto bytes = static_cast<const arrow::BinaryArray&>(array).GetView(row);
      return duckdb::Value::BLOB(reinterpret_cast<duckdb::const_data_ptr_t>(bytes.data()),
                                 bytes.size());
    }
    case arrow::Type::TIMESTAMP: {
      const int64_t at = static_cast<const arrow::TimestampArray&>(array).Value(row);
      return type.id() == LogicalTypeId::TIMESTAMP_TZ
                 ? duckdb::Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(at))
                 : duckdb::Value::TIMESTAMP(duckdb::timestamp_t(at));
    }
    default: {
      const auto scalar = array.GetScalar(row);
      if (!scalar.ok()) throw duckdb::InvalidInputException(scalar.status().message());
      return duckdb::Value((*scalar)->ToString()).DefaultCastAs(type);
    }
  }
}

class DeletedRows final : public duckdb::DeleteFilter {
 public:
  explicit DeletedRows(columnar::RowRuns deleted) : deleted_(std::move(deleted)) {}

  // Called by several threads.
  duckdb::idx_t Filter(duckdb::row_t first, duckdb::idx_t count,
                       duckdb::SelectionVector& left) override {
    left.Initialize(STANDARD_VECTOR_SIZE);
    const auto& runs = deleted_.runs();
    auto run = std::ranges::lower_bound(
        runs, first, {}, [](const columnar::RowRuns::Run& r) { return r.first + r.count - 1; });
    duckdb::idx_t kept = 0;
    for (duckdb::idx_t i = 0; i < count; ++i) {
      const int64_t row = first + static_cast<int64_t>(i);
      while (run != runs.end() && run->first + run->count <= row) ++run;
      if (run == runs.end() || row < run->first) left.set_index(kept++, i);
    }
    return kept;
  }

 private:
  const columnar::RowRuns deleted_;
};

}  // namespace

duckdb::unique_ptr<duckdb::MultiFileReader> RelationFileReader::Create(
    const duckdb::TableFunction&) {
  return duckdb::make_uniq<RelationFileReader>();
}

duckdb::shared_ptr<duckdb::MultiFileList> RelationFileReader::CreateFileList(
    duckdb::ClientContext& context, const duckdb::vector<duckdb::string>& paths,
    const duckdb::FileGlobInput&) {
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

bool RelationFileReader::Bind(duckdb::MultiFileOptions& options, duckdb::MultiFileList&,
                              duckdb::vector<duckdb::LogicalType>& types,
                              duckdb::vector<duckdb::string>& names,
                              duckdb::MultiFileReaderBindData& bind_data) {
  names = bound_->names;
  types = bound_->types;
  const Relation& relation = bound_->relation;
  if (relation.stored_schema == nullptr) {
    bind_data.schema = Definition::ColumnsFromNamesAndTypes(names, types);
    for (auto& column : bind_data.schema) {
      column.default_expression =
          duckdb::make_uniq<duckdb::ConstantExpression>(duckdb::Value(column.type));
    }
  } else {
    const StoredColumns stored(relation.match_field_ids);
    for (size_t i = 0; i < names.size(); ++i) {
      const auto index = static_cast<int>(i);
      const arrow::Field& field = *relation.stored_schema->field(index);
      bind_data.schema.push_back(stored.Define(names[i], types[i], field));
      if (relation.match_field_ids && FieldId(field) < 0) {
        bind_data.schema.back().identifier = duckdb::Value::INTEGER(IdWithoutId(index));
      }
    }
  }
  bind_data.mapping = relation.match_field_ids ? duckdb::MultiFileColumnMappingMode::BY_FIELD_ID
                                               : duckdb::MultiFileColumnMappingMode::BY_NAME;
  options.auto_detect_hive_partitioning = false;
  options.hive_types_autocast = false;
  options.hive_partitioning = false;
  return true;
}

void RelationFileReader::FinalizeBind(
    duckdb::MultiFileReaderData& reader_data, const duckdb::MultiFileOptions& file_options,
    const duckdb::MultiFileReaderBindData& options,
    const duckdb::vector<Definition>& global_columns,
    const duckdb::vector<duckdb::ColumnIndex>& global_column_ids, duckdb::ClientContext& context,
    duckdb::optional_ptr<duckdb::MultiFileReaderGlobalState> global_state) {
  MultiFileReader::FinalizeBind(reader_data, file_options, options, global_columns,
                                global_column_ids, context, global_state);
  duckdb::BaseFileReader& reader = *reader_data.reader;
  if (bound_->relation.stored_schema != nullptr) {
    for (Definition& column : reader.columns) NameParts(column);
    if (bound_->relation.match_field_ids) GiveIds(*bound_->relation.stored_schema, reader.columns);
  }
  const auto row = IndexedFileList::RowOf(reader.file);
  if (!row) return;
  for (size_t i = 0; i < global_column_ids.size(); ++i) {
    const size_t column = global_column_ids[i].GetPrimaryIndex();
    if (column >= bound_->names.size()) continue;  // Of no file, such as its name.
    const arrow::Array* const values = ValuesOf(*bound_, column);
    if (values == nullptr || HasItself(*bound_, column, *row)) continue;
    reader_data.constant_map.Add(duckdb::MultiFileGlobalIndex(i),
                                 ToValue(*values, *row, bound_->types[column]));
  }
  if (const auto deleted = IndexedFileList::DeletedOf(*bound_, *row); !deleted.empty()) {
    auto runs = columnar::RowRuns::Decode(deleted);
    if (!runs.ok()) throw duckdb::InvalidInputException(runs.error().message());
    reader.deletion_filter = duckdb::make_uniq<DeletedRows>(std::move(*runs));
  }
}

duckdb::TablePartitionInfo RelationFileReader::GetPartitionInfo(
    duckdb::ClientContext&, const duckdb::MultiFileReaderBindData&,
    duckdb::TableFunctionPartitionInput& input) {
  for (const auto column : input.partition_ids) {
    if (column >= bound_->names.size() || ValuesOf(*bound_, column) == nullptr ||
        bound_->own[column] != nullptr) {
      return duckdb::TablePartitionInfo::NOT_PARTITIONED;
    }
  }
  return duckdb::TablePartitionInfo::SINGLE_VALUE_PARTITIONS;
}

duckdb::unique_ptr<duckdb::MultiFileReader> RelationFileReader::Copy() const {
  auto copy = duckdb::make_uniq<RelationFileReader>();
  copy->bound_ = bound_;
  return copy;
}

}  // namespace sluice::duck::internal
