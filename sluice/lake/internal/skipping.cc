#include "sluice/lake/internal/skipping.h"

#include <arrow/api.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "sluice/base/ascii.h"
#include "sluice/lake/internal/expression_node.h"
#include "sluice/lake/internal/partition_value.h"
#include "sluice/lake/internal/schema_json.h"
#include "sluice/lake/internal/timestamp_text.h"

namespace sluice::lake::internal {

namespace {

using Kind = ExpressionNode::Kind;
using ScalarPtr = std::shared_ptr<arrow::Scalar>;

// What a condition may come out as over the rows of a file: any of the three.
struct Outcomes {
  bool is_true = true;
  bool is_false = true;
  bool is_null = true;
};

Outcomes Not(Outcomes a) { return {a.is_false, a.is_true, a.is_null}; }

Outcomes And(Outcomes a, Outcomes b) {
  return {.is_true = a.is_true && b.is_true,
          .is_false = a.is_false || b.is_false,
          .is_null =
              (a.is_null && (b.is_null || b.is_true)) || (b.is_null && (a.is_null || a.is_true))};
}

Outcomes Or(Outcomes a, Outcomes b) { return Not(And(Not(a), Not(b))); }

// Brings a literal to a column's type without changing its value; null if that cannot be done.
ScalarPtr LiteralAs(const ScalarPtr& literal, const std::shared_ptr<arrow::DataType>& type) {
  if (!literal->is_valid) return nullptr;
  if (literal->type->Equals(*type)) return literal;
  if (literal->type->id() == arrow::Type::STRING) {
    const std::string text(static_cast<const arrow::StringScalar&>(*literal).view());
    if (type->id() == arrow::Type::DATE32) {
      const auto days = ParseDate(text);
      return days ? std::make_shared<arrow::Date32Scalar>(*days) : nullptr;
    }
    if (type->id() == arrow::Type::TIMESTAMP) {
      const auto parsed = ParseTimestamp(text);
      if (!parsed) return nullptr;
      return std::make_shared<arrow::TimestampScalar>(parsed->microseconds, type);
    }
    return nullptr;
  }
  const bool number = arrow::is_integer(literal->type->id()) ||
                      arrow::is_floating(literal->type->id()) ||
                      arrow::is_decimal(literal->type->id());
  if (number && arrow::is_floating(type->id())) {
    // Compared as doubles, which not every long or decimal is.
    const double real = std::strtod(literal->ToString().c_str(), nullptr);
    if (std::abs(real) > 9e15) return nullptr;
    return std::make_shared<arrow::DoubleScalar>(real);
  }
  if (number && type->id() == arrow::Type::DECIMAL128) {
    const auto& wanted = static_cast<const arrow::Decimal128Type&>(*type);
    arrow::Decimal128 value;
    int32_t precision = 0;
    int32_t scale = 0;
    if (!arrow::Decimal128::FromString(literal->ToString(), &value, &precision, &scale).ok()) {
      return nullptr;
    }
    const auto scaled = value.Rescale(scale, wanted.scale());
    if (!scaled.ok()) return nullptr;
    return std::make_shared<arrow::Decimal128Scalar>(*scaled, type);
  }
  if (number || arrow::is_temporal(literal->type->id())) {
    const auto cast = literal->CastTo(type);
    if (!cast.ok()) return nullptr;
    const auto back = (*cast)->CastTo(literal->type);
    if (!back.ok() || !(*back)->Equals(*literal)) return nullptr;
    return *cast;
  }
  return nullptr;
}

// Judges `column op literal`.
Outcomes JudgeComparison(std::string_view op, const ColumnBounds& bounds, const ScalarPtr& literal,
                         const std::shared_ptr<arrow::DataType>& type) {
  if (!literal->is_valid) {
    return op == "<=>" ? Outcomes{.is_null = false} : Outcomes{.is_true = false, .is_false = false};
  }
  Outcomes outcomes;
  outcomes.is_null = op != "<=>" && (!bounds.nulls || *bounds.nulls > 0);
  if (bounds.nulls && bounds.rows && *bounds.nulls == *bounds.rows) {
    return op == "<=>" ? Outcomes{.is_true = false, .is_null = false}
                       : Outcomes{.is_true = false, .is_false = false};
  }
  const ScalarPtr wanted = LiteralAs(literal, type);
  if (wanted == nullptr) return outcomes;
  const BoundValue value = ToBoundValue(*wanted);
  if (const auto* real = std::get_if<double>(&value); real != nullptr && std::isnan(*real)) {
    return outcomes;
  }
  const BoundValue low = bounds.low == nullptr ? BoundValue() : ToBoundValue(*bounds.low);
  const BoundValue high = bounds.high == nullptr ? BoundValue() : ToBoundValue(*bounds.high);
  const bool has_low = low.index() == value.index() && low.index() != 0;
  const bool has_high = high.index() == value.index() && high.index() != 0;
  // NaN, which no statistics tell of, is larger than all numbers.
  const bool tops_out = has_high && !arrow::is_floating(type->id());
  const bool may_be_equal = !(has_low && value < low) && !(has_high && high < value);
  const bool may_be_less = !(has_low && !(low < value));
  const bool may_be_greater = !(tops_out && !(value < high));
  if (op == "=" || op == "<=>") {
    outcomes.is_true = may_be_equal;
    outcomes.is_false =
        may_be_less || may_be_greater || (op == "<=>" && (!bounds.nulls || *bounds.nulls > 0));
  } else if (op == "!=") {
    outcomes.is_true = may_be_less || may_be_greater;
    outcomes.is_false = may_be_equal;
  } else if (op == "<") {
    outcomes.is_true = may_be_less;
    outcomes.is_false = may_be_equal || may_be_greater;
  } else if (op == "<=") {
    outcomes.is_true = may_be_less || may_be_equal;
    outcomes.is_false = may_be_greater;
  } else if (op == ">") {
    outcomes.is_true = may_be_greater;
    outcomes.is_false = may_be_less || may_be_equal;
  } else if (op == ">=") {
    outcomes.is_true = may_be_greater || may_be_equal;
    outcomes.is_false = may_be_less;
  }
  return outcomes;
}

using Lookup = std::function<const ColumnBounds*(const ExpressionNode& column,
                                                 std::shared_ptr<arrow::DataType>& type)>;

std::string_view Mirrored(std::string_view op) {
  if (op == "<") return ">";
  if (op == "<=") return ">=";
  if (op == ">") return "<";
  if (op == ">=") return "<=";
  return op;
}

bool IsComparison(std::string_view name) {
  return name == "=" || name == "!=" || name == "<" || name == "<=" || name == ">" ||
         name == ">=" || name == "<=>";
}

// The texts that begin as a pattern of LIKE does lie between two bounds.
Outcomes JudgeLike(const ColumnBounds& bounds, const ScalarPtr& pattern,
                   const std::shared_ptr<arrow::DataType>& type) {
  Outcomes any;
  if (type->id() != arrow::Type::STRING || pattern->type->id() != arrow::Type::STRING) return any;
  const std::string text(static_cast<const arrow::StringScalar&>(*pattern).view());
  const std::string prefix = text.substr(0, text.find_first_of("%_\\"));
  if (prefix.empty()) return any;
  Outcomes above =
      JudgeComparison(">=", bounds, std::make_shared<arrow::StringScalar>(prefix), type);
  Outcomes below{.is_true = true, .is_false = true, .is_null = above.is_null};
  std::string end = prefix;  // The first text behind all that begin so.
  while (!end.empty() && static_cast<uint8_t>(end.back()) == 0xFF) end.pop_back();
  if (!end.empty()) {
    end.back() = static_cast<char>(static_cast<uint8_t>(end.back()) + 1);
    below = JudgeComparison("<", bounds, std::make_shared<arrow::StringScalar>(end), type);
  }
  any.is_true = And(above, below).is_true;
  return any;
}

Outcomes Judge(const ExpressionNode& node, const Lookup& lookup) {
  if (node.kind == Kind::kLiteral) {
    if (!node.value->is_valid) return {.is_true = false, .is_false = false};
    if (node.value->type->id() != arrow::Type::BOOL) return {};
    const bool value = static_cast<const arrow::BooleanScalar&>(*node.value).value;
    return {.is_true = value, .is_false = !value, .is_null = false};
  }
  std::shared_ptr<arrow::DataType> type;
  if (node.kind == Kind::kColumn) {  // A boolean column as a condition.
    const ColumnBounds* bounds = lookup(node, type);
    if (bounds == nullptr) return {};
    return JudgeComparison("=", *bounds, std::make_shared<arrow::BooleanScalar>(true), type);
  }
  if (node.name == "and") {
    return And(Judge(node.arguments[0], lookup), Judge(node.arguments[1], lookup));
  }
  if (node.name == "or") {
    return Or(Judge(node.arguments[0], lookup), Judge(node.arguments[1], lookup));
  }
  if (node.name == "not") return Not(Judge(node.arguments[0], lookup));
  if (node.arguments.empty()) return {};
  const ExpressionNode& first = node.arguments[0];
  if (node.name == "is null" || node.name == "isnull" || node.name == "isnotnull") {
    if (first.kind != Kind::kColumn) return {};
    const ColumnBounds* bounds = lookup(first, type);
    Outcomes outcomes{.is_null = false};
    if (bounds != nullptr && bounds->nulls) {
      outcomes.is_true = *bounds->nulls > 0;
      outcomes.is_false = !bounds->rows || *bounds->nulls < *bounds->rows;
    }
    return node.name == "isnotnull" ? Not(outcomes) : outcomes;
  }
  if (node.name == "in" && first.kind == Kind::kColumn) {
    const ColumnBounds* bounds = lookup(first, type);
    if (bounds == nullptr) return {};
    Outcomes outcomes{.is_true = false, .is_false = true, .is_null = false};
    for (size_t i = 1; i < node.arguments.size(); ++i) {
      if (node.arguments[i].kind != Kind::kLiteral) return {};
      outcomes = Or(outcomes, JudgeComparison("=", *bounds, node.arguments[i].value, type));
    }
    return outcomes;
  }
  if (node.arguments.size() != 2) return {};
  const ExpressionNode& second = node.arguments[1];
  if (node.name == "like" && first.kind == Kind::kColumn && second.kind == Kind::kLiteral &&
      second.value->is_valid) {
    const ColumnBounds* bounds = lookup(first, type);
    return bounds == nullptr ? Outcomes() : JudgeLike(*bounds, second.value, type);
  }
  if (!IsComparison(node.name)) return {};
  const bool mirrored = first.kind == Kind::kLiteral;
  const ExpressionNode& column = mirrored ? second : first;
  const ExpressionNode& literal = mirrored ? first : second;
  if (column.kind != Kind::kColumn || literal.kind != Kind::kLiteral) return {};
  const ColumnBounds* bounds = lookup(column, type);
  if (bounds == nullptr) return {};
  return JudgeComparison(mirrored ? Mirrored(node.name) : node.name, *bounds, literal.value, type);
}

std::string PathKey(const std::vector<std::string>& path) {
  std::string key;
  for (const std::string& name : path) key.append(LowerCase(name)).append(1, '\0');
  return key;
}

void CollectPaths(const ExpressionNode& node, std::vector<std::vector<std::string>>& paths) {
  if (node.kind == Kind::kColumn) paths.push_back(node.path);
  for (const ExpressionNode& argument : node.arguments) CollectPaths(argument, paths);
}

}  // namespace

FileSkipper::FileSkipper(const Expression& condition, const arrow::Schema& schema,
                         const std::vector<std::string>& partition_columns, ColumnMapping mapping,
                         std::string zone)
    : condition_(condition), zone_(std::move(zone)) {
  std::vector<std::vector<std::string>> paths;
  CollectPaths(condition.root(), paths);
  for (const auto& path : paths) {
    Column column{.path = PathKey(path)};
    const arrow::FieldVector* fields = &schema.fields();
    for (const std::string& name : path) {
      const auto found = std::ranges::find_if(
          *fields, [&](const auto& field) { return LowerCase(field->name()) == LowerCase(name); });
      if (found == fields->end()) {
        column.physical.clear();
        break;
      }
      std::string physical;
      if (mapping != ColumnMapping::kNone) {
        physical = Annotation(**found, "delta.columnMapping.physicalName");
      }
      column.physical.push_back(physical.empty() ? (*found)->name() : physical);
      column.type = (*found)->type();
      if (path.size() == 1) {
        column.partition =
            std::ranges::find(partition_columns, (*found)->name()) != partition_columns.end();
      }
      static const arrow::FieldVector kNone;
      fields = column.type->id() == arrow::Type::STRUCT ? &column.type->fields() : &kNone;
    }
    if (!column.physical.empty()) columns_.push_back(std::move(column));
  }
}

bool FileSkipper::MayMatch(const DataFile& file) const {
  const StatisticsText statistics(file.stats);
  const bool exact = file.deletion_vector == nullptr;
  std::map<std::string, ColumnBounds> known;
  for (const Column& column : columns_) {
    ColumnBounds bounds;
    if (column.partition) {
      const auto found = file.partition_values.find(column.physical[0]);
      const auto text = found == file.partition_values.end() ? std::nullopt : found->second;
      const auto value = ParsePartitionValue(text, column.type, zone_);
      if (!value.ok()) return true;
      bounds.rows = 1;
      bounds.nulls = (*value)->is_valid ? 0 : 1;
      if ((*value)->is_valid) bounds.low = bounds.high = *value;
    } else {
      bounds = statistics.Find(column.physical, column.type);
      // Deleted rows may have been all the nulls, or all the values.
      const bool counts = exact && statistics.tight();
      if (!counts && bounds.nulls != 0 && bounds.nulls != bounds.rows) bounds.nulls.reset();
    }
    known.emplace(column.path, std::move(bounds));
  }
  const Lookup lookup = [&](const ExpressionNode& node,
                            std::shared_ptr<arrow::DataType>& type) -> const ColumnBounds* {
    const std::string key = PathKey(node.path);
    const auto found = known.find(key);
    if (found == known.end()) return nullptr;
    type = std::ranges::find(columns_, key, &Column::path)->type;
    return &found->second;
  };
  return Judge(condition_.root(), lookup).is_true;
}

}  // namespace sluice::lake::internal
