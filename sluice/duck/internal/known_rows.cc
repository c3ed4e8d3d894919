#include "sluice/duck/internal/known_rows.h"

#include "duckdb/common/multi_file/multi_file_states.hpp"
#include "duckdb/function/function_binder.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/optimizer/optimizer.hpp"
#include "duckdb/optimizer/optimizer_extension.hpp"
#include "duckdb/planner/binder.hpp"
#include "duckdb/planner/expression/bound_aggregate_expression.hpp"
#include "duckdb/planner/expression/bound_columnref_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/operator/logical_aggregate.hpp"
#include "duckdb/planner/operator/logical_empty_result.hpp"
#include "duckdb/planner/operator/logical_get.hpp"
#include "duckdb/planner/operator/logical_projection.hpp"
#include "duckdb/planner/operator/logical_set_operation.hpp"

#include <cstdint>
#include <optional>

#include "sluice/duck/internal/file_list.h"
#include "sluice/duck/internal/relations.h"

namespace sluice::duck::internal {

namespace {

using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using Node = duckdb::unique_ptr<LogicalOperator>;

bool CountsRowsOnly(const LogicalOperator& node) {
  if (node.type != LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY) return false;
  const auto& aggregate = node.Cast<duckdb::LogicalAggregate>();
  if (!aggregate.groups.empty() || aggregate.grouping_sets.size() > 1 ||
      !aggregate.grouping_functions.empty() || aggregate.expressions.empty()) {
    return false;
  }
  for (const auto& expression : aggregate.expressions) {
    if (expression->GetExpressionClass() != duckdb::ExpressionClass::BOUND_AGGREGATE) return false;
    const auto& call = expression->Cast<duckdb::BoundAggregateExpression>();
    if (call.function.name != "count_star" || call.filter) return false;
  }
  return true;
}

std::optional<int64_t> KnownRows(const duckdb::LogicalGet& scan) {
  const auto& extra = scan.extra_info;
  if (scan.function.name != kFilesFunction || !scan.bind_data || extra.sample_options ||
      !scan.table_filters.filters.empty() || scan.dynamic_filters ||
      scan.ordinality_idx.IsValid()) {
    return std::nullopt;
  }
  const auto& files = scan.bind_data->Cast<duckdb::MultiFileBindData>().file_list;
  const auto* const indexed = dynamic_cast<const IndexedFileList*>(files.get());
  return indexed == nullptr ? std::nullopt : indexed->KnownRows();
}

/// Takes scans of known rows out of what gives an aggregate its rows; returns how many these are.
/// Operators that might give fewer rows than they get, or more, end the search.
int64_t TakeKnown(Node& node) {
  int64_t rows = 0;
  switch (node->type) {
    case LogicalOperatorType::LOGICAL_GET:
      if (const auto known = KnownRows(node->Cast<duckdb::LogicalGet>())) {
        rows = *known;
        node = duckdb::make_uniq<duckdb::LogicalEmptyResult>(std::move(node));
      }
      break;
    case LogicalOperatorType::LOGICAL_UNION:
      if (!node->Cast<duckdb::LogicalSetOperation>().setop_all) break;
      [[fallthrough]];
    case LogicalOperatorType::LOGICAL_PROJECTION:
      for (auto& child : node->children) rows += TakeKnown(child);
      break;
    default:
      break;
  }
  return rows;
}

/// Puts above an aggregate that counts what adds `rows` to each count, with the same bindings.
void AddRows(duckdb::OptimizerExtensionInput& input, Node& node, int64_t rows) {
  auto& aggregate = node->Cast<duckdb::LogicalAggregate>();
  const duckdb::idx_t shown = aggregate.aggregate_index;
  aggregate.aggregate_index = input.optimizer.binder.GenerateTableIndex();
  duckdb::FunctionBinder functions(input.context);
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> sums;
  for (duckdb::idx_t i = 0; i < aggregate.expressions.size(); ++i) {
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> parts;
    parts.push_back(duckdb::make_uniq<duckdb::BoundColumnRefExpression>(
        aggregate.expressions[i]->return_type,
        duckdb::ColumnBinding(aggregate.aggregate_index, i)));
    parts.push_back(
        duckdb::make_uniq<duckdb::BoundConstantExpression>(duckdb::Value::BIGINT(rows)));
    duckdb::ErrorData error;
    auto sum = functions.BindScalarFunction(DEFAULT_SCHEMA, "+", std::move(parts), error, true);
    if (!sum) error.Throw();
    sum->SetAlias(aggregate.expressions[i]->GetName());
    sums.push_back(std::move(sum));
  }
  auto projection = duckdb::make_uniq<duckdb::LogicalProjection>(shown, std::move(sums));
  projection->children.push_back(std::move(node));
  node = std::move(projection);
}

void UseKnownRows(duckdb::OptimizerExtensionInput& input, Node& plan) {
  if (!CountsRowsOnly(*plan)) {
    for (auto& child : plan->children) UseKnownRows(input, child);
    return;
  }
  if (const int64_t rows = TakeKnown(plan->children[0]); rows > 0) AddRows(input, plan, rows);
}

}  // namespace

void RegisterKnownRows(duckdb::DatabaseInstance& database) {
  duckdb::OptimizerExtension extension;
  extension.optimize_function = UseKnownRows;
  duckdb::OptimizerExtension::Register(duckdb::DBConfig::GetConfig(database), extension);
}

}  // namespace sluice::duck::internal
