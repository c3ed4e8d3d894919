#include "sluice/lake/internal/bounds.h"

#include <arrow/api.h>
#include <simdjson.h>

#include <cmath>

#include "sluice/lake/internal/partition_value.h"
#include "sluice/lake/internal/timestamp_text.h"

namespace sluice::lake::internal {

namespace {

using ScalarPtr = std::shared_ptr<arrow::Scalar>;

// A number in JSON has been read as a double: a bound as wide as its rounding, and that of the way
// back, may need. Null: the type has no such values.
ScalarPtr WidenedDecimal(double bound, const std::shared_ptr<arrow::DataType>& type, bool high) {
  const auto& decimal = static_cast<const arrow::Decimal128Type&>(*type);
  const double outermost = high ? HUGE_VAL : -HUGE_VAL;
  const double outer = std::nextafter(std::nextafter(bound, outermost), outermost);
  const auto nearest = arrow::Decimal128::FromReal(outer, decimal.precision(), decimal.scale());
  if (!nearest.ok()) return nullptr;
  const arrow::Decimal128 value = *nearest + arrow::Decimal128(high ? 1 : -1);
  if (!value.FitsInPrecision(decimal.precision())) return nullptr;
  return std::make_shared<arrow::Decimal128Scalar>(value, type);
}

// Parses one bound of the statistics; null if it is none that can be trusted.
ScalarPtr ParseBound(simdjson::dom::element json, const std::shared_ptr<arrow::DataType>& type,
                     bool high) {
  constexpr int kDigitsOfDouble = 15;  // That it keeps, whichever they are.
  if (type->id() == arrow::Type::DECIMAL128 && json.is_double() &&
      static_cast<const arrow::Decimal128Type&>(*type).precision() > kDigitsOfDouble) {
    return WidenedDecimal(json.get_double().value_unsafe(), type, high);
  }
  std::string text;
  if (std::string_view view; json.get(view) == simdjson::SUCCESS) {
    text = view;
  } else if (json.is_null() || json.is_object() || json.is_array()) {
    return nullptr;
  } else {
    text = simdjson::minify(json);
  }
  if (type->id() == arrow::Type::STRING) return std::make_shared<arrow::StringScalar>(text);
  if (text.empty() || type->id() == arrow::Type::BINARY || type->id() == arrow::Type::BOOL) {
    return nullptr;
  }
  if (type->id() == arrow::Type::TIMESTAMP) {
    const auto parsed = ParseTimestamp(text);
    if (!parsed) return nullptr;
    int64_t at = parsed->microseconds;
    // Spark cuts off what is finer than a millisecond; before there were whole zones it has cut
    // the seconds of offsets, too.
    constexpr int64_t kBegin1912 = -1'830'384'000'000'000;
    const int64_t slack = at < kBegin1912 ? 60'000'000 : 0;
    const int64_t widened = high ? 999 + slack : -slack;
    if (__builtin_add_overflow(at, widened, &at)) return nullptr;
    return std::make_shared<arrow::TimestampScalar>(at, type);
  }
  if (arrow::is_integer(type->id()) && text.find_first_of(".eE") != std::string::npos) {
    return nullptr;
  }
  auto parsed = ParsePartitionValue(text, type);
  if (!parsed.ok() || !(*parsed)->is_valid) return nullptr;
  if (arrow::is_floating(type->id())) {
    const BoundValue value = ToBoundValue(**parsed);
    if (!std::isfinite(std::get<double>(value))) return nullptr;
  }
  return std::move(*parsed);
}

bool FindNested(simdjson::dom::element from, const std::vector<std::string>& path,
                simdjson::dom::element& found) {
  for (const std::string& name : path) {
    simdjson::dom::object object;
    if (from.get(object) != simdjson::SUCCESS || object[name].get(from) != simdjson::SUCCESS) {
      return false;
    }
  }
  found = from;
  return !found.is_null();
}

}  // namespace

BoundValue ToBoundValue(const arrow::Scalar& scalar) {
  if (!scalar.is_valid) return {};
  switch (scalar.type->id()) {
    case arrow::Type::BOOL:
      return int64_t{static_cast<const arrow::BooleanScalar&>(scalar).value};
    case arrow::Type::INT8:
      return int64_t{static_cast<const arrow::Int8Scalar&>(scalar).value};
    case arrow::Type::INT16:
      return int64_t{static_cast<const arrow::Int16Scalar&>(scalar).value};
    case arrow::Type::INT32:
      return int64_t{static_cast<const arrow::Int32Scalar&>(scalar).value};
    case arrow::Type::INT64:
      return static_cast<const arrow::Int64Scalar&>(scalar).value;
    case arrow::Type::DATE32:
      return int64_t{static_cast<const arrow::Date32Scalar&>(scalar).value};
    case arrow::Type::TIMESTAMP:
      return static_cast<const arrow::TimestampScalar&>(scalar).value;
    case arrow::Type::FLOAT:
      return double{static_cast<const arrow::FloatScalar&>(scalar).value};
    case arrow::Type::DOUBLE:
      return static_cast<const arrow::DoubleScalar&>(scalar).value;
    case arrow::Type::DECIMAL128:
      return static_cast<const arrow::Decimal128Scalar&>(scalar).value;
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return std::string(static_cast<const arrow::BaseBinaryScalar&>(scalar).view());
    default:
      return {};
  }
}

struct StatisticsText::Document {
  simdjson::dom::parser parser;
  simdjson::dom::object root;
};

StatisticsText::StatisticsText(std::string_view json) {
  if (json.empty()) return;
  auto document = std::make_unique<Document>();
  if (document->parser.parse(json.data(), json.size()).get(document->root) == simdjson::SUCCESS) {
    document_ = std::move(document);
  }
}

StatisticsText::~StatisticsText() = default;

bool StatisticsText::tight() const {
  bool tight = true;
  if (document_ == nullptr) return true;
  return document_->root["tightBounds"].get(tight) != simdjson::SUCCESS || tight;
}

ColumnBounds StatisticsText::Find(const std::vector<std::string>& path,
                                  const std::shared_ptr<arrow::DataType>& type) const {
  ColumnBounds bounds;
  if (document_ == nullptr) return bounds;
  const simdjson::dom::object& root = document_->root;
  const auto find = [&](const char* kind, simdjson::dom::element& found) {
    simdjson::dom::element all;
    return root[kind].get(all) == simdjson::SUCCESS && FindNested(all, path, found);
  };
  int64_t count = 0;
  simdjson::dom::element found;
  if (root["numRecords"].get(count) == simdjson::SUCCESS) bounds.rows = count;
  if (find("nullCount", found) && found.get(count) == simdjson::SUCCESS) bounds.nulls = count;
  if (find("minValues", found)) bounds.low = ParseBound(found, type, /*high=*/false);
  if (find("maxValues", found)) bounds.high = ParseBound(found, type, /*high=*/true);
  return bounds;
}

}  // namespace sluice::lake::internal
