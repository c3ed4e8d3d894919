#include "sluice/lake/internal/convert_array.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/key_value_metadata.h>

#include <chrono>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/variant.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;
using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

TypePtr PlainType(const arrow::Field& field) { return WithoutAnnotations(field)->type(); }

Error WrongType(const arrow::Field& wanted, const arrow::DataType& found) {
  return Corrupt("column '{}' is {} in the file, expected {}", wanted.name(), found.ToString(),
                 PlainType(wanted)->ToString());
}

bool IsInteger(arrow::Type::type id) {
  return id == arrow::Type::INT8 || id == arrow::Type::INT16 || id == arrow::Type::INT32 ||
         id == arrow::Type::INT64;
}

// Files of others have them; tables keep their values in wider types.
bool IsUnsigned(arrow::Type::type id) {
  return id == arrow::Type::UINT8 || id == arrow::Type::UINT16 || id == arrow::Type::UINT32 ||
         id == arrow::Type::UINT64;
}

// Whether a value of the file may be read as the table's type: an encoding of the same type, or a
// widening that Delta knows.
bool MayCast(const arrow::DataType& from, const arrow::DataType& to) {
  using arrow::Type;
  switch (to.id()) {
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
      return IsInteger(from.id()) || IsUnsigned(from.id());
    case Type::FLOAT:
      return from.id() == Type::FLOAT;
    case Type::DOUBLE:
      return from.id() == Type::FLOAT || from.id() == Type::DOUBLE ||
             (IsInteger(from.id()) && from.id() != Type::INT64);
    case Type::DECIMAL128:
      return from.id() == Type::DECIMAL128 || from.id() == Type::DECIMAL256 ||
             from.id() == Type::DECIMAL32 || from.id() == Type::DECIMAL64 || IsInteger(from.id()) ||
             IsUnsigned(from.id());
    case Type::TIMESTAMP:
      return from.id() == Type::TIMESTAMP || from.id() == Type::DATE32;
    case Type::STRING:
    case Type::BINARY:
      return arrow::is_base_binary_like(from.id()) || arrow::is_binary_view_like(from.id()) ||
             from.id() == Type::FIXED_SIZE_BINARY || from.id() == Type::DICTIONARY;
    default:
      return from.id() == to.id();
  }
}

// Days of the Julian calendar as days of the proleptic Gregorian one with the same name.
int64_t FromJulianDay(int64_t day) {
  constexpr int64_t kGregorianBegin = -141'427;  // 1582-10-15
  if (day >= kGregorianBegin) return day;
  // Year, month and day by the Julian calendar (Richards' algorithm), then days of that date.
  const int64_t f = day + 2'440'588 + 1401;
  const int64_t e = 4 * f + 3;
  const int64_t g = ((e % 1461) + 1461) % 1461 / 4;
  const int64_t h = 5 * g + 2;
  const auto month_day = static_cast<unsigned>(h % 153 / 5 + 1);
  const auto month = static_cast<unsigned>((h / 153 + 2) % 12 + 1);
  const int64_t year = e / 1461 - 4716 + (14 - static_cast<int64_t>(month)) / 12;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)),
                                         std::chrono::month(month), std::chrono::day(month_day)};
  return std::chrono::sys_days(date).time_since_epoch().count();
}

template <typename ArrayType>
Result<ArrayPtr> Rebase(const arrow::Array& array, int64_t per_day) {
  const auto& values = static_cast<const ArrayType&>(array);
  typename arrow::TypeTraits<typename ArrayType::TypeClass>::BuilderType builder(
      array.type(), arrow::default_memory_pool());
  SLUICE_RETURN_IF_ERROR(FromArrow(builder.Reserve(values.length())));
  for (int64_t i = 0; i < values.length(); ++i) {
    if (values.IsNull(i)) {
      builder.UnsafeAppendNull();
      continue;
    }
    const int64_t value = values.Value(i);
    int64_t day = value / per_day;
    if (day * per_day > value) --day;
    builder.UnsafeAppend(static_cast<typename ArrayType::TypeClass::c_type>(
        value + (FromJulianDay(day) - day) * per_day));
  }
  return FromArrow(builder.Finish());
}

Result<ArrayPtr> ConvertPrimitive(const ArrayPtr& array, const arrow::Field& wanted,
                                  const FileTraits& traits) {
  const TypePtr type = wanted.type();
  ArrayPtr result = array;
  if (!array->type()->Equals(*type)) {
    if (!MayCast(*array->type(), *type)) return WrongType(wanted, *array->type());
    SLUICE_RETURN_IF_ERROR(columnar::InitializeCompute());
    arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(type);
    // Nanoseconds are finer than what tables keep.
    options.allow_time_truncate = true;
    auto cast = arrow::compute::Cast(*array, type, options);
    if (!cast.ok()) return WrongType(wanted, *array->type());
    result = std::move(cast).ValueUnsafe();
  }
  if (traits.julian_days && type->id() == arrow::Type::DATE32) {
    return Rebase<arrow::Date32Array>(*result, 1);
  }
  if (traits.julian_days && type->id() == arrow::Type::TIMESTAMP) {
    return Rebase<arrow::TimestampArray>(*result, 86'400'000'000);
  }
  return result;
}

// A struct's own nulls as they are; its members matched.
Result<ArrayPtr> ConvertStruct(const ArrayPtr& array, const arrow::Field& wanted,
                               const FileTraits& traits) {
  if (array->type_id() != arrow::Type::STRUCT) return WrongType(wanted, *array->type());
  const auto& whole = static_cast<const arrow::StructArray&>(*array);
  arrow::ArrayVector members;
  for (const auto& field : wanted.type()->fields()) {
    const int found = FindField(array->type()->fields(), *field, traits.mapping);
    if (found < 0) {
      SLUICE_ASSIGN_OR_RETURN(
          ArrayPtr nulls, FromArrow(arrow::MakeArrayOfNull(PlainType(*field), array->length())));
      members.push_back(std::move(nulls));
      continue;
    }
    SLUICE_ASSIGN_OR_RETURN(ArrayPtr member, ConvertArray(whole.field(found), *field, traits));
    members.push_back(std::move(member));
  }
  SLUICE_ASSIGN_OR_RETURN(auto valid, ValidityOf(*array));
  return ArrayPtr(std::make_shared<arrow::StructArray>(PlainType(wanted), array->length(),
                                                       std::move(members), std::move(valid),
                                                       array->null_count()));
}

Result<ArrayPtr> ConvertList(const ArrayPtr& array, const arrow::Field& wanted,
                             const FileTraits& traits) {
  if (array->type_id() != arrow::Type::LIST) return WrongType(wanted, *array->type());
  const auto& list = static_cast<const arrow::ListArray&>(*array);
  SLUICE_ASSIGN_OR_RETURN(const ArrayPtr values,
                          ConvertArray(list.values(), *wanted.type()->field(0), traits));
  return ArrayPtr(std::make_shared<arrow::ListArray>(
      PlainType(wanted), array->length(), list.value_offsets(), values, array->null_bitmap(),
      array->null_count(), array->offset()));
}

Result<ArrayPtr> ConvertMap(const ArrayPtr& array, const arrow::Field& wanted,
                            const FileTraits& traits) {
  // A map of a writer that does not annotate maps: a list of pairs.
  if (array->type_id() != arrow::Type::MAP && array->type_id() != arrow::Type::LIST) {
    return WrongType(wanted, *array->type());
  }
  const auto& list = static_cast<const arrow::ListArray&>(*array);
  if (list.values()->type_id() != arrow::Type::STRUCT || list.values()->num_fields() != 2) {
    return WrongType(wanted, *array->type());
  }
  const auto& entries = static_cast<const arrow::StructArray&>(*list.values());
  const auto& map = static_cast<const arrow::MapType&>(*wanted.type());
  SLUICE_ASSIGN_OR_RETURN(const ArrayPtr keys,
                          ConvertArray(entries.field(0), *map.key_field(), traits));
  SLUICE_ASSIGN_OR_RETURN(const ArrayPtr items,
                          ConvertArray(entries.field(1), *map.item_field(), traits));
  return ArrayPtr(std::make_shared<arrow::MapArray>(
      PlainType(wanted), array->length(), list.value_offsets(), keys, items, array->null_bitmap(),
      array->null_count(), array->offset()));
}

std::string FieldId(const arrow::Field& field) {
  if (field.metadata() == nullptr) return {};
  return field.metadata()->Get("PARQUET:field_id").ValueOr("");
}

}  // namespace

int FindField(const arrow::FieldVector& parents, const arrow::Field& wanted,
              ColumnMapping mapping) {
  if (mapping == ColumnMapping::kId) {
    const std::string id = Annotation(wanted, "delta.columnMapping.id");
    for (size_t i = 0; i < parents.size(); ++i) {
      if (!id.empty() && FieldId(*parents[i]) == id) return static_cast<int>(i);
    }
    return -1;
  }
  std::string name = wanted.name();
  if (mapping == ColumnMapping::kName) {
    const std::string physical = Annotation(wanted, "delta.columnMapping.physicalName");
    if (!physical.empty()) name = physical;
  }
  for (size_t i = 0; i < parents.size(); ++i) {
    if (parents[i]->name() == name) return static_cast<int>(i);
  }
  const std::string lower = LowerCase(name);
  for (size_t i = 0; i < parents.size(); ++i) {
    if (LowerCase(parents[i]->name()) == lower) return static_cast<int>(i);
  }
  return -1;
}

Result<std::shared_ptr<arrow::Buffer>> ValidityOf(const arrow::Array& array) {
  if (array.null_count() == 0) return std::shared_ptr<arrow::Buffer>();
  // What is put together of a slice begins at its first row, so the bits must, too.
  return FromArrow(arrow::internal::CopyBitmap(
      arrow::default_memory_pool(), array.null_bitmap_data(), array.offset(), array.length()));
}

Result<ArrayPtr> ConvertArray(const ArrayPtr& array, const arrow::Field& wanted,
                              const FileTraits& traits) {
  if (array->type_id() == arrow::Type::EXTENSION) {
    return ConvertArray(static_cast<const arrow::ExtensionArray&>(*array).storage(), wanted,
                        traits);
  }
  if (wanted.type()->id() == arrow::Type::NA) {
    return ArrayPtr(std::make_shared<arrow::NullArray>(array->length()));
  }
  if (array->type_id() == arrow::Type::NA) {
    return FromArrow(arrow::MakeArrayOfNull(PlainType(wanted), array->length()));
  }
  if (!Annotation(wanted, kVariantKey).empty()) return AssembleVariant(array, wanted);
  switch (wanted.type()->id()) {
    case arrow::Type::STRUCT:
      return ConvertStruct(array, wanted, traits);
    case arrow::Type::LIST:
      return ConvertList(array, wanted, traits);
    case arrow::Type::MAP:
      return ConvertMap(array, wanted, traits);
    default:
      return ConvertPrimitive(array, wanted, traits);
  }
}

}  // namespace sluice::lake::internal
