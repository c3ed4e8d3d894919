#include "sluice/worker/internal/json_value.h"

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "sluice/base/base64.h"
#include "sluice/base/json.h"

namespace sluice::worker::internal {
namespace {

int64_t MicrosPer(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1'000'000;
    case arrow::TimeUnit::MILLI:
      return 1'000;
    default:
      return 1;
  }
}

std::string DateText(int64_t days) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string TimeText(int64_t value, const arrow::TimestampType& type) {
  int64_t micros = 0;
  if (type.unit() == arrow::TimeUnit::NANO) {
    micros = value / 1000;
  } else {
    micros = value * MicrosPer(type.unit());
  }
  const int64_t days =
      std::chrono::floor<std::chrono::days>(std::chrono::microseconds(micros)).count();
  int64_t rest = micros - days * 86'400'000'000;
  const int64_t fraction = rest % 1'000'000;
  rest /= 1'000'000;
  std::string text =
      fmt::format("{}T{:02}:{:02}:{:02}", DateText(days), rest / 3600, rest / 60 % 60, rest % 60);
  if (fraction != 0) text += fmt::format(".{:06}", fraction);
  if (!type.timezone().empty()) text += 'Z';
  return text;
}

}  // namespace

void AppendJson(std::string& out, const arrow::Array& column, int64_t row) {
  if (column.IsNull(row)) {
    out += "null";
    return;
  }
  const auto number = [&](auto value) { fmt::format_to(std::back_inserter(out), "{}", value); };
  const auto real = [&](double value) {
    if (std::isfinite(value)) {
      number(value);
    } else {
      AppendJsonString(out, fmt::format("{}", value));
    }
  };
  switch (column.type_id()) {
    case arrow::Type::BOOL:
      out += static_cast<const arrow::BooleanArray&>(column).Value(row) ? "true" : "false";
      return;
    case arrow::Type::INT8:
      return number(static_cast<const arrow::Int8Array&>(column).Value(row));
    case arrow::Type::INT16:
      return number(static_cast<const arrow::Int16Array&>(column).Value(row));
    case arrow::Type::INT32:
      return number(static_cast<const arrow::Int32Array&>(column).Value(row));
    case arrow::Type::INT64:
      return number(static_cast<const arrow::Int64Array&>(column).Value(row));
    case arrow::Type::UINT8:
      return number(static_cast<const arrow::UInt8Array&>(column).Value(row));
    case arrow::Type::UINT16:
      return number(static_cast<const arrow::UInt16Array&>(column).Value(row));
    case arrow::Type::UINT32:
      return number(static_cast<const arrow::UInt32Array&>(column).Value(row));
    case arrow::Type::UINT64:
      return number(static_cast<const arrow::UInt64Array&>(column).Value(row));
    case arrow::Type::FLOAT: {
      const float value = static_cast<const arrow::FloatArray&>(column).Value(row);
      if (std::isfinite(value)) return number(value);
      return real(value);
    }
    case arrow::Type::DOUBLE:
      return real(static_cast<const arrow::DoubleArray&>(column).Value(row));
    case arrow::Type::STRING:
      return AppendJsonString(out, static_cast<const arrow::StringArray&>(column).GetView(row));
    case arrow::Type::LARGE_STRING:
      return AppendJsonString(out,
                              static_cast<const arrow::LargeStringArray&>(column).GetView(row));
    case arrow::Type::BINARY:
      out += '"';
      out += EncodeBase64(static_cast<const arrow::BinaryArray&>(column).GetView(row));
      out += '"';
      return;
    case arrow::Type::DATE32:
      out += '"';
      out += DateText(static_cast<const arrow::Date32Array&>(column).Value(row));
      out += '"';
      return;
    case arrow::Type::TIMESTAMP:
      out += '"';
      out += TimeText(static_cast<const arrow::TimestampArray&>(column).Value(row),
                      static_cast<const arrow::TimestampType&>(*column.type()));
      out += '"';
      return;
    case arrow::Type::DECIMAL128: {
      const auto& type = static_cast<const arrow::Decimal128Type&>(*column.type());
      const auto text = static_cast<const arrow::Decimal128Array&>(column).FormatValue(row);
      if (type.scale() == 0) {
        out += text;  // A whole number: what sum() of integers gives.
      } else {
        AppendJsonString(out, text);
      }
      return;
    }
    case arrow::Type::LIST: {
      const auto& list = static_cast<const arrow::ListArray&>(column);
      out += '[';
      for (int64_t i = list.value_offset(row); i < list.value_offset(row + 1); ++i) {
        if (i > list.value_offset(row)) out += ',';
        AppendJson(out, *list.values(), i);
      }
      out += ']';
      return;
    }
    case arrow::Type::STRUCT: {
      const auto& record = static_cast<const arrow::StructArray&>(column);
      out += '{';
      for (int i = 0; i < record.num_fields(); ++i) {
        if (i > 0) out += ',';
        AppendJsonString(out, record.struct_type()->field(i)->name());
        out += ':';
        AppendJson(out, *record.field(i), row);
      }
      out += '}';
      return;
    }
    default: {
      const auto scalar = column.GetScalar(row);
      AppendJsonString(out, scalar.ok() ? scalar.ValueUnsafe()->ToString() : "");
    }
  }
}

}  // namespace sluice::worker::internal
