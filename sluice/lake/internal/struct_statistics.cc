#include "sluice/lake/internal/struct_statistics.h"

#include <arrow/api.h>

#include <limits>
#include <memory>
#include <optional>

#include "sluice/base/json.h"
#include "sluice/lake/internal/statistics.h"

namespace sluice::lake::internal {

namespace {

// What a bound of a finer unit than ours becomes, so that it still is one.
std::shared_ptr<arrow::Scalar> InMicroseconds(std::shared_ptr<arrow::Scalar> scalar, Bound bound) {
  if (scalar->type->id() != arrow::Type::TIMESTAMP) return scalar;
  const auto& type = static_cast<const arrow::TimestampType&>(*scalar->type);
  const int64_t value = static_cast<const arrow::TimestampScalar&>(*scalar).value;
  const auto wanted = arrow::timestamp(arrow::TimeUnit::MICRO, type.timezone());
  if (type.unit() == arrow::TimeUnit::NANO) {
    const int64_t floor = value / 1000 - (value % 1000 < 0 ? 1 : 0);
    const bool up = bound == Bound::kHigh && value % 1000 != 0;
    return std::make_shared<arrow::TimestampScalar>(floor + (up ? 1 : 0), wanted);
  }
  if (type.unit() == arrow::TimeUnit::MILLI && value < std::numeric_limits<int64_t>::max() / 1000 &&
      value > std::numeric_limits<int64_t>::min() / 1000) {
    return std::make_shared<arrow::TimestampScalar>(value * 1000, wanted);
  }
  return scalar;
}

void AppendMember(std::string& out, std::string_view name, std::string_view json) {
  if (out.back() != '{') out += ',';
  AppendJsonString(out, name);
  out.append(":").append(json);
}

// Values by column, nested ones too. Of any type: counts are bounds whose two sides are the same.
std::string ValuesJson(const arrow::StructArray& values, int64_t row, Bound bound) {
  std::string out = "{";
  for (int i = 0; i < values.num_fields(); ++i) {
    const auto column = values.field(i);
    if (column->IsNull(row)) continue;
    const std::string& name = values.type()->field(i)->name();
    if (column->type_id() == arrow::Type::STRUCT) {
      AppendMember(out, name,
                   ValuesJson(static_cast<const arrow::StructArray&>(*column), row, bound));
      continue;
    }
    auto scalar = column->GetScalar(row);
    if (!scalar.ok()) continue;
    const auto json = BoundJson(*InMicroseconds(std::move(*scalar), bound), bound,
                                std::numeric_limits<size_t>::max() / 4);
    if (json) AppendMember(out, name, *json);
  }
  return out + "}";
}

}  // namespace

std::string StatisticsText(const arrow::StructArray& parsed, int64_t row) {
  if (parsed.IsNull(row)) return {};
  std::string out = "{";
  for (const char* const name : {"numRecords", "minValues", "maxValues", "nullCount"}) {
    const auto column = parsed.GetFieldByName(name);
    if (column == nullptr || column->IsNull(row)) continue;
    if (column->type_id() == arrow::Type::STRUCT) {
      const Bound bound = std::string_view(name) == "minValues" ? Bound::kLow : Bound::kHigh;
      AppendMember(out, name,
                   ValuesJson(static_cast<const arrow::StructArray&>(*column), row, bound));
    } else if (auto scalar = column->GetScalar(row); scalar.ok()) {
      AppendMember(out, name, (*scalar)->ToString());
    }
  }
  const auto tight = parsed.GetFieldByName("tightBounds");
  if (tight != nullptr && tight->type_id() == arrow::Type::BOOL && tight->IsValid(row)) {
    const bool is = static_cast<const arrow::BooleanArray&>(*tight).Value(row);
    AppendMember(out, "tightBounds", is ? "true" : "false");
  }
  return out == "{" ? std::string() : out + "}";
}

}  // namespace sluice::lake::internal
