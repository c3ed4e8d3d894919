#pragma once
/// \file
/// Variant columns: values that bring their own types
/// (https://github.com/apache/parquet-format/blob/master/VariantEncoding.md).

#include <arrow/type_fwd.h>

#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/error.h"

namespace sluice::lake::internal {

/// Returns a file's variant column as struct<metadata: binary, value: binary>. kUnsupported: parts
/// of it are kept as typed columns (feature 'variantShredding').
Result<std::shared_ptr<arrow::Array>> AssembleVariant(const std::shared_ptr<arrow::Array>& array,
                                                      const arrow::Field& wanted);

}  // namespace sluice::lake::internal
