#pragma once
/// \file
/// Cells as texts, for tests that compare what the decoder made with what they expect.

#include <arrow/api.h>
#include <fmt/format.h>

#include <string>

namespace sluice::decode::internal {

/// One cell: numbers and times as their number, bytes as 0x and upper-case hexadecimal, members of
/// structs and lists each with a semicolon behind it; `null`, and `?` of a type that no decoder
/// makes.
inline std::string CellText(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) return "null";
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return static_cast<const arrow::BooleanArray&>(array).Value(row) ? "true" : "false";
    case arrow::Type::INT8:
      return std::to_string(static_cast<const arrow::Int8Array&>(array).Value(row));
    case arrow::Type::INT16:
      return std::to_string(static_cast<const arrow::Int16Array&>(array).Value(row));
    case arrow::Type::INT32:
      return std::to_string(static_cast<const arrow::Int32Array&>(array).Value(row));
    case arrow::Type::INT64:
      return std::to_string(static_cast<const arrow::Int64Array&>(array).Value(row));
    case arrow::Type::TIMESTAMP:
      return std::to_string(static_cast<const arrow::TimestampArray&>(array).Value(row));
    case arrow::Type::FLOAT:
      return fmt::format("{}", static_cast<const arrow::FloatArray&>(array).Value(row));
    case arrow::Type::DOUBLE:
      return fmt::format("{}", static_cast<const arrow::DoubleArray&>(array).Value(row));
    case arrow::Type::STRING:
      return static_cast<const arrow::StringArray&>(array).GetString(row);
    case arrow::Type::BINARY: {
      const auto view = static_cast<const arrow::BinaryArray&>(array).GetView(row);
      std::string text = "0x";
      for (const char c : view) text += fmt::format("{:02X}", static_cast<unsigned char>(c));
      return text;
    }
    case arrow::Type::DECIMAL128:
      return static_cast<const arrow::Decimal128Array&>(array).FormatValue(row);
    case arrow::Type::STRUCT: {
      const auto& parts = static_cast<const arrow::StructArray&>(array);
      std::string text = "{";
      for (int i = 0; i < parts.num_fields(); ++i) text += CellText(*parts.field(i), row) + ";";
      return text + "}";
    }
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(array);
      std::string text = "[";
      for (auto i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
        text += CellText(*list.values(), i) + ";";
      }
      return text + "]";
    }
    default:
      return "?";
  }
}

}  // namespace sluice::decode::internal
