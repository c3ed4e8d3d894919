#include "sluice/lake/internal/statistics.h"

#include <arrow/api.h>
#include <simdjson.h>

#include <cmath>

#include "sluice/base/ascii.h"
#include "sluice/base/json.h"
#include "sluice/base/utf8.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/table_features.h"
#include "sluice/lake/internal/timestamp_text.h"

namespace sluice::lake::internal {

namespace {

// One code point of a text that is valid UTF-8.
struct CodePoint {
  uint32_t value = 0;
  size_t bytes = 0;
  size_t units() const { return value > 0xFFFF ? 2 : 1; }  // Java counts in UTF-16.
};

CodePoint Decode(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<uint8_t>(text[at + i]));
  };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(first & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (first < 0xF0) {
    return {(first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  }
  return {(first & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F),
          4};
}

// Returns how many bytes hold at most `units_max` UTF-16 units, without splitting a code point.
size_t PrefixBytes(std::string_view text, size_t units_max) {
  size_t at = 0;
  size_t units = 0;
  while (at < text.size()) {
    const CodePoint point = Decode(text, at);
    if (units + point.units() > units_max) break;
    units += point.units();
    at += point.bytes;
  }
  return at;
}

std::string Quote(std::string_view text) {
  std::string quoted;
  AppendJsonString(quoted, text);
  return quoted;
}

}  // namespace

std::optional<std::string> BoundJson(const arrow::Scalar& scalar, Bound bound, size_t units_max) {
  const auto quoted = [](const std::optional<std::string>& text) -> std::optional<std::string> {
    if (!text) return std::nullopt;
    return Quote(*text);
  };
  // A float is written with all its digits as a double, so that it bounds whichever it is read as.
  const auto real = [](double value) -> std::optional<std::string> {
    if (!std::isfinite(value)) return std::nullopt;
    return fmt::format("{}", value);
  };
  switch (scalar.type->id()) {
    case arrow::Type::FLOAT:
      return real(static_cast<const arrow::FloatScalar&>(scalar).value);
    case arrow::Type::DOUBLE:
      return real(static_cast<const arrow::DoubleScalar&>(scalar).value);
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::DECIMAL128:
      return scalar.ToString();
    case arrow::Type::DATE32:
      return quoted(FormatDate(static_cast<const arrow::Date32Scalar&>(scalar).value));
    case arrow::Type::TIMESTAMP: {
      const auto& type = static_cast<const arrow::TimestampType&>(*scalar.type);
      if (type.unit() != arrow::TimeUnit::MICRO) return std::nullopt;
      return quoted(FormatTimestamp(static_cast<const arrow::TimestampScalar&>(scalar).value,
                                    !type.timezone().empty()));
    }
    case arrow::Type::STRING: {
      const std::string_view text = static_cast<const arrow::StringScalar&>(scalar).view();
      return quoted(bound == Bound::kLow ? LowerBound(text, units_max)
                                         : UpperBound(text, units_max));
    }
    default:
      return std::nullopt;
  }
}

namespace {

int CountLeaves(const arrow::DataType& type) {
  if (type.id() != arrow::Type::STRUCT) return 1;
  int leaves = 0;
  for (const auto& field : type.fields()) leaves += CountLeaves(*field->type());
  return leaves;
}

int64_t NumberProperty(const std::map<std::string, std::string>& properties,
                       const std::string& name, int64_t otherwise) {
  const std::string text(Property(properties, name, ""));
  if (text.empty()) return otherwise;
  char* end = nullptr;
  const long long number = std::strtoll(text.c_str(), &end, 10);
  return *end == '\0' ? number : otherwise;
}

// Names are listed with commas; one with a comma or a dot is in backticks.
std::set<std::string> ListedColumns(std::string_view text) {
  std::set<std::string> names;
  std::string name;
  bool quoted = false;
  for (const char c : text) {
    if (c == '`') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      names.insert(LowerCase(name));
      name.clear();
    } else if (c != ' ' || quoted || !name.empty()) {
      name += c;
    }
  }
  names.insert(LowerCase(name));
  return names;
}

}  // namespace

std::vector<std::string> IndexedColumns(const arrow::Schema& schema,
                                        const std::map<std::string, std::string>& properties,
                                        const std::set<std::string>& left_out) {
  const std::string_view listed = Property(properties, "delta.dataSkippingStatsColumns", "");
  const std::set<std::string> chosen = ListedColumns(listed);
  int64_t leaves_left = NumberProperty(properties, "delta.dataSkippingNumIndexedCols", 32);
  if (leaves_left < 0) leaves_left = INT64_MAX;
  std::vector<std::string> columns;
  for (const auto& field : schema.fields()) {
    if (left_out.contains(field->name())) continue;
    if (listed.empty()) {
      const int leaves = CountLeaves(*field->type());
      if (leaves > leaves_left) break;
      leaves_left -= leaves;
    } else if (!chosen.contains(LowerCase(field->name()))) {
      continue;
    }
    columns.push_back(field->name());
  }
  return columns;
}

std::optional<std::string> LowerBound(std::string_view text, size_t units_max) {
  if (!IsUtf8(text)) return std::nullopt;
  return std::string(text.substr(0, PrefixBytes(text, units_max)));
}

std::optional<std::string> UpperBound(std::string_view text, size_t units_max) {
  if (!IsUtf8(text)) return std::nullopt;
  const size_t limit = PrefixBytes(text, 2 * units_max);
  size_t at = PrefixBytes(text, units_max);
  if (at == text.size()) return std::string(text);
  // Something greater than all that follows takes its place.
  while (at < limit || at == text.size()) {
    if (at == text.size()) return std::string(text);
    const CodePoint cut = Decode(text, at);
    std::string bound(text.substr(0, at));
    if (cut.value < 0x7F) return bound + "\x7F";
    if (cut.value < 0x10FFFF) return bound + "\xF4\x8F\xBF\xBF";
    at += cut.bytes;
  }
  return std::nullopt;
}

Result<std::string> WithLooseBounds(const std::string& stats, int64_t rows) {
  std::string loose = fmt::format(R"({{"numRecords":{},"tightBounds":false)", rows);
  if (stats.empty()) return loose + "}";
  simdjson::dom::parser parser;
  simdjson::dom::object members;
  if (parser.parse(stats.data(), stats.size()).get(members) != simdjson::SUCCESS) {
    return Corrupt("statistics that are no JSON object");
  }
  for (const auto& [name, value] : members) {
    if (name == "numRecords" || name == "tightBounds") continue;
    loose += ',';
    AppendJsonString(loose, name);
    loose += ':';
    loose += simdjson::minify(value);
  }
  return loose + "}";
}

std::string MakeStatistics(const arrow::Schema& schema, const arrow::Schema& in_files,
                           const columnar::ParquetFile& file,
                           const std::map<std::string, std::string>& properties,
                           const std::set<std::string>& left_out) {
  const auto units_max = static_cast<size_t>(
      std::max<int64_t>(0, NumberProperty(properties, "delta.dataSkippingStringPrefixLength", 32)));
  std::string low;
  std::string high;
  std::string nulls;
  const auto add = [](std::string& members, std::string_view name, std::string_view value) {
    if (!members.empty()) members += ',';
    AppendJsonString(members, name);
    members += ':';
    members += value;
  };
  for (const std::string& indexed : IndexedColumns(schema, properties, left_out)) {
    const arrow::Field& field = *in_files.field(schema.GetFieldIndex(indexed));
    const std::string& name = field.name();
    const auto found = file.columns.find(name);
    if (found == file.columns.end()) {  // Not in the file: all null.
      add(nulls, name, std::to_string(file.rows));
      continue;
    }
    // A struct's count would be an object with one for each member.
    if (field.type()->id() == arrow::Type::STRUCT) continue;
    const columnar::ColumnStatistics& column = found->second;
    add(nulls, name, std::to_string(column.null_count));
    if (column.minimum == nullptr || column.maximum == nullptr) continue;
    if (const auto json = BoundJson(*column.minimum, Bound::kLow, units_max)) add(low, name, *json);
    if (const auto json = BoundJson(*column.maximum, Bound::kHigh, units_max)) {
      add(high, name, *json);
    }
  }
  return fmt::format(
      R"({{"numRecords":{},"minValues":{{{}}},"maxValues":{{{}}},"nullCount":{{{}}}}})", file.rows,
      low, high, nulls);
}

}  // namespace sluice::lake::internal
