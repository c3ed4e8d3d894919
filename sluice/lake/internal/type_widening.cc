#include "sluice/lake/internal/type_widening.h"

#include <arrow/api.h>

#include "sluice/lake/internal/schema_json.h"

namespace sluice::lake::internal {

namespace {

// Bytes of an integer type; 0: it is none.
int IntegerBytes(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::INT8:
      return 1;
    case arrow::Type::INT16:
      return 2;
    case arrow::Type::INT32:
      return 4;
    case arrow::Type::INT64:
      return 8;
    default:
      return 0;
  }
}

bool IsWider(const arrow::DataType& from, const arrow::DataType& to) {
  const int bytes = IntegerBytes(from);
  if (bytes > 0 && IntegerBytes(to) > bytes) return true;
  if (to.id() == arrow::Type::DOUBLE) {
    return from.id() == arrow::Type::FLOAT || (bytes > 0 && bytes <= 4);
  }
  if (from.id() == arrow::Type::DATE32) {
    return to.id() == arrow::Type::TIMESTAMP &&
           static_cast<const arrow::TimestampType&>(to).timezone().empty();
  }
  if (to.id() != arrow::Type::DECIMAL128) return false;
  const auto& wide = static_cast<const arrow::Decimal128Type&>(to);
  int precision = bytes == 8 ? 20 : 10;
  int scale = 0;
  if (from.id() == arrow::Type::DECIMAL128) {
    const auto& narrow = static_cast<const arrow::Decimal128Type&>(from);
    precision = narrow.precision();
    scale = narrow.scale();
  } else if (bytes == 0) {
    return false;
  }
  const int more_scale = wide.scale() - scale;
  return more_scale >= 0 && wide.precision() - precision >= more_scale;
}

}  // namespace

Status CheckWider(std::string_view from, std::string_view to) {
  SLUICE_ASSIGN_OR_RETURN(const auto narrow, ParseTypeName(from));
  SLUICE_ASSIGN_OR_RETURN(const auto wide, ParseTypeName(to));
  if (IsWider(*narrow, *wide)) return {};
  return Invalid(
      "{} cannot become {}: integers become wider ones, double or decimal (long: decimal alone), "
      "float double, date timestamp_ntz, and decimals keep all their digits on both sides",
      from, to);
}

Status NoteTypeChange(SchemaField& field, std::string_view inside, std::string_view from,
                      std::string_view to) {
  constexpr std::string_view kKey = "delta.typeChanges";
  std::string change = fmt::format(R"({{"toType":{},"fromType":{})", JsonText(to), JsonText(from));
  if (!inside.empty()) change += fmt::format(R"(,"fieldPath":{})", JsonText(inside));
  change += '}';
  const std::string* const noted = FindAnnotation(field, kKey);
  std::string list = noted == nullptr ? "[]" : *noted;
  if (!list.starts_with('[') || !list.ends_with(']')) {
    return Corrupt("column '{}': {} is no list", field.name, kKey);
  }
  list.pop_back();
  Annotate(field, kKey, list + (list.size() > 1 ? "," : "") + change + "]");
  return {};
}

}  // namespace sluice::lake::internal
