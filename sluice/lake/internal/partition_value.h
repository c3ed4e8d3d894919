#pragma once
/// \file
/// Partition values: the log's texts as values of the column's type, and back.

#include <arrow/type_fwd.h>

#include <memory>
#include <optional>
#include <string>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"

namespace sluice::lake::internal {

/// Parses a partition value. Absent and empty texts are null. Timestamps without an offset are in
/// `zone`, the (unknowable) zone of their writer: a name of the tz database, or "UTC". kCorrupt:
/// the text is no value of the type.
Result<std::shared_ptr<arrow::Scalar>> ParsePartitionValue(
    const std::optional<std::string>& text, const std::shared_ptr<arrow::DataType>& type,
    const std::string& zone = "UTC");

/// Returns the file's value of the partition column that the log calls `name`.
Result<std::shared_ptr<arrow::Scalar>> PartitionValueOf(
    const DataFile& file, const std::string& name, const std::shared_ptr<arrow::DataType>& type,
    const std::string& zone);

/// Writes a value as the log has it; nothing for null. kInvalid: the type cannot partition a table,
/// or a binary value is no UTF-8.
Result<std::optional<std::string>> PartitionText(const arrow::Scalar& value);

}  // namespace sluice::lake::internal
