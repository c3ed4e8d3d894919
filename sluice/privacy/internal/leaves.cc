#include "sluice/privacy/internal/leaves.h"

#include <arrow/util/bitmap_ops.h>

#include <utility>

#include "sluice/columnar/arrow_bridge.h"

namespace sluice::privacy::internal {
namespace {

using columnar::FromArrow;
using Array = std::shared_ptr<arrow::Array>;

// Fields are taken from the field around them, not from the array: of a batch that was just made
// only the schema has their metadata.
Result<Array> ReplaceInList(const Array& column, const arrow::Field& outer,
                            std::span<const size_t> path, bool whole, const RowsOfValues& rows,
                            const ReplaceLeaf& replace) {
  const auto& list = static_cast<const arrow::ListArray&>(*column);
  // Values of other slices of the same array are left out, and offsets counted anew.
  const int64_t first = list.value_offset(0);
  const int64_t last = list.value_offset(list.length());
  RowsOfValues inner(static_cast<size_t>(last - first));
  std::vector<int32_t> offsets;
  offsets.reserve(static_cast<size_t>(list.length()) + 1);
  for (int64_t i = 0; i < list.length(); ++i) {
    const int64_t begin = list.value_offset(i) - first;
    const int64_t end = list.value_offset(i + 1) - first;
    offsets.push_back(static_cast<int32_t>(begin));
    for (int64_t at = begin; at < end; ++at) inner[static_cast<size_t>(at)] = RowOf(rows, i);
  }
  offsets.push_back(static_cast<int32_t>(last - first));
  const arrow::Field& value_field = *outer.type()->field(0);
  SLUICE_ASSIGN_OR_RETURN(Array values, ReplaceAt(list.values()->Slice(first, last - first),
                                                  value_field, path, whole, inner, replace));
  std::shared_ptr<arrow::Buffer> valid;
  if (list.null_count() > 0) {
    SLUICE_ASSIGN_OR_RETURN(valid, FromArrow(arrow::internal::CopyBitmap(
                                       arrow::default_memory_pool(), list.null_bitmap_data(),
                                       list.offset(), list.length())));
  }
  auto type = arrow::list(value_field.WithType(values->type()));
  return Array(std::make_shared<arrow::ListArray>(
      std::move(type), list.length(), arrow::Buffer::FromVector(std::move(offsets)),
      std::move(values), std::move(valid), list.null_count()));
}

Result<Array> ReplaceInStruct(const Array& column, const arrow::Field& outer,
                              std::span<const size_t> path, bool whole, const RowsOfValues& rows,
                              const ReplaceLeaf& replace) {
  const auto& record = static_cast<const arrow::StructArray&>(*column);
  const auto at = static_cast<int>(path.front());
  if (at >= record.num_fields()) return Internal("a struct has no field {}", at);
  arrow::ArrayVector children;
  arrow::FieldVector fields = outer.type()->fields();
  for (int i = 0; i < record.num_fields(); ++i) children.push_back(record.field(i));
  auto& child = children[path.front()];
  auto& field = fields[path.front()];
  SLUICE_ASSIGN_OR_RETURN(child, ReplaceAt(child, *field, path.subspan(1), whole, rows, replace));
  field = field->WithType(child->type());
  std::shared_ptr<arrow::Buffer> valid;
  if (record.null_count() > 0) {
    SLUICE_ASSIGN_OR_RETURN(valid, FromArrow(arrow::internal::CopyBitmap(
                                       arrow::default_memory_pool(), record.null_bitmap_data(),
                                       record.offset(), record.length())));
  }
  return Array(std::make_shared<arrow::StructArray>(arrow::struct_(std::move(fields)),
                                                    record.length(), std::move(children),
                                                    std::move(valid), record.null_count()));
}

}  // namespace

Result<Array> ReplaceAt(const Array& column, const arrow::Field& field,
                        std::span<const size_t> path, bool whole, const RowsOfValues& rows,
                        const ReplaceLeaf& replace) {
  const bool list = column->type_id() == arrow::Type::LIST;
  if (path.empty() && (!list || whole)) return replace(column, field, rows);
  if (list) {
    return ReplaceInList(column, field, path.empty() ? path : path.subspan(1), whole, rows,
                         replace);
  }
  if (column->type_id() == arrow::Type::STRUCT) {
    return ReplaceInStruct(column, field, path, whole, rows, replace);
  }
  return Internal("column of {} has no fields inside", column->type()->ToString());
}

std::shared_ptr<arrow::Field> ReplaceFieldAt(
    const std::shared_ptr<arrow::Field>& field, std::span<const size_t> path, bool whole,
    const std::function<std::shared_ptr<arrow::Field>(const std::shared_ptr<arrow::Field>&)>&
        replace) {
  const bool list = field->type()->id() == arrow::Type::LIST;
  if (path.empty() && (!list || whole)) return replace(field);
  if (list) {
    const auto& value = static_cast<const arrow::ListType&>(*field->type()).value_field();
    return field->WithType(
        arrow::list(ReplaceFieldAt(value, path.empty() ? path : path.subspan(1), whole, replace)));
  }
  if (field->type()->id() != arrow::Type::STRUCT) return field;
  arrow::FieldVector fields = field->type()->fields();
  auto& child = fields.at(path.front());
  child = ReplaceFieldAt(child, path.subspan(1), whole, replace);
  return field->WithType(arrow::struct_(std::move(fields)));
}

}  // namespace sluice::privacy::internal
