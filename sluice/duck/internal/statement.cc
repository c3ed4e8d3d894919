#include "sluice/duck/internal/statement.h"

#include "duckdb/common/error_data.hpp"
#include "duckdb/main/config.hpp"
#include "duckdb/optimizer/optimizer_extension.hpp"
#include "duckdb/parser/expression/function_expression.hpp"
#include "duckdb/parser/expression/subquery_expression.hpp"
#include "duckdb/parser/parsed_expression_iterator.hpp"
#include "duckdb/parser/parser.hpp"
#include "duckdb/parser/query_node/list.hpp"
#include "duckdb/parser/statement/explain_statement.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
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
    duckdb::ParsedExpressionIterator::EnumerateChildren(
        expression, [this](duckdb::ParsedExpression& child) { Visit(child); });
  }

  void Visit(duckdb::TableRef& ref) {
    switch (ref.type) {
      case duckdb::TableReferenceType::BASE_TABLE:
        if (ref.Cast<duckdb::BaseTableRef>().at_clause && !error_) {
          // The scan that replaces the table would not see it, and read the newest rows instead.
          error_ = Unsupported("AT is not supported here");
        }
        break;
      case duckdb::TableReferenceType::TABLE_FUNCTION: {
        const auto& function = ref.Cast<duckdb::TableFunctionRef>().function;
        if (function->GetExpressionClass() != duckdb::ExpressionClass::FUNCTION) break;
        const std::string name =
            duckdb::StringUtil::Lower(function->Cast<duckdb::FunctionExpression>().function_name);
        if (!Contains(kFunctions, name)) Deny(fmt::format("table function '{}'", name));
        break;
      }
      case duckdb::TableReferenceType::SHOW_REF:
        if (auto& query = ref.Cast<duckdb::ShowRef>().query) Visit(*query);
        break;
      default:
        break;
    }
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

Error FromDuck(const duckdb::ErrorData& error) {
  std::string message = error.RawMessage();
  message = message.substr(0, message.find('\n'));
  while (!message.empty() && (message.back() == '.' || message.back() == '!')) message.pop_back();
  if (message.size() > 1 && message[0] >= 'A' && message[0] <= 'Z' &&
      !(message[1] >= 'A' && message[1] <= 'Z')) {
    message[0] = static_cast<char>(message[0] + 32);
  }
  ErrorCode code = ErrorCode::kInvalid;
  switch (error.Type()) {
    case duckdb::ExceptionType::PERMISSION:
      code = ErrorCode::kDenied;
      break;
    case duckdb::ExceptionType::OUT_OF_MEMORY:
    case duckdb::ExceptionType::IO:
    case duckdb::ExceptionType::INTERRUPT:
      code = ErrorCode::kUnavailable;
      break;
    case duckdb::ExceptionType::NOT_IMPLEMENTED:
      code = ErrorCode::kUnsupported;
      break;
    case duckdb::ExceptionType::FATAL:
    case duckdb::ExceptionType::INTERNAL:
      code = ErrorCode::kInternal;
      break;
    default:
      break;
  }
  return Error(code, std::move(message));
}

Result<duckdb::unique_ptr<duckdb::SQLStatement>> ParseStatement(duckdb::ClientContext& context,
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
  duckdb::unique_ptr<duckdb::SQLStatement> statement = std::move(parser.statements[0]);
  duckdb::SQLStatement* inner = statement.get();
  if (inner->type == duckdb::StatementType::EXPLAIN_STATEMENT) {
    inner = inner->Cast<duckdb::ExplainStatement>().stmt.get();
  }
  if (inner->type != duckdb::StatementType::SELECT_STATEMENT) {
    return Denied("only queries are allowed here, this is {}",
                  duckdb::StatementTypeToString(inner->type));
  }
  Inspector inspector;
  inspector.Visit(*inner->Cast<duckdb::SelectStatement>().node);
  if (inspector.error()) return *inspector.error();
  return statement;
}

void RegisterPlanCheck(duckdb::DatabaseInstance& database) {
  duckdb::OptimizerExtension check;
  check.pre_optimize_function = CheckPlan;
  duckdb::OptimizerExtension::Register(duckdb::DBConfig::GetConfig(database), check);
}

}  // namespace sluice::duck::internal
