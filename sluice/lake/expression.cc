#include "sluice/lake/expression.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>

#include <algorithm>
#include <array>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/lake/internal/expression_node.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/timestamp_text.h"

namespace sluice::lake {

namespace internal {

namespace {

using arrow::Datum;
using columnar::FromArrow;
using Kind = ExpressionNode::Kind;
using TypePtr = std::shared_ptr<arrow::DataType>;

struct Function {
  std::string_view name;
  size_t arguments_min;
  size_t arguments_max;
  std::string_view arrow;  // Its kernel, if that is all there is to it.
};

constexpr size_t kMany = 100;
constexpr std::array<Function, 34> kFunctions = {{
    {"=", 2, 2, "equal"},
    {"!=", 2, 2, "not_equal"},
    {"<", 2, 2, "less"},
    {"<=", 2, 2, "less_equal"},
    {">", 2, 2, "greater"},
    {">=", 2, 2, "greater_equal"},
    {"+", 2, 2, "add_checked"},
    {"-", 2, 2, "subtract_checked"},
    {"*", 2, 2, "multiply_checked"},
    {"and", 2, 2, "and_kleene"},
    {"or", 2, 2, "or_kleene"},
    {"not", 1, 1, "invert"},
    {"is null", 1, 1, "is_null"},
    {"isnull", 1, 1, "is_null"},
    {"isnotnull", 1, 1, "is_valid"},
    {"negate", 1, 1, "negate_checked"},
    {"abs", 1, 1, "abs_checked"},
    {"year", 1, 1, "year"},
    {"month", 1, 1, "month"},
    {"day", 1, 1, "day"},
    {"dayofmonth", 1, 1, "day"},
    {"hour", 1, 1, "hour"},
    {"minute", 1, 1, "minute"},
    {"second", 1, 1, "second"},
    {"lower", 1, 1, "utf8_lower"},
    {"upper", 1, 1, "utf8_upper"},
    {"trim", 1, 1, "utf8_trim_whitespace"},
    {"length", 1, 1, "utf8_length"},
    {"char_length", 1, 1, "utf8_length"},
    {"coalesce", 1, kMany, "coalesce"},
    {"ifnull", 2, 2, "coalesce"},
    {"nvl", 2, 2, "coalesce"},
    {"if", 3, 3, "if_else"},
    {"concat", 1, kMany, ""},
}};
constexpr std::array<Function, 11> kSpecial = {{
    {"/", 2, 2, ""},
    {"%", 2, 2, ""},
    {"mod", 2, 2, ""},
    {"<=>", 2, 2, ""},
    {"in", 2, kMany * 100, ""},
    {"like", 2, 2, ""},
    {"rlike", 2, 2, ""},
    {"to_date", 1, 1, ""},
    {"date", 1, 1, ""},
    {"date_trunc", 2, 2, ""},
    {"substring", 2, 3, ""},
}};

Result<Datum> CallKernel(const std::string& name, std::vector<Datum> arguments,
                         const arrow::compute::FunctionOptions* options = nullptr) {
  auto result = arrow::compute::CallFunction(name, arguments, options);
  if (!result.ok()) return Invalid("{}: {}", name, result.status().message());
  return std::move(result).ValueUnsafe();
}

bool IsTemporal(const arrow::DataType& type) {
  return type.id() == arrow::Type::DATE32 || type.id() == arrow::Type::TIMESTAMP;
}

Result<Datum> CastTo(const Datum& value, const TypePtr& type) {
  if (value.type()->Equals(*type)) return value;
  if (value.type()->id() == arrow::Type::STRING && IsTemporal(*type) && value.is_scalar() &&
      value.scalar()->is_valid) {
    const auto& text = static_cast<const arrow::StringScalar&>(*value.scalar());
    const auto parsed = ParseTimestamp(text.view());
    if (!parsed) return Invalid("a text that is no {}", type->ToString());
    if (type->id() == arrow::Type::DATE32) {
      int64_t days = parsed->microseconds / 86'400'000'000;
      if (days * 86'400'000'000 > parsed->microseconds) --days;
      return Datum(std::make_shared<arrow::Date32Scalar>(static_cast<int32_t>(days)));
    }
    return Datum(std::make_shared<arrow::TimestampScalar>(parsed->microseconds, type));
  }
  arrow::compute::CastOptions options = arrow::compute::CastOptions::Safe(type);
  options.allow_float_truncate = true;
  options.allow_decimal_truncate = true;
  options.allow_time_truncate = true;
  auto result = arrow::compute::Cast(value, options);
  if (!result.ok()) return Invalid("cast to {}: {}", type->ToString(), result.status().message());
  return std::move(result).ValueUnsafe();
}

// Brings both sides to one type where the kernels do not do so themselves.
Status Align(Datum& left, Datum& right) {
  const auto align = [](Datum& text, const Datum& other) -> Status {
    if (text.type()->id() != arrow::Type::STRING || other.type()->id() == arrow::Type::STRING) {
      return {};
    }
    SLUICE_ASSIGN_OR_RETURN(text, CastTo(text, other.type()));
    return {};
  };
  SLUICE_RETURN_IF_ERROR(align(left, right));
  SLUICE_RETURN_IF_ERROR(align(right, left));
  // Null without a type, dates beside timestamps, timestamps with a zone beside those without.
  if (left.type()->Equals(*right.type())) return {};
  if (left.type()->id() == arrow::Type::NA) {
    SLUICE_ASSIGN_OR_RETURN(left, CastTo(left, right.type()));
  } else if (right.type()->id() == arrow::Type::NA) {
    SLUICE_ASSIGN_OR_RETURN(right, CastTo(right, left.type()));
  } else if (IsTemporal(*left.type()) && IsTemporal(*right.type())) {
    if (left.type()->id() == arrow::Type::DATE32) {
      SLUICE_ASSIGN_OR_RETURN(left, CastTo(left, right.type()));
    } else {
      SLUICE_ASSIGN_OR_RETURN(right, CastTo(right, left.type()));
    }
  }
  return {};
}

Result<Datum> Evaluate(const ExpressionNode& node, const arrow::RecordBatch& batch);

Result<Datum> Compare(const std::string& kernel, Datum left, Datum right) {
  SLUICE_RETURN_IF_ERROR(Align(left, right));
  return CallKernel(kernel, {std::move(left), std::move(right)});
}

Result<Datum> NullSafeEqual(const Datum& left, const Datum& right) {
  SLUICE_ASSIGN_OR_RETURN(const Datum equal, Compare("equal", left, right));
  SLUICE_ASSIGN_OR_RETURN(const Datum known, CallKernel("coalesce", {equal, Datum(false)}));
  SLUICE_ASSIGN_OR_RETURN(const Datum left_null, CallKernel("is_null", {left}));
  SLUICE_ASSIGN_OR_RETURN(const Datum right_null, CallKernel("is_null", {right}));
  SLUICE_ASSIGN_OR_RETURN(const Datum both, CallKernel("and", {left_null, right_null}));
  return CallKernel("or", {known, both});
}

Result<Datum> Divide(const Datum& left, const Datum& right) {
  const bool decimal =
      arrow::is_decimal(left.type()->id()) || arrow::is_decimal(right.type()->id());
  if (decimal) return CallKernel("divide", {left, right});
  SLUICE_ASSIGN_OR_RETURN(const Datum a, CastTo(left, arrow::float64()));
  SLUICE_ASSIGN_OR_RETURN(const Datum b, CastTo(right, arrow::float64()));
  return CallKernel("divide", {a, b});
}

Result<Datum> Remainder(const Datum& left, const Datum& right) {
  if (!arrow::is_integer(left.type()->id()) || !arrow::is_integer(right.type()->id())) {
    return Unsupported("'%' of {} and {}", left.type()->ToString(), right.type()->ToString());
  }
  SLUICE_ASSIGN_OR_RETURN(const Datum quotient, CallKernel("divide_checked", {left, right}));
  SLUICE_ASSIGN_OR_RETURN(const Datum whole, CallKernel("multiply_checked", {quotient, right}));
  return CallKernel("subtract_checked", {left, whole});
}

Result<std::string> ConstantText(const ExpressionNode& node, std::string_view what) {
  if (node.kind != Kind::kLiteral || !node.value->is_valid ||
      node.value->type->id() != arrow::Type::STRING) {
    return Unsupported("{} that is no constant text", what);
  }
  return std::string(static_cast<const arrow::StringScalar&>(*node.value).view());
}

Result<Datum> TruncateDate(const ExpressionNode& node, const arrow::RecordBatch& batch) {
  SLUICE_ASSIGN_OR_RETURN(std::string unit,
                          ConstantText(node.arguments[0], "a unit of date_trunc"));
  unit = LowerCase(unit);
  using arrow::compute::CalendarUnit;
  const std::array<std::pair<std::string_view, CalendarUnit>, 8> units = {
      {{"year", CalendarUnit::YEAR},
       {"quarter", CalendarUnit::QUARTER},
       {"month", CalendarUnit::MONTH},
       {"week", CalendarUnit::WEEK},
       {"day", CalendarUnit::DAY},
       {"hour", CalendarUnit::HOUR},
       {"minute", CalendarUnit::MINUTE},
       {"second", CalendarUnit::SECOND}}};
  for (const auto& [name, calendar] : units) {
    if (name != unit) continue;
    SLUICE_ASSIGN_OR_RETURN(Datum value, Evaluate(node.arguments[1], batch));
    if (value.type()->id() == arrow::Type::DATE32) {
      SLUICE_ASSIGN_OR_RETURN(value,
                              CastTo(value, arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")));
    }
    const arrow::compute::RoundTemporalOptions options(1, calendar);
    return CallKernel("floor_temporal", {value}, &options);
  }
  return Unsupported("date_trunc to '{}'", unit);
}

Result<Datum> Substring(const ExpressionNode& node, const arrow::RecordBatch& batch) {
  std::vector<int64_t> numbers;
  for (size_t i = 1; i < node.arguments.size(); ++i) {
    const ExpressionNode& argument = node.arguments[i];
    if (argument.kind != Kind::kLiteral || argument.value->type->id() != arrow::Type::INT64) {
      return Unsupported("substring by something that is no constant number");
    }
    numbers.push_back(static_cast<const arrow::Int64Scalar&>(*argument.value).value);
  }
  if (numbers[0] < 0) return Unsupported("substring from the end");
  const int64_t begin = std::max<int64_t>(numbers[0] - 1, 0);
  const int64_t end = numbers.size() < 2 ? INT64_MAX : begin + std::max<int64_t>(numbers[1], 0);
  SLUICE_ASSIGN_OR_RETURN(const Datum value, Evaluate(node.arguments[0], batch));
  const arrow::compute::SliceOptions options(begin, end);
  return CallKernel("utf8_slice_codeunits", {value}, &options);
}

Result<Datum> In(const ExpressionNode& node, const arrow::RecordBatch& batch) {
  SLUICE_ASSIGN_OR_RETURN(const Datum value, Evaluate(node.arguments[0], batch));
  Datum found(false);
  for (size_t i = 1; i < node.arguments.size(); ++i) {
    SLUICE_ASSIGN_OR_RETURN(const Datum item, Evaluate(node.arguments[i], batch));
    SLUICE_ASSIGN_OR_RETURN(const Datum equal, Compare("equal", value, item));
    SLUICE_ASSIGN_OR_RETURN(found, CallKernel("or_kleene", {found, equal}));
  }
  return found;
}

Result<Datum> Match(const ExpressionNode& node, const arrow::RecordBatch& batch) {
  SLUICE_ASSIGN_OR_RETURN(const std::string pattern, ConstantText(node.arguments[1], "a pattern"));
  SLUICE_ASSIGN_OR_RETURN(const Datum value, Evaluate(node.arguments[0], batch));
  const arrow::compute::MatchSubstringOptions options(pattern);
  return CallKernel(node.name == "like" ? "match_like" : "match_substring_regex", {value},
                    &options);
}

Result<Datum> Concatenate(std::vector<Datum> arguments) {
  for (Datum& argument : arguments) {
    SLUICE_ASSIGN_OR_RETURN(argument, CastTo(argument, arrow::utf8()));
  }
  arguments.emplace_back(std::make_shared<arrow::StringScalar>(""));
  const arrow::compute::JoinOptions options(arrow::compute::JoinOptions::EMIT_NULL);
  return CallKernel("binary_join_element_wise", std::move(arguments), &options);
}

Result<Datum> EvaluateColumn(const ExpressionNode& node, const arrow::RecordBatch& batch) {
  const auto find = [](const arrow::FieldVector& fields, const std::string& name) -> int {
    const std::string lower = LowerCase(name);
    for (size_t i = 0; i < fields.size(); ++i) {
      if (LowerCase(fields[i]->name()) == lower) return static_cast<int>(i);
    }
    return -1;
  };
  const int index = find(batch.schema()->fields(), node.path[0]);
  if (index < 0) return Invalid("there is no column '{}'", node.path[0]);
  std::shared_ptr<arrow::Array> array = batch.column(index);
  for (size_t i = 1; i < node.path.size(); ++i) {
    if (array->type_id() != arrow::Type::STRUCT) {
      return Invalid("'{}' is no struct: it has no '{}'", node.path[i - 1], node.path[i]);
    }
    const int member = find(array->type()->fields(), node.path[i]);
    if (member < 0) return Invalid("'{}' has no '{}'", node.path[i - 1], node.path[i]);
    // With the nulls of the struct itself.
    SLUICE_ASSIGN_OR_RETURN(
        array, FromArrow(static_cast<const arrow::StructArray&>(*array).GetFlattenedField(member)));
  }
  return Datum(std::move(array));
}

Result<Datum> EvaluateSpecial(const ExpressionNode& node, const arrow::RecordBatch& batch) {
  const std::string& name = node.name;
  if (name == "in") return In(node, batch);
  if (name == "like" || name == "rlike") return Match(node, batch);
  if (name == "date_trunc") return TruncateDate(node, batch);
  if (name == "substring" || name == "substr") return Substring(node, batch);
  std::vector<Datum> arguments;
  for (const ExpressionNode& argument : node.arguments) {
    SLUICE_ASSIGN_OR_RETURN(Datum value, Evaluate(argument, batch));
    arguments.push_back(std::move(value));
  }
  if (name == "cast") return CastTo(arguments[0], node.type);
  if (name == "to_date" || name == "date") return CastTo(arguments[0], arrow::date32());
  if (name == "concat") return Concatenate(std::move(arguments));
  if (name == "/") return Divide(arguments[0], arguments[1]);
  if (name == "%" || name == "mod") return Remainder(arguments[0], arguments[1]);
  if (name == "<=>") return NullSafeEqual(arguments[0], arguments[1]);
  return Unsupported("function '{}' is not known", name);
}

bool IsPart(std::string_view kernel) {
  return kernel == "year" || kernel == "month" || kernel == "day" || kernel == "hour" ||
         kernel == "minute" || kernel == "second" || kernel == "utf8_length";
}

Result<Datum> EvaluateCall(const ExpressionNode& node, const arrow::RecordBatch& batch) {
  const auto* found = std::ranges::find(kFunctions, node.name, &Function::name);
  if (found == kFunctions.end() || found->arrow.empty()) return EvaluateSpecial(node, batch);
  std::vector<Datum> arguments;
  for (const ExpressionNode& argument : node.arguments) {
    SLUICE_ASSIGN_OR_RETURN(Datum value, Evaluate(argument, batch));
    arguments.push_back(std::move(value));
  }
  if (arguments.size() == 2) SLUICE_RETURN_IF_ERROR(Align(arguments[0], arguments[1]));
  if (node.name == "if") {  // A condition that is null is not met.
    SLUICE_RETURN_IF_ERROR(Align(arguments[1], arguments[2]));
    SLUICE_ASSIGN_OR_RETURN(arguments[0], CallKernel("coalesce", {arguments[0], Datum(false)}));
  }
  for (Datum& argument : arguments) {  // Logic of an untyped null.
    const bool logic = node.name == "and" || node.name == "or" || node.name == "not";
    if (logic && argument.type()->id() == arrow::Type::NA) {
      SLUICE_ASSIGN_OR_RETURN(argument, CastTo(argument, arrow::boolean()));
    }
  }
  SLUICE_ASSIGN_OR_RETURN(Datum result,
                          CallKernel(std::string(found->arrow), std::move(arguments)));
  // Parts of dates are integers in Spark, and longs in Arrow.
  const bool part = arrow::is_integer(result.type()->id()) && IsPart(found->arrow);
  return part ? CastTo(result, arrow::int32()) : result;
}

Result<Datum> Evaluate(const ExpressionNode& node, const arrow::RecordBatch& batch) {
  switch (node.kind) {
    case Kind::kLiteral:
      return Datum(node.value);
    case Kind::kColumn:
      return EvaluateColumn(node, batch);
    case Kind::kCall:
      return EvaluateCall(node, batch);
  }
  return Internal("an expression of no kind");
}

void CollectColumns(const ExpressionNode& node, std::set<std::string>& columns) {
  if (node.kind == Kind::kColumn) columns.insert(node.path[0]);
  for (const ExpressionNode& argument : node.arguments) CollectColumns(argument, columns);
}

}  // namespace

bool IsKnownFunction(std::string_view name, size_t arguments) {
  const auto knows = [&](const auto& functions) {
    return std::ranges::any_of(functions, [&](const Function& function) {
      return function.name == name && arguments >= function.arguments_min &&
             arguments <= function.arguments_max;
    });
  };
  return knows(kFunctions) || knows(kSpecial) || (name == "substr" && arguments >= 2);
}

}  // namespace internal

Result<Expression> Expression::Parse(std::string_view text) {
  SLUICE_ASSIGN_OR_RETURN(internal::ExpressionNode root, internal::ParseExpression(text));
  return Expression(std::string(text),
                    std::make_shared<const internal::ExpressionNode>(std::move(root)));
}

Result<std::shared_ptr<arrow::Array>> Expression::Evaluate(const arrow::RecordBatch& batch) const {
  SLUICE_RETURN_IF_ERROR(columnar::InitializeCompute());
  SLUICE_ASSIGN_OR_RETURN(const arrow::Datum value, internal::Evaluate(*root_, batch));
  if (value.is_array()) return value.make_array();
  return columnar::FromArrow(arrow::MakeArrayFromScalar(*value.scalar(), batch.num_rows()));
}

Result<columnar::Batch> Expression::Filter(const columnar::Batch& batch) const {
  SLUICE_ASSIGN_OR_RETURN(const std::shared_ptr<arrow::Array> keep, Evaluate(*batch));
  if (keep->type_id() == arrow::Type::NA) return batch->Slice(0, 0);
  if (keep->type_id() != arrow::Type::BOOL) {
    return Invalid("'{}' is {}, not a condition", text_, keep->type()->ToString());
  }
  const auto& flags = static_cast<const arrow::BooleanArray&>(*keep);
  if (flags.null_count() == 0 && flags.true_count() == flags.length()) return batch;
  SLUICE_ASSIGN_OR_RETURN(const arrow::Datum filtered,
                          columnar::FromArrow(arrow::compute::Filter(batch, keep)));
  return filtered.record_batch();
}

std::set<std::string> Expression::columns() const {
  std::set<std::string> columns;
  internal::CollectColumns(*root_, columns);
  return columns;
}

}  // namespace sluice::lake
