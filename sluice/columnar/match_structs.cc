#include "sluice/columnar/match_structs.h"

#include <arrow/api.h>
#include <arrow/util/bitmap_ops.h>

#include <utility>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::columnar {
namespace {

using Array = std::shared_ptr<arrow::Array>;
using Field = std::shared_ptr<arrow::Field>;

struct Column {
  Array values;
  Field field;
};

Result<Column> Match(const Column& from, const arrow::Field& to);

Result<Column> MatchStruct(const Column& from, const arrow::Field& to) {
  const auto& record = static_cast<const arrow::StructArray&>(*from.values);
  const auto& type = static_cast<const arrow::StructType&>(*from.field->type());
  arrow::ArrayVector members;
  arrow::FieldVector fields;
  int known = 0;
  for (const Field& wanted : to.type()->fields()) {
    const int at = type.GetFieldIndex(wanted->name());
    if (at < 0) {
      if (!wanted->nullable()) {
        return Corrupt("'{}' lacks field '{}', which may not be null", to.name(), wanted->name());
      }
      SLUICE_ASSIGN_OR_RETURN(Array nulls,
                              FromArrow(arrow::MakeArrayOfNull(wanted->type(), record.length())));
      members.push_back(std::move(nulls));
      fields.push_back(wanted);
      continue;
    }
    ++known;
    SLUICE_ASSIGN_OR_RETURN(Column member, Match({record.field(at), type.field(at)}, *wanted));
    members.push_back(std::move(member.values));
    fields.push_back(std::move(member.field));
  }
  if (known != type.num_fields()) {
    return Corrupt("'{}' is {}, expected {}", to.name(), type.ToString(), to.type()->ToString());
  }
  std::shared_ptr<arrow::Buffer> valid;
  if (record.null_count() > 0) {
    // The members begin at the slice's first row, so the bits must, too.
    SLUICE_ASSIGN_OR_RETURN(valid, FromArrow(arrow::internal::CopyBitmap(
                                       arrow::default_memory_pool(), record.null_bitmap_data(),
                                       record.offset(), record.length())));
  }
  auto matched = arrow::struct_(std::move(fields));
  auto values = std::make_shared<arrow::StructArray>(matched, record.length(), std::move(members),
                                                     std::move(valid), record.null_count());
  return Column{std::move(values), from.field->WithType(std::move(matched))};
}

Result<Column> MatchList(const Column& from, const arrow::Field& to) {
  const auto& list = static_cast<const arrow::ListArray&>(*from.values);
  SLUICE_ASSIGN_OR_RETURN(const Column values, Match({list.values(), from.field->type()->field(0)},
                                                     *to.type()->field(0)));
  auto matched = arrow::list(values.field);
  auto array = std::make_shared<arrow::ListArray>(matched, list.length(), list.value_offsets(),
                                                  values.values, list.null_bitmap(),
                                                  list.null_count(), list.offset());
  return Column{std::move(array), from.field->WithType(std::move(matched))};
}

Result<Column> Match(const Column& from, const arrow::Field& to) {
  const arrow::DataType& type = *from.field->type();
  if (type.Equals(*to.type())) return from;
  if (type.id() == to.type()->id() && type.id() == arrow::Type::STRUCT) {
    return MatchStruct(from, to);
  }
  if (type.id() == to.type()->id() && type.id() == arrow::Type::LIST) return MatchList(from, to);
  return Corrupt("'{}' is {}, expected {}", to.name(), type.ToString(), to.type()->ToString());
}

}  // namespace

Result<Batch> MatchStructs(const Batch& rows, const Schema& schema) {
  arrow::ArrayVector columns = rows->columns();
  arrow::FieldVector fields = rows->schema()->fields();
  bool changed = false;
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto wanted = schema->GetFieldByName(fields[i]->name());
    if (fields[i]->type()->num_fields() == 0 || wanted == nullptr ||
        fields[i]->type()->Equals(*wanted->type())) {
      continue;
    }
    SLUICE_ASSIGN_OR_RETURN(Column column, Match({columns[i], fields[i]}, *wanted));
    columns[i] = std::move(column.values);
    fields[i] = std::move(column.field);
    changed = true;
  }
  if (!changed) return rows;
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows->num_rows(),
                                  std::move(columns));
}

Result<Array> MatchStructs(const Array& values, const arrow::Field& wanted) {
  SLUICE_ASSIGN_OR_RETURN(Column column,
                          Match({values, arrow::field(wanted.name(), values->type())}, wanted));
  return std::move(column.values);
}

}  // namespace sluice::columnar
