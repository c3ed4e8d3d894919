#include "sluice/lake/internal/variant.h"

#include <arrow/api.h>

#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/convert_array.h"
#include "sluice/lake/internal/schema_json.h"

namespace sluice::lake::internal {

Result<std::shared_ptr<arrow::Array>> AssembleVariant(const std::shared_ptr<arrow::Array>& array,
                                                      const arrow::Field& wanted) {
  if (array->type_id() != arrow::Type::STRUCT) {
    return Corrupt("column '{}' is {} in the file, expected a variant", wanted.name(),
                   array->type()->ToString());
  }
  const auto& whole = static_cast<const arrow::StructArray&>(*array);
  const auto metadata = whole.GetFieldByName("metadata");
  const auto value = whole.GetFieldByName("value");
  const auto typed = whole.GetFieldByName("typed_value");
  for (int64_t row = 0; typed != nullptr && row < typed->length(); ++row) {
    if (array->IsNull(row) || typed->IsNull(row)) continue;
    return Unsupported(
        "column '{}' keeps parts of its variants as typed columns (feature 'variantShredding')",
        wanted.name());
  }
  if (metadata == nullptr || value == nullptr || metadata->type_id() != arrow::Type::BINARY ||
      value->type_id() != arrow::Type::BINARY) {
    return Corrupt("column '{}' lacks a variant's metadata or value in the file", wanted.name());
  }
  const auto type = WithoutAnnotations(wanted)->type();
  SLUICE_ASSIGN_OR_RETURN(auto valid, ValidityOf(*array));
  return std::shared_ptr<arrow::Array>(std::make_shared<arrow::StructArray>(
      type, array->length(), arrow::ArrayVector{metadata, value}, std::move(valid),
      array->null_count()));
}

}  // namespace sluice::lake::internal
