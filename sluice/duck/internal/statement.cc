#include "sluice/duck/internal/statement.h"

#include "duckdb/main/config.hpp"
#include "duckdb/optimizer/optimizer_extension.hpp"
#include "duckdb/parser/expression/cast_expression.hpp"
#include "duckdb/parser/expression/constant_expression.hpp"
#include "duckdb/parser/expression/function_expression.hpp"
#include "duckdb/parser/expression/subquery_expression.hpp"
#include "duckdb/parser/parsed_expression_iterator.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/query_node/list.hpp"
#include "duckdb/parser/statement/explain_statement.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/parser/tableref/at_clause.hpp"
#include "duckdb/parser/tableref/list.hpp"
#include "duckdb/planner/operator/logical_get.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "sluice/duck/internal/relations.h"

namespace sluice::duck::internal {

namespace {

constexpr size_t kSqlBytesMax = 64u
                                << 10;  // Planning is not interruptible, so its input is bounded.

// The table functions that read nothing but their arguments and the catalog, which is empty.
constexpr std::array<std::string_view, 14> kFunctions = {
    "range",          "generate_series",   "unnest",
    "repeat",         "repeat_row",        "json_each",
    "json_tree",      "duckdb_functions",  "duckdb_keywords",
    "duckdb_types",   "sql_auto_complete", "duckdb_databases",
    "duckdb_schemas", "pragma_version"};
// The same behind views and SHOW, where users do not name them.
constexpr std::array<std::string_view, 13> kCatalogFunctions = {
    "duckdb_columns",     "duckdb_constraints", "duckdb_indexes",    "duckdb_sequences",
    "duckdb_tables",      "duckdb_views",       "pragma_table_info", "duckdb_variables",
    "pragma_collations",  "show_tables",        "duckdb_extensions", "pragma_show",
    "duckdb_dependencies"};

// Scalar functions that tell of the process, its settings and folders, or write to its log.
constexpr std::array<std::string_view, 5> kDeniedFunctions = {
    "current_setting", "getenv", "write_log", "enable_logging", "disable_logging"};

bool Contains(const auto& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

/// Looks at all that a statement is made of; stops at the first thing that is denied.
class Inspector {
 public:
  void Visit(duckdb::QueryNode& node) {
    switch (node.type) {
      case duckdb::QueryNodeType::SELECT_NODE:
      case duckdb::QueryNodeType::SET_OPERATION_NODE:
      case duckdb::QueryNodeType::RECURSIVE_CTE_NODE:
      case duckdb::QueryNodeType::CTE_NODE:
        break;
      default:
        return Deny("a statement inside a query");
    }
    duckdb::ParsedExpressionIterator::EnumerateQueryNodeChildren(
        node, [this](auto& expression) { Visit(*expression); },
        [this](duckdb::TableRef& ref) { Visit(ref); });
    for (auto& [name, cte] : node.cte_map.map) {
      // NOT MATERIALIZED would copy the plan at each use: thirty that use the last one twice are
      // 2^30.
      cte->materialized = duckdb::CTEMaterialize::CTE_MATERIALIZE_DEFAULT;
      Visit(*cte->query->node);
    }
  }

  const std::optional<Error>& error() const { return error_; }

 private:
  void Deny(std::string_view what) {
    if (!error_) error_ = Denied("{} is not allowed here", what);
  }

  void Visit(duckdb::ParsedExpression& expression) {
    if (expression.GetExpressionClass() == duckdb::ExpressionClass::SUBQUERY) {
      Visit(*expression.Cast<duckdb::SubqueryExpression>().subquery->node);
    }
    if (expression.GetExpressionClass() == duckdb::ExpressionClass::FUNCTION) {
      const auto& function = expression.Cast<duckdb::FunctionExpression>();
      const std::string name = duckdb::StringUtil::Lower(function.function_name);
      const bool harmless =
          name == "current_setting" && function.children.size() == 1 &&
          duckdb::StringUtil::Lower(function.children[0]->ToString()) == "'timezone'";
      if (Contains(kDeniedFunctions, name) && !harmless) {
        Deny(fmt::format("function '{}'", name));
      }
    }
    duckdb::ParsedExpressionIterator::EnumerateChildren(
        expression, [this](duckdb::ParsedExpression& child) { Visit(child); });
  }

  void Visit(duckdb::TableRef& ref) {
    switch (ref.type) {
      case duckdb::TableReferenceType::BASE_TABLE:
        MoveTime(ref.Cast<duckdb::BaseTableRef>());
        break;
      case duckdb::TableReferenceType::TABLE_FUNCTION: {
        const auto& function = ref.Cast<duckdb::TableFunctionRef>().function;
        if (function->GetExpressionClass() != duckdb::ExpressionClass::FUNCTION) break;
        const std::string name =
            duckdb::StringUtil::Lower(function->Cast<duckdb::FunctionExpression>().function_name);
        if (!Contains(kFunctions, name) && name != kDeltaScanFunction &&
            name != kTableChangesFunction) {
          Deny(fmt::format("table function '{}'", name));
        }
        break;
      }
      case duckdb::TableReferenceType::SHOW_REF:
        if (auto& query = ref.Cast<duckdb::ShowRef>().query) Visit(*query);
        break;
      default:
        break;
    }
  }

  // The scan that replaces the table does not see its AT, but its name.
  void MoveTime(duckdb::BaseTableRef& table) {
    if (!table.at_clause) return;
    const duckdb::ParsedExpression* time = table.at_clause->ExpressionMutable().get();
    while (time->GetExpressionClass() == duckdb::ExpressionClass::CAST) {
      time = time->Cast<duckdb::CastExpression>().child.get();
    }
    if (time->GetExpressionClass() != duckdb::ExpressionClass::CONSTANT) {
      if (!error_) error_ = Unsupported("AT takes a constant version or timestamp");
      return;
    }
    const std::string value = time->Cast<duckdb::ConstantExpression>().value.ToString();
    if (table.alias.empty()) table.alias = table.table_name;
    table.table_name =
        NameAt(table.table_name, duckdb::StringUtil::Lower(table.at_clause->Unit()), value);
    table.at_clause.reset();
  }

  std::optional<Error> error_;
};

void CheckPlan(duckdb::OptimizerExtensionInput& input,
               duckdb::unique_ptr<duckdb::LogicalOperator>& plan) {
  if (plan->type == duckdb::LogicalOperatorType::LOGICAL_GET) {
    const std::string& name = plan->Cast<duckdb::LogicalGet>().function.name;
    if (name != kFilesFunction && name != kBatchesFunction && !Contains(kFunctions, name) &&
        !Contains(kCatalogFunctions, name)) {
      throw duckdb::PermissionException("table function '%s' is not allowed here", name);
    }
  }
  for (auto& child : plan->children) CheckPlan(input, child);
}

}  // namespace

Result<duckdb::unique_ptr<duckdb::SQLStatement>> ParseOne(duckdb::ClientContext& context,
                                                          std::string_view sql) {
  if (sql.size() > kSqlBytesMax) {
    return Invalid("the query has {} bytes, the most is {}", sql.size(), kSqlBytesMax);
  }
  if (sql.find('\0') != std::string_view::npos) return Invalid("the query has a zero byte");
  duckdb::Parser parser(context.GetParserOptions());
  parser.ParseQuery(std::string(sql));
  if (parser.statements.empty()) return Invalid("the query is empty");
  if (parser.statements.size() > 1) {
    return Invalid("the text has {} statements, expected one", parser.statements.size());
  }
  return std::move(parser.statements[0]);
}

Status InspectQuery(duckdb::QueryNode& query) {
  Inspector inspector;
  inspector.Visit(query);
  if (inspector.error()) return *inspector.error();
  return {};
}

Result<duckdb::unique_ptr<duckdb::SQLStatement>> ParseStatement(duckdb::ClientContext& context,
                                                                std::string_view sql) {
  SLUICE_ASSIGN_OR_RETURN(auto statement, ParseOne(context, sql));
  duckdb::SQLStatement* inner = statement.get();
  if (inner->type == duckdb::StatementType::EXPLAIN_STATEMENT) {
    inner = inner->Cast<duckdb::ExplainStatement>().stmt.get();
  }
  if (inner->type != duckdb::StatementType::SELECT_STATEMENT) {
    return Denied("only queries are allowed here, this is {}",
                  duckdb::StatementTypeToString(inner->type));
  }
  SLUICE_RETURN_IF_ERROR(InspectQuery(*inner->Cast<duckdb::SelectStatement>().node));
  return statement;
}

void RegisterPlanCheck(duckdb::DatabaseInstance& database) {
  duckdb::OptimizerExtension check;
  check.pre_optimize_function = CheckPlan;
  duckdb::OptimizerExtension::Register(duckdb::DBConfig::GetConfig(database), check);
}

}  // namespace sluice::duck::internal
