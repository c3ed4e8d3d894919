#include "sluice/lake/internal/partition_value.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <arrow/util/utf8.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/timestamp_text.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;
using ScalarPtr = std::shared_ptr<arrow::Scalar>;

Error NoValue(const arrow::DataType& type) {
  return Corrupt("a partition value is no {}", type.ToString());
}

// As Java's Float.toString and Double.toString spell them.
template <typename Real>
std::optional<Real> ParseReal(std::string_view text) {
  if (text == "NaN") return std::numeric_limits<Real>::quiet_NaN();
  if (text == "Infinity" || text == "+Infinity") return std::numeric_limits<Real>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<Real>::infinity();
  Real value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<ScalarPtr> ParseDecimal(const std::string& text,
                               const std::shared_ptr<arrow::DataType>& type) {
  const auto& decimal = static_cast<const arrow::Decimal128Type&>(*type);
  arrow::Decimal128 value;
  int32_t precision = 0;
  int32_t scale = 0;
  if (!arrow::Decimal128::FromString(text, &value, &precision, &scale).ok()) return NoValue(*type);
  const auto scaled = value.Rescale(scale, decimal.scale());
  if (!scaled.ok() || !scaled->FitsInPrecision(decimal.precision())) return NoValue(*type);
  return ScalarPtr(std::make_shared<arrow::Decimal128Scalar>(*scaled, type));
}

Result<ScalarPtr> ParseTime(const std::string& text, const std::shared_ptr<arrow::DataType>& type,
                            const std::string& zone) {
  const auto parsed = ParseTimestamp(text);
  if (!parsed) return NoValue(*type);
  const bool utc = !static_cast<const arrow::TimestampType&>(*type).timezone().empty();
  int64_t microseconds = parsed->microseconds;
  if (utc && !parsed->has_offset && zone != "UTC") {
    SLUICE_RETURN_IF_ERROR(columnar::InitializeCompute());
    const auto local = std::make_shared<arrow::TimestampScalar>(
        microseconds, arrow::timestamp(arrow::TimeUnit::MICRO));
    const arrow::compute::AssumeTimezoneOptions options(
        zone, arrow::compute::AssumeTimezoneOptions::AMBIGUOUS_EARLIEST,
        arrow::compute::AssumeTimezoneOptions::NONEXISTENT_LATEST);
    SLUICE_ASSIGN_OR_RETURN(const arrow::Datum moved,
                            FromArrow(arrow::compute::AssumeTimezone(local, options)));
    microseconds = static_cast<const arrow::TimestampScalar&>(*moved.scalar()).value;
  }
  return ScalarPtr(std::make_shared<arrow::TimestampScalar>(microseconds, type));
}

}  // namespace

Result<ScalarPtr> ParsePartitionValue(const std::optional<std::string>& text,
                                      const std::shared_ptr<arrow::DataType>& type,
                                      const std::string& zone) {
  if (!text || text->empty()) return arrow::MakeNullScalar(type);
  switch (type->id()) {
    case arrow::Type::NA:
      return arrow::MakeNullScalar(type);
    case arrow::Type::STRING:
      return ScalarPtr(std::make_shared<arrow::StringScalar>(*text));
    case arrow::Type::BINARY:
      return ScalarPtr(std::make_shared<arrow::BinaryScalar>(arrow::Buffer::FromString(*text)));
    case arrow::Type::FLOAT: {
      const auto value = ParseReal<float>(*text);
      if (!value) return NoValue(*type);
      return ScalarPtr(std::make_shared<arrow::FloatScalar>(*value));
    }
    case arrow::Type::DOUBLE: {
      const auto value = ParseReal<double>(*text);
      if (!value) return NoValue(*type);
      return ScalarPtr(std::make_shared<arrow::DoubleScalar>(*value));
    }
    case arrow::Type::DECIMAL128:
      return ParseDecimal(*text, type);
    case arrow::Type::TIMESTAMP:
      return ParseTime(*text, type, zone);
    case arrow::Type::DATE32: {
      const auto days = ParseDate(*text);
      if (!days) return NoValue(*type);
      return ScalarPtr(std::make_shared<arrow::Date32Scalar>(*days));
    }
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64: {
      auto parsed = arrow::Scalar::Parse(type, *text);
      if (!parsed.ok()) return NoValue(*type);
      return std::move(parsed).ValueUnsafe();
    }
    default:
      return Unsupported("tables partitioned by a {}", type->ToString());
  }
}

Result<std::shared_ptr<arrow::Scalar>> PartitionValueOf(
    const DataFile& file, const std::string& name, const std::shared_ptr<arrow::DataType>& type,
    const std::string& zone) {
  auto found = file.partition_values.find(name);
  if (found == file.partition_values.end()) {
    found = std::ranges::find_if(file.partition_values, [&](const auto& value) {
      return LowerCase(value.first) == LowerCase(name);
    });
  }
  return ParsePartitionValue(found == file.partition_values.end() ? std::nullopt : found->second,
                             type, zone);
}

Result<std::optional<std::string>> PartitionText(const arrow::Scalar& value) {
  using Text = std::optional<std::string>;
  if (!value.is_valid) return Text();
  // As Java writes reals: whole ones keep a `.0`, large and small ones have an exponent `E7`.
  const auto real = [](double number, const std::string& digits) -> std::string {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
    return digits.find_first_of(".e") == std::string::npos ? digits + ".0" : digits;
  };
  switch (value.type->id()) {
    case arrow::Type::FLOAT: {
      const float number = static_cast<const arrow::FloatScalar&>(value).value;
      return Text(real(number, fmt::format("{}", number)));
    }
    case arrow::Type::DOUBLE: {
      const double number = static_cast<const arrow::DoubleScalar&>(value).value;
      return Text(real(number, fmt::format("{}", number)));
    }
    case arrow::Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*value.type);
      if (type.unit() != arrow::TimeUnit::MICRO) break;
      const int64_t at = static_cast<const arrow::TimestampScalar&>(value).value;
      Text text = FormatTimestamp(at, !type.timezone().empty());
      if (!text) return Invalid("a timestamp outside of the years 1 to 9999 in a partition value");
      if (type.timezone().empty()) (*text)[10] = ' ';
      return text;
    }
    case arrow::Type::DATE32: {
      Text text = FormatDate(static_cast<const arrow::Date32Scalar&>(value).value);
      if (!text) return Invalid("a date outside of the years 1 to 9999 in a partition value");
      return text;
    }
    case arrow::Type::BINARY:
    case arrow::Type::STRING: {
      const std::string_view text = static_cast<const arrow::BaseBinaryScalar&>(value).view();
      arrow::util::InitializeUTF8();
      if (!arrow::util::ValidateUTF8(text)) return Invalid("a partition value that is no UTF-8");
      if (text.empty()) return Text();
      return Text(std::string(text));
    }
    case arrow::Type::BOOL:
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::DECIMAL128:
      return Text(value.ToString());
    default:
      break;
  }
  return Invalid("tables cannot be partitioned by a {}", value.type->ToString());
}

}  // namespace sluice::lake::internal
