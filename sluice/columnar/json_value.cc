#include "sluice/columnar/json_value.h"

#include <arrow/array.h>
#include <arrow/scalar.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "sluice/base/base64.h"
#include "sluice/base/csv.h"
#include "sluice/base/json.h"

namespace sluice::columnar {
namespace {

constexpr int64_t kDaySeconds = 86'400;

template <typename Array>
auto ValueOf(const arrow::Array& column, int64_t row) {
  return static_cast<const Array&>(column).Value(row);
}

template <typename Array>
std::string_view ViewOf(const arrow::Array& column, int64_t row) {
  return static_cast<const Array&>(column).GetView(row);
}

struct Split {
  int64_t whole;  // Rounded down.
  int64_t rest;   // From 0 on.
};

Split Divide(int64_t value, int64_t by) {
  const int64_t rest = value % by;
  return rest < 0 ? Split{value / by - 1, rest + by} : Split{value / by, rest};
}

int64_t UnitsPerSecond(arrow::TimeUnit::type unit) {
  switch (unit) {
    case arrow::TimeUnit::SECOND:
      return 1;
    case arrow::TimeUnit::MILLI:
      return 1'000;
    case arrow::TimeUnit::MICRO:
      return 1'000'000;
    case arrow::TimeUnit::NANO:
      break;
  }
  return 1'000'000'000;
}

// `days` since 1970-01-01 in the Gregorian calendar, also before it was one. std::chrono's years
// end at 32,767; those of SQL do not. The algorithm is "civil_from_days" of Hinnant's
// "chrono-Compatible Low-Level Date Algorithms": years begin in March, in eras of 400.
void AppendDate(std::string& out, int64_t days) {
  const auto [era, day_of_era] = Divide(days + 719'468, 146'097);
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t march_month = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
  const int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const int64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
  if (year < 0 || year > 9'999) out += year < 0 ? '-' : '+';
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}", std::abs(year), month, day);
}

// `fraction` of a second in such units: nothing if it is 0, else six digits, or nine if it has so
// many.
void AppendFraction(std::string& out, int64_t fraction, arrow::TimeUnit::type unit) {
  if (fraction == 0) return;
  const int64_t nanos = fraction * (1'000'000'000 / UnitsPerSecond(unit));
  if (nanos % 1'000 != 0) {
    fmt::format_to(std::back_inserter(out), ".{:09}", nanos);
  } else {
    fmt::format_to(std::back_inserter(out), ".{:06}", nanos / 1'000);
  }
}

void AppendTimeOfDay(std::string& out, int64_t value, arrow::TimeUnit::type unit) {
  const auto [seconds, fraction] = Divide(value, UnitsPerSecond(unit));
  fmt::format_to(std::back_inserter(out), "{:02}:{:02}:{:02}", seconds / 3'600, seconds / 60 % 60,
                 seconds % 60);
  AppendFraction(out, fraction, unit);
}

void AppendTimestamp(std::string& out, int64_t value, const arrow::TimestampType& type) {
  const auto [days, of_day] = Divide(value, kDaySeconds * UnitsPerSecond(type.unit()));
  AppendDate(out, days);
  out += 'T';
  AppendTimeOfDay(out, of_day, type.unit());
  if (!type.timezone().empty()) out += 'Z';
}

// An ISO 8601 duration, each part with its own sign, as SQL's intervals have them.
void AppendInterval(std::string& out, const arrow::MonthDayNanoIntervalType::MonthDayNanos& value) {
  const size_t begin = out.size();
  out += 'P';
  const auto part = [&](int64_t count, char name) {
    if (count != 0) fmt::format_to(std::back_inserter(out), "{}{}", count, name);
  };
  part(value.months / 12, 'Y');
  part(value.months % 12, 'M');
  part(value.days, 'D');
  if (value.nanoseconds != 0) {
    out += 'T';
    const int64_t seconds = value.nanoseconds / 1'000'000'000;
    const int64_t nanos = std::abs(value.nanoseconds % 1'000'000'000);
    part(seconds / 3'600, 'H');
    part(seconds / 60 % 60, 'M');
    if (nanos == 0) {
      part(seconds % 60, 'S');
    } else {
      if (value.nanoseconds < 0) out += '-';
      fmt::format_to(std::back_inserter(out), "{}", std::abs(seconds % 60));
      AppendFraction(out, nanos, arrow::TimeUnit::NANO);
      out += 'S';
    }
  }
  if (out.size() == begin + 1) out += "T0S";
}

template <typename Real>
void AppendReal(std::string& out, Real value) {
  if (std::isnan(value)) {
    out += "\"NaN\"";
  } else if (std::isinf(value)) {
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  } else {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
}

void AppendItems(std::string& out, const arrow::Array& values, int64_t begin, int64_t count) {
  out += '[';
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    AppendJson(out, values, begin + i);
  }
  out += ']';
}

template <typename List>
void AppendList(std::string& out, const arrow::Array& column, int64_t row) {
  const auto& list = static_cast<const List&>(column);
  AppendItems(out, *list.values(), list.value_offset(row), list.value_length(row));
}

void AppendMap(std::string& out, const arrow::MapArray& map, int64_t row) {
  const bool object = map.keys()->type_id() == arrow::Type::STRING;
  out += object ? '{' : '[';
  for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i) {
    if (i > map.value_offset(row)) out += ',';
    if (!object) out += '[';
    AppendJson(out, *map.keys(), i);
    out += object ? ':' : ',';
    AppendJson(out, *map.items(), i);
    if (!object) out += ']';
  }
  out += object ? '}' : ']';
}

void AppendStruct(std::string& out, const arrow::StructArray& record, int64_t row) {
  out += '{';
  for (int i = 0; i < record.num_fields(); ++i) {
    if (i > 0) out += ',';
    AppendJsonString(out, record.struct_type()->field(i)->name());
    out += ':';
    AppendJson(out, *record.field(i), row);
  }
  out += '}';
}

void AppendDecimal(std::string& out, const arrow::Decimal128Array& column, int64_t row) {
  const bool whole = static_cast<const arrow::Decimal128Type&>(*column.type()).scale() == 0;
  if (!whole) out += '"';
  out += column.FormatValue(row);
  if (!whole) out += '"';
}

}  // namespace

void AppendJson(std::string& out, const arrow::Array& column, int64_t row) {
  if (column.IsNull(row)) {
    out += "null";
    return;
  }
  const auto number = [&](auto value) { fmt::format_to(std::back_inserter(out), "{}", value); };
  const auto quoted = [&](auto append) {
    out += '"';
    append();
    out += '"';
  };
  const auto base64 = [&](std::string_view bytes) { quoted([&] { out += EncodeBase64(bytes); }); };
  switch (column.type_id()) {
    case arrow::Type::NA:
      out += "null";
      return;
    case arrow::Type::BOOL:
      out += ValueOf<arrow::BooleanArray>(column, row) ? "true" : "false";
      return;
    case arrow::Type::INT8:
      return number(ValueOf<arrow::Int8Array>(column, row));
    case arrow::Type::INT16:
      return number(ValueOf<arrow::Int16Array>(column, row));
    case arrow::Type::INT32:
      return number(ValueOf<arrow::Int32Array>(column, row));
    case arrow::Type::INT64:
      return number(ValueOf<arrow::Int64Array>(column, row));
    case arrow::Type::UINT8:
      return number(ValueOf<arrow::UInt8Array>(column, row));
    case arrow::Type::UINT16:
      return number(ValueOf<arrow::UInt16Array>(column, row));
    case arrow::Type::UINT32:
      return number(ValueOf<arrow::UInt32Array>(column, row));
    case arrow::Type::UINT64:
      return number(ValueOf<arrow::UInt64Array>(column, row));
    case arrow::Type::FLOAT:
      return AppendReal(out, ValueOf<arrow::FloatArray>(column, row));
    case arrow::Type::DOUBLE:
      return AppendReal(out, ValueOf<arrow::DoubleArray>(column, row));
    case arrow::Type::DECIMAL128:
      return AppendDecimal(out, static_cast<const arrow::Decimal128Array&>(column), row);
    case arrow::Type::STRING:
      return AppendJsonString(out, ViewOf<arrow::StringArray>(column, row));
    case arrow::Type::LARGE_STRING:
      return AppendJsonString(out, ViewOf<arrow::LargeStringArray>(column, row));
    case arrow::Type::BINARY:
      return base64(ViewOf<arrow::BinaryArray>(column, row));
    case arrow::Type::LARGE_BINARY:
      return base64(ViewOf<arrow::LargeBinaryArray>(column, row));
    case arrow::Type::FIXED_SIZE_BINARY:
      return base64(ViewOf<arrow::FixedSizeBinaryArray>(column, row));
    case arrow::Type::DATE32:
      return quoted([&] { AppendDate(out, ValueOf<arrow::Date32Array>(column, row)); });
    case arrow::Type::TIME32:
      return quoted([&] {
        AppendTimeOfDay(out, ValueOf<arrow::Time32Array>(column, row),
                        static_cast<const arrow::Time32Type&>(*column.type()).unit());
      });
    case arrow::Type::TIME64:
      return quoted([&] {
        AppendTimeOfDay(out, ValueOf<arrow::Time64Array>(column, row),
                        static_cast<const arrow::Time64Type&>(*column.type()).unit());
      });
    case arrow::Type::TIMESTAMP:
      return quoted([&] {
        AppendTimestamp(out, ValueOf<arrow::TimestampArray>(column, row),
                        static_cast<const arrow::TimestampType&>(*column.type()));
      });
    case arrow::Type::INTERVAL_MONTH_DAY_NANO:
      return quoted([&] {
        AppendInterval(out,
                       static_cast<const arrow::MonthDayNanoIntervalArray&>(column).GetValue(row));
      });
    case arrow::Type::LIST:
      return AppendList<arrow::ListArray>(out, column, row);
    case arrow::Type::LARGE_LIST:
      return AppendList<arrow::LargeListArray>(out, column, row);
    case arrow::Type::FIXED_SIZE_LIST:
      return AppendList<arrow::FixedSizeListArray>(out, column, row);
    case arrow::Type::MAP:
      return AppendMap(out, static_cast<const arrow::MapArray&>(column), row);
    case arrow::Type::STRUCT:
      return AppendStruct(out, static_cast<const arrow::StructArray&>(column), row);
    case arrow::Type::DICTIONARY: {
      const auto& coded = static_cast<const arrow::DictionaryArray&>(column);
      return AppendJson(out, *coded.dictionary(), coded.GetValueIndex(row));
    }
    case arrow::Type::SPARSE_UNION: {
      const auto& either = static_cast<const arrow::SparseUnionArray&>(column);
      return AppendJson(out, *either.field(either.child_id(row)), row);
    }
    case arrow::Type::DENSE_UNION: {
      const auto& either = static_cast<const arrow::DenseUnionArray&>(column);
      return AppendJson(out, *either.field(either.child_id(row)), either.value_offset(row));
    }
    default: {
      const auto scalar = column.GetScalar(row);
      AppendJsonString(out, scalar.ok() ? (*scalar)->ToString() : "");
    }
  }
}

void AppendCsvValue(std::string& out, const arrow::Array& column, int64_t row) {
  if (column.IsNull(row)) return;
  switch (column.type_id()) {
    case arrow::Type::STRING:
      return AppendCsvField(out, ViewOf<arrow::StringArray>(column, row));
    case arrow::Type::LARGE_STRING:
      return AppendCsvField(out, ViewOf<arrow::LargeStringArray>(column, row));
    case arrow::Type::DICTIONARY: {
      const auto& coded = static_cast<const arrow::DictionaryArray&>(column);
      return AppendCsvValue(out, *coded.dictionary(), coded.GetValueIndex(row));
    }
    default: {
      const size_t begin = out.size();
      AppendJson(out, column, row);
      if (out[begin] == '"') {
        out.pop_back();
        out.erase(begin, 1);
      }
      if (out.find_first_of(",\"\r\n", begin) == std::string::npos && out.size() > begin) return;
      const std::string value = out.substr(begin);  // Lists, say: most need no quotes.
      out.resize(begin);
      AppendCsvField(out, value);
    }
  }
}

}  // namespace sluice::columnar
