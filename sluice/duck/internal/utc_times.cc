#include "sluice/duck/internal/utc_times.h"

#include "duckdb/execution/expression_executor.hpp"
#include "duckdb/function/cast/cast_function_set.hpp"
#include "duckdb/function/cast/default_casts.hpp"
#include "duckdb/function/function_binder.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/optimizer/optimizer.hpp"
#include "duckdb/optimizer/optimizer_extension.hpp"
#include "duckdb/planner/expression/bound_between_expression.hpp"
#include "duckdb/planner/expression/bound_cast_expression.hpp"
#include "duckdb/planner/expression/bound_comparison_expression.hpp"
#include "duckdb/planner/expression/bound_conjunction_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_function_expression.hpp"
#include "duckdb/planner/expression/bound_operator_expression.hpp"
#include "duckdb/planner/logical_operator_visitor.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::duck::internal {

namespace {

using duckdb::ExpressionType;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;

constexpr int64_t kDaysMax = 100'000'000;  // Whose microseconds are numbers; none is infinite.

bool Contains(const auto& sorted, const std::string& name) {
  return std::ranges::binary_search(sorted, std::string_view(name));
}

// Functions that give the same for the same microseconds, and say nothing of the zone. Not among
// them: date_sub(), and taking intervals away, which the calendar does in another order.
constexpr auto kFunctions = std::to_array<std::string_view>(
    {"+",           "-",          "century", "date_diff", "date_part",  "date_trunc",  "datediff",
     "datepart",    "datetrunc",  "day",     "dayname",   "dayofmonth", "dayofweek",   "dayofyear",
     "decade",      "hour",       "isodow",  "isoyear",   "last_day",   "microsecond", "millennium",
     "millisecond", "minute",     "month",   "monthname", "quarter",    "second",      "week",
     "weekday",     "weekofyear", "year",    "yearweek"});
// Of those that take the part as a text: parts of a date and a time.
constexpr auto kParts = std::to_array<std::string_view>(
    {"century", "day",     "dayofweek", "dayofyear",   "decade",     "dow",         "doy",
     "hour",    "isodow",  "isoyear",   "microsecond", "millennium", "millisecond", "minute",
     "month",   "quarter", "second",    "week",        "weekday",    "year"});
static_assert(std::ranges::is_sorted(kFunctions) && std::ranges::is_sorted(kParts));

bool NamesAPart(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT) return false;
  const auto& value = expression.Cast<duckdb::BoundConstantExpression>().value;
  return !value.IsNull() && value.type().id() == LogicalTypeId::VARCHAR &&
         Contains(kParts, duckdb::StringUtil::Lower(duckdb::StringValue::Get(value)));
}

bool IsZoned(const duckdb::Expression& expression) {
  return expression.return_type.id() == LogicalTypeId::TIMESTAMP_TZ;
}

bool IsOfUtc(const duckdb::BoundFunctionExpression& call) {
  if (!Contains(kFunctions, call.function.name)) return false;
  for (const auto& child : call.children) {
    if (child->return_type.id() == LogicalTypeId::VARCHAR && !NamesAPart(*child)) {
      return false;
    }
  }
  const auto zoned = [](const auto& child) { return IsZoned(*child); };
  return call.function.name == "-" ? std::ranges::all_of(call.children, zoned)
                                   : std::ranges::any_of(call.children, zoned);
}

/// Whether it is the day of a column of times, or a column of times in UTC without the zone.
bool IsCastOfColumn(const duckdb::Expression& expression) {
  if (expression.GetExpressionClass() != duckdb::ExpressionClass::BOUND_CAST) return false;
  const auto& time = *expression.Cast<duckdb::BoundCastExpression>().child;
  if (time.GetExpressionClass() != duckdb::ExpressionClass::BOUND_COLUMN_REF) return false;
  const auto to = expression.return_type.id();
  return IsZoned(time)
             ? to == LogicalTypeId::DATE || to == LogicalTypeId::TIMESTAMP
             : time.return_type.id() == LogicalTypeId::TIMESTAMP && to == LogicalTypeId::DATE;
}

class UtcTimes final : public duckdb::LogicalOperatorVisitor {
 public:
  explicit UtcTimes(duckdb::ClientContext& context) : context_(context) {}

 protected:
  // Returning nothing has the children visited next.
  duckdb::unique_ptr<duckdb::Expression> VisitReplace(
      duckdb::BoundCastExpression& cast, duckdb::unique_ptr<duckdb::Expression>*) override {
    TakeSameTime(cast);
    return nullptr;
  }

  // A condition on a column that is cast becomes one on the column itself: by it files are left
  // out.
  duckdb::unique_ptr<duckdb::Expression> VisitReplace(
      duckdb::BoundComparisonExpression& comparison,
      duckdb::unique_ptr<duckdb::Expression>*) override {
    const ExpressionType type = comparison.GetExpressionType();
    if (IsCastOfColumn(*comparison.left)) return Compare(*comparison.left, type, *comparison.right);
    if (!IsCastOfColumn(*comparison.right)) return nullptr;
    return Compare(*comparison.right, duckdb::FlipComparisonExpression(type), *comparison.left);
  }

  duckdb::unique_ptr<duckdb::Expression> VisitReplace(
      duckdb::BoundBetweenExpression& between, duckdb::unique_ptr<duckdb::Expression>*) override {
    if (!IsCastOfColumn(*between.input)) return nullptr;
    auto least = Compare(*between.input, between.LowerComparisonType(), *between.lower);
    auto most = Compare(*between.input, between.UpperComparisonType(), *between.upper);
    if (!least || !most) return nullptr;
    return Both(std::move(least), std::move(most));
  }

  // One of some days, or times: between the first and the last of them, too.
  duckdb::unique_ptr<duckdb::Expression> VisitReplace(
      duckdb::BoundOperatorExpression& one_of, duckdb::unique_ptr<duckdb::Expression>*) override {
    if (one_of.GetExpressionType() != ExpressionType::COMPARE_IN ||
        !IsCastOfColumn(*one_of.children.front())) {
      return nullptr;
    }
    const duckdb::Expression& cast = *one_of.children.front();
    const duckdb::Expression* first = nullptr;
    const duckdb::Expression* last = nullptr;
    duckdb::Value least;
    duckdb::Value most;
    for (size_t i = 1; i < one_of.children.size(); ++i) {
      const auto value = Constant(*one_of.children[i], cast.return_type);
      if (!value) return nullptr;
      if (first == nullptr || *value < least) first = one_of.children[i].get(), least = *value;
      if (last == nullptr || *value > most) last = one_of.children[i].get(), most = *value;
    }
    if (first == nullptr) return nullptr;
    auto from = Compare(cast, ExpressionType::COMPARE_GREATERTHANOREQUALTO, *first);
    auto to = Compare(cast, ExpressionType::COMPARE_LESSTHANOREQUALTO, *last);
    if (!from || !to) return nullptr;
    VisitExpressionChildren(one_of);
    return Both(one_of.Copy(), Both(std::move(from), std::move(to)));
  }

  duckdb::unique_ptr<duckdb::Expression> VisitReplace(
      duckdb::BoundFunctionExpression& call,
      duckdb::unique_ptr<duckdb::Expression>* expression) override {
    if (!IsOfUtc(call)) return nullptr;
    VisitExpressionChildren(call);
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> plain;
    for (const auto& child : call.children) {
      plain.push_back(IsZoned(*child) ? Cast(child->Copy(), LogicalType::TIMESTAMP)
                                      : child->Copy());
    }
    duckdb::ErrorData error;
    auto bound = duckdb::FunctionBinder(context_).BindScalarFunction(
        DEFAULT_SCHEMA, call.function.name, std::move(plain), error, call.is_operator);
    if (!bound) return std::move(*expression);
    bound->SetAlias(call.GetAlias());
    return Cast(std::move(bound), call.return_type);
  }

 private:
  /// The value of a constant of that type, if it is one and not null.
  std::optional<duckdb::Value> Constant(const duckdb::Expression& expression,
                                        const LogicalType& type) {
    duckdb::Value value;
    if (!expression.IsFoldable() ||
        !duckdb::ExpressionExecutor::TryEvaluateScalar(context_, expression, value) ||
        value.IsNull() || value.type() != type) {
      return std::nullopt;
    }
    return value;
  }

  /// `cast <comparison> constant` about what is cast; null: it is no constant, or an infinite day.
  duckdb::unique_ptr<duckdb::Expression> Compare(const duckdb::Expression& cast,
                                                 ExpressionType comparison,
                                                 const duckdb::Expression& constant) {
    const auto found = Constant(constant, cast.return_type);
    if (!found) return nullptr;
    const duckdb::Value& value = *found;
    const auto& time = *cast.Cast<duckdb::BoundCastExpression>().child;
    const auto compare = [&](ExpressionType type, int64_t at) {
      auto limit = IsZoned(time) ? duckdb::Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(at))
                                 : duckdb::Value::TIMESTAMP(duckdb::timestamp_t(at));
      return duckdb::make_uniq_base<duckdb::Expression, duckdb::BoundComparisonExpression>(
          type, time.Copy(), duckdb::make_uniq<duckdb::BoundConstantExpression>(std::move(limit)));
    };
    if (value.type().id() == LogicalTypeId::TIMESTAMP) {
      return compare(comparison, value.GetValue<duckdb::timestamp_t>().value);
    }
    const int64_t day = value.GetValue<duckdb::date_t>().days;
    if (std::abs(day) > kDaysMax) return nullptr;
    const int64_t begin = day * duckdb::Interval::MICROS_PER_DAY;
    const int64_t end = begin + duckdb::Interval::MICROS_PER_DAY;
    constexpr auto kBefore = ExpressionType::COMPARE_LESSTHAN;
    constexpr auto kFrom = ExpressionType::COMPARE_GREATERTHANOREQUALTO;
    switch (comparison) {
      case ExpressionType::COMPARE_EQUAL:
        return Both(compare(kFrom, begin), compare(kBefore, end));
      case ExpressionType::COMPARE_LESSTHAN:
        return compare(kBefore, begin);
      case ExpressionType::COMPARE_LESSTHANOREQUALTO:
        return compare(kBefore, end);
      case ExpressionType::COMPARE_GREATERTHAN:
        return compare(kFrom, end);
      case ExpressionType::COMPARE_GREATERTHANOREQUALTO:
        return compare(kFrom, begin);
      default:
        return nullptr;
    }
  }

  static duckdb::unique_ptr<duckdb::Expression> Both(duckdb::unique_ptr<duckdb::Expression> one,
                                                     duckdb::unique_ptr<duckdb::Expression> other) {
    return duckdb::make_uniq<duckdb::BoundConjunctionExpression>(ExpressionType::CONJUNCTION_AND,
                                                                 std::move(one), std::move(other));
  }

  duckdb::unique_ptr<duckdb::Expression> Cast(duckdb::unique_ptr<duckdb::Expression> value,
                                              const LogicalType& type) {
    auto cast = duckdb::BoundCastExpression::AddCastToType(context_, std::move(value), type);
    if (cast->GetExpressionClass() == duckdb::ExpressionClass::BOUND_CAST) {
      TakeSameTime(cast->Cast<duckdb::BoundCastExpression>());
    }
    return cast;
  }

  /// Has a cast between times with a zone and others done as if there were no zone.
  void TakeSameTime(duckdb::BoundCastExpression& cast) {
    const auto from = cast.child->return_type.id();
    const auto to = cast.return_type.id();
    if ((from == LogicalTypeId::TIMESTAMP_TZ && to == LogicalTypeId::TIMESTAMP) ||
        (from == LogicalTypeId::TIMESTAMP && to == LogicalTypeId::TIMESTAMP_TZ)) {
      cast.bound_cast = duckdb::DefaultCasts::ReinterpretCast;
    } else if (from == LogicalTypeId::TIMESTAMP_TZ && to == LogicalTypeId::DATE) {
      cast.bound_cast = Plain(LogicalType::TIMESTAMP, LogicalType::DATE);
    } else if (from == LogicalTypeId::DATE && to == LogicalTypeId::TIMESTAMP_TZ) {
      cast.bound_cast = Plain(LogicalType::DATE, LogicalType::TIMESTAMP);
    }
  }

  duckdb::BoundCastInfo Plain(const LogicalType& from, const LogicalType& to) {
    duckdb::GetCastFunctionInput input(context_);
    return duckdb::CastFunctionSet::Get(context_).GetCastFunction(from, to, input);
  }

  duckdb::ClientContext& context_;
};

void UseUtcTimes(duckdb::OptimizerExtensionInput& input,
                 duckdb::unique_ptr<duckdb::LogicalOperator>& plan) {
  UtcTimes(input.context).VisitOperator(*plan);
}

}  // namespace

void RegisterUtcTimes(duckdb::DatabaseInstance& database) {
  duckdb::OptimizerExtension extension;
  extension.pre_optimize_function = UseUtcTimes;
  duckdb::OptimizerExtension::Register(duckdb::DBConfig::GetConfig(database), extension);
}

}  // namespace sluice::duck::internal
