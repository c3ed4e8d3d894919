#include "sluice/duck/internal/change_statement.h"

#include "duckdb/parser/expression/case_expression.hpp"
#include "duckdb/parser/expression/cast_expression.hpp"
#include "duckdb/parser/expression/columnref_expression.hpp"
#include "duckdb/parser/expression/comparison_expression.hpp"
#include "duckdb/parser/expression/conjunction_expression.hpp"
#include "duckdb/parser/expression/constant_expression.hpp"
#include "duckdb/parser/expression/operator_expression.hpp"
#include "duckdb/parser/expression/star_expression.hpp"
#include "duckdb/parser/query_node/select_node.hpp"
#include "duckdb/parser/query_node/set_operation_node.hpp"
#include "duckdb/parser/statement/delete_statement.hpp"
#include "duckdb/parser/statement/insert_statement.hpp"
#include "duckdb/parser/statement/merge_into_statement.hpp"
#include "duckdb/parser/statement/select_statement.hpp"
#include "duckdb/parser/statement/update_statement.hpp"
#include "duckdb/parser/tableref/basetableref.hpp"
#include "duckdb/parser/tableref/emptytableref.hpp"
#include "duckdb/parser/tableref/joinref.hpp"
#include "duckdb/parser/tableref/subqueryref.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/duck/internal/relations.h"
#include "sluice/duck/internal/statement.h"

namespace sluice::duck::internal {

namespace {

using duckdb::make_uniq;
using ExpressionPtr = duckdb::unique_ptr<duckdb::ParsedExpression>;
using TableRefPtr = duckdb::unique_ptr<duckdb::TableRef>;

// Names that no text of a user means.
constexpr const char* kActionName = "_sluice_action";
constexpr const char* kSourceColumn = "_sluice_source";

ExpressionPtr Constant(duckdb::Value value) {
  return make_uniq<duckdb::ConstantExpression>(std::move(value));
}

ExpressionPtr Cast(const duckdb::LogicalType& type, ExpressionPtr value) {
  return make_uniq<duckdb::CastExpression>(type, std::move(value));
}

ExpressionPtr IsThere(const char* column, const std::string& table, bool there) {
  return make_uniq<duckdb::OperatorExpression>(
      there ? duckdb::ExpressionType::OPERATOR_IS_NOT_NULL
            : duckdb::ExpressionType::OPERATOR_IS_NULL,
      make_uniq<duckdb::ColumnRefExpression>(column, table));
}

ExpressionPtr And(ExpressionPtr left, ExpressionPtr right) {
  if (!left) return right;
  if (!right) return left;
  return make_uniq<duckdb::ConjunctionExpression>(duckdb::ExpressionType::CONJUNCTION_AND,
                                                  std::move(left), std::move(right));
}

// DuckDB names one that joins the same table as the target, too; both get the other name.
std::string AliasOf(const duckdb::TableRef& table) {
  if (!table.alias.empty()) return table.alias;
  if (table.type == duckdb::TableReferenceType::BASE_TABLE) {
    return table.Cast<duckdb::BaseTableRef>().table_name;
  }
  return kSourceColumn;
}

/// Writes the query. Not thread-safe.
class ChangeWriter {
 public:
  ChangeWriter(duckdb::ClientContext& context, Diagnostic& diagnosis)
      : context_(context), diagnosis_(diagnosis) {}

  Result<ChangeQuery> Write(duckdb::SQLStatement& statement) {
    switch (statement.type) {
      case duckdb::StatementType::DELETE_STATEMENT:
        SLUICE_RETURN_IF_ERROR(Write(statement.Cast<duckdb::DeleteStatement>()));
        break;
      case duckdb::StatementType::UPDATE_STATEMENT:
        SLUICE_RETURN_IF_ERROR(Write(statement.Cast<duckdb::UpdateStatement>()));
        break;
      case duckdb::StatementType::INSERT_STATEMENT:
        SLUICE_RETURN_IF_ERROR(Write(statement.Cast<duckdb::InsertStatement>()));
        break;
      case duckdb::StatementType::MERGE_INTO_STATEMENT:
        SLUICE_RETURN_IF_ERROR(Write(statement.Cast<duckdb::MergeIntoStatement>()));
        break;
      default:
        diagnosis_.code = "SL2003";
        return Denied("this is {}, not one INSERT, UPDATE, DELETE or MERGE",
                      duckdb::StatementTypeToString(statement.type));
    }
    auto select = make_uniq<duckdb::SelectStatement>();
    select->named_param_map = statement.named_param_map;
    select->node = std::move(node_);
    SLUICE_RETURN_IF_ERROR(InspectQuery(*select->node));
    return ChangeQuery{.select = std::move(select), .plan = std::move(plan_)};
  }

 private:
  using Kind = ChangeAction::Kind;

  // A column of the table, by its place.
  struct Column {
    std::string name;
    duckdb::LogicalType type;
  };

  Error NotSupported(std::string_view what) const {
    diagnosis_.code = "SL2209";
    return Unsupported("{}", what);
  }

  Status Write(duckdb::DeleteStatement& statement) {
    SLUICE_RETURN_IF_ERROR(Begin(*statement.table, statement.returning_list, statement.cte_map));
    node_->from_table = std::move(statement.table);
    for (auto& table : statement.using_clauses) Join(std::move(table));
    node_->where_clause = std::move(statement.condition);
    SelectPlace(Constant(duckdb::Value::INTEGER(0)));
    plan_.actions.push_back({.kind = Kind::kDelete, .columns = {}});
    return {};
  }

  Status Write(duckdb::UpdateStatement& statement) {
    SLUICE_RETURN_IF_ERROR(Begin(*statement.table, statement.returning_list, statement.cte_map));
    node_->from_table = std::move(statement.table);
    if (statement.from_table) Join(std::move(statement.from_table));
    node_->where_clause = std::move(statement.set_info->condition);
    SelectPlace(Constant(duckdb::Value::INTEGER(0)));
    return Add(Kind::kUpdate, statement.set_info->columns, statement.set_info->expressions, false);
  }

  Status Write(duckdb::InsertStatement& statement) {
    if (statement.on_conflict_info) {
      return NotSupported("INSERT takes no ON CONFLICT here: use MERGE INTO");
    }
    if (statement.default_values || !statement.select_statement) {
      return NotSupported("INSERT takes VALUES or a query here");
    }
    if (statement.column_order == duckdb::InsertColumnOrder::INSERT_BY_NAME) {
      return NotSupported("INSERT BY NAME is not known here: name the columns, (a, b)");
    }
    duckdb::BaseTableRef table;
    table.catalog_name = statement.catalog;
    table.schema_name = statement.schema;
    table.table_name = statement.table;
    SLUICE_RETURN_IF_ERROR(Begin(table, statement.returning_list, statement.cte_map));
    SLUICE_ASSIGN_OR_RETURN(const auto columns, Named(statement.columns));

    // Rows of the wanted number of columns, none of them, and then those of the query, which must
    // have as many.
    auto none = make_uniq<duckdb::SelectNode>();
    none->from_table = make_uniq<duckdb::EmptyTableRef>();
    none->where_clause = Constant(duckdb::Value::BOOLEAN(false));
    auto action = ChangeAction{.kind = Kind::kInsert, .columns = {}};
    node_->select_list.push_back(Constant(duckdb::Value(duckdb::LogicalType::INTEGER)));
    node_->select_list.push_back(Constant(duckdb::Value(duckdb::LogicalType::BIGINT)));
    node_->select_list.push_back(Constant(duckdb::Value::INTEGER(0)));
    for (size_t i = 0; i < columns.size(); ++i) {
      const std::string name = fmt::format("_sluice_{}", i);
      auto null = Constant(duckdb::Value(columns[i].type));
      null->SetAlias(name);
      none->select_list.push_back(std::move(null));
      node_->select_list.push_back(
          Cast(columns[i].type, make_uniq<duckdb::ColumnRefExpression>(name)));
      action.columns.push_back(columns[i].name);
    }
    plan_.actions.push_back(std::move(action));
    auto both = make_uniq<duckdb::SetOperationNode>();
    both->setop_type = duckdb::SetOperationType::UNION;
    both->setop_all = true;
    both->children.push_back(std::move(none));
    both->children.push_back(std::move(statement.select_statement->node));
    auto query = make_uniq<duckdb::SelectStatement>();
    query->node = std::move(both);
    node_->from_table = make_uniq<duckdb::SubqueryRef>(std::move(query), "_sluice_rows");
    return {};
  }

  Status Write(duckdb::MergeIntoStatement& statement) {
    using When = duckdb::MergeActionCondition;
    SLUICE_RETURN_IF_ERROR(Begin(*statement.target, statement.returning_list, statement.cte_map));
    const std::string source = AliasOf(*statement.source);

    // Which of the actions a row is for: the first whose condition holds.
    auto which = make_uniq<duckdb::CaseExpression>();
    which->else_expr = Constant(duckdb::Value(duckdb::LogicalType::INTEGER));
    std::vector<duckdb::MergeIntoAction*> actions;
    for (auto& [when, list] : statement.actions) {
      for (auto& action : list) {
        duckdb::CaseCheck check;
        check.when_expr =
            And(And(IsThere(kRowColumn, alias_, when != When::WHEN_NOT_MATCHED_BY_TARGET),
                    IsThere(kSourceColumn, source, when != When::WHEN_NOT_MATCHED_BY_SOURCE)),
                std::move(action->condition));
        if (action->action_type == duckdb::MergeActionType::MERGE_DO_NOTHING) {
          check.then_expr = Constant(duckdb::Value(duckdb::LogicalType::INTEGER));
        } else {
          check.then_expr = Constant(duckdb::Value::INTEGER(static_cast<int32_t>(actions.size())));
          actions.push_back(action.get());
        }
        which->case_checks.push_back(std::move(check));
      }
    }
    const bool rest_of_target = statement.actions.contains(When::WHEN_NOT_MATCHED_BY_SOURCE);
    const bool rest_of_source = statement.actions.contains(When::WHEN_NOT_MATCHED_BY_TARGET);
    node_->where_clause = make_uniq<duckdb::OperatorExpression>(
        duckdb::ExpressionType::OPERATOR_IS_NOT_NULL, which->Copy());

    auto join = make_uniq<duckdb::JoinRef>(duckdb::JoinRefType::REGULAR);
    join->type = rest_of_target
                     ? (rest_of_source ? duckdb::JoinType::OUTER : duckdb::JoinType::LEFT)
                     : (rest_of_source ? duckdb::JoinType::RIGHT : duckdb::JoinType::INNER);
    join->left = std::move(statement.target);
    join->right = Present(std::move(statement.source), source);
    join->condition = std::move(statement.join_condition);
    join->using_columns = std::move(statement.using_columns);
    node_->from_table = std::move(join);
    SelectPlace(std::move(which));
    for (duckdb::MergeIntoAction* const action : actions) {
      switch (action->action_type) {
        case duckdb::MergeActionType::MERGE_DELETE:
          plan_.actions.push_back({.kind = Kind::kDelete, .columns = {}});
          break;
        case duckdb::MergeActionType::MERGE_UPDATE:
          if (!action->update_info || action->update_info->expressions.empty()) {
            return NotSupported("UPDATE of a MERGE must say what it sets: UPDATE SET a = s.a");
          }
          SLUICE_RETURN_IF_ERROR(Add(Kind::kUpdate, action->update_info->columns,
                                     action->update_info->expressions, true));
          break;
        case duckdb::MergeActionType::MERGE_INSERT:
          if (action->expressions.empty()) {
            return NotSupported(
                "INSERT of a MERGE must name its values: INSERT (a, b) VALUES (s.a, s.b)");
          }
          SLUICE_RETURN_IF_ERROR(
              Add(Kind::kInsert, action->insert_columns, action->expressions, true));
          break;
        default:
          return NotSupported("a MERGE updates, deletes, inserts, or does nothing");
      }
    }
    return {};
  }

  // Looks the table up, and turns the reference to it into one that shows where rows stand.
  Status Begin(duckdb::TableRef& ref, const duckdb::vector<ExpressionPtr>& returning,
               duckdb::CommonTableExpressionMap& ctes) {
    if (!returning.empty()) return NotSupported("RETURNING is not known here");
    if (ref.type != duckdb::TableReferenceType::BASE_TABLE) {
      return NotSupported("what is changed must be a table");
    }
    auto& table = ref.Cast<duckdb::BaseTableRef>();
    if (table.at_clause || table.sample || !table.column_name_alias.empty()) {
      return NotSupported("the table to change is named alone, or with another name: t AS x");
    }
    node_ = make_uniq<duckdb::SelectNode>();
    node_->cte_map = std::move(ctes);
    alias_ = AliasOf(table);
    RelationName name{.schema = table.schema_name, .name = table.table_name};
    if (!table.catalog_name.empty()) name.schema = table.catalog_name;
    name.arguments[kChangeArgument] = "1";
    table.table_name = NameAt(table.table_name, kChangeArgument, "1");
    table.alias = alias_;

    const auto relations = QueryRelations::Of(context_);
    std::optional<size_t> slot;
    context_.RunFunctionInTransaction([&] { slot = relations->Find(context_, name); });
    if (!slot) {
      diagnosis_.code = "SL2101";
      return Invalid("there is no table {}", relations->missing());
    }
    const BoundRelation& bound = relations->at(*slot);
    for (size_t i = 0; i < bound.names.size(); ++i) {
      if (bound.names[i] != kFileColumn) columns_.push_back({bound.names[i], bound.types[i]});
    }
    return {};
  }

  // Returns the columns of these names; all without any.
  Result<std::vector<Column>> Named(const duckdb::vector<duckdb::string>& names) const {
    if (names.empty()) return columns_;
    std::vector<Column> named;
    for (const auto& name : names) {
      const auto found = std::ranges::find_if(columns_, [&](const Column& column) {
        return duckdb::StringUtil::CIEquals(column.name, name);
      });
      if (found == columns_.end()) {
        diagnosis_.code = "SL2104";
        return Invalid("the table has no column \"{}\"", name);
      }
      if (std::ranges::find(named, found->name, &Column::name) != named.end()) {
        diagnosis_.code = "SL2106";
        return Invalid("column \"{}\" is set twice", name);
      }
      named.push_back(*found);
    }
    return named;
  }

  // Adds the values of an action; `some`: only rows of this action have any.
  Status Add(Kind kind, const duckdb::vector<duckdb::string>& names,
             duckdb::vector<ExpressionPtr>& values, bool some) {
    SLUICE_ASSIGN_OR_RETURN(const auto columns, Named(names));
    if (columns.size() != values.size()) {
      diagnosis_.code = "SL2106";
      return Invalid("{} values are given for {} columns", values.size(), columns.size());
    }
    const auto index = static_cast<int32_t>(plan_.actions.size());
    ChangeAction action{.kind = kind, .columns = {}};
    for (size_t i = 0; i < columns.size(); ++i) {
      if (values[i]->GetExpressionType() == duckdb::ExpressionType::VALUE_DEFAULT) {
        return NotSupported("DEFAULT is no value here: leave the column out");
      }
      auto value = Cast(columns[i].type, std::move(values[i]));
      if (some) {
        auto mine = make_uniq<duckdb::CaseExpression>();
        duckdb::CaseCheck check;
        check.when_expr = make_uniq<duckdb::ComparisonExpression>(
            duckdb::ExpressionType::COMPARE_EQUAL,
            make_uniq<duckdb::ColumnRefExpression>(kActionName),
            Constant(duckdb::Value::INTEGER(index)));
        check.then_expr = std::move(value);
        mine->case_checks.push_back(std::move(check));
        mine->else_expr = Constant(duckdb::Value(columns[i].type));
        value = std::move(mine);
      }
      value->SetAlias(fmt::format("_sluice_{}", node_->select_list.size()));
      node_->select_list.push_back(std::move(value));
      action.columns.push_back(columns[i].name);
    }
    plan_.actions.push_back(std::move(action));
    return {};
  }

  void SelectPlace(ExpressionPtr action) {
    node_->select_list.push_back(make_uniq<duckdb::ColumnRefExpression>(kFileColumn, alias_));
    node_->select_list.push_back(make_uniq<duckdb::ColumnRefExpression>(kRowColumn, alias_));
    action->SetAlias(kActionName);
    node_->select_list.push_back(std::move(action));
  }

  void Join(TableRefPtr table) {
    auto join = make_uniq<duckdb::JoinRef>(duckdb::JoinRefType::CROSS);
    join->left = std::move(node_->from_table);
    join->right = std::move(table);
    node_->from_table = std::move(join);
  }

  // The source with a column that tells its rows from those that an outer join makes up.
  static TableRefPtr Present(TableRefPtr source, const std::string& alias) {
    auto node = make_uniq<duckdb::SelectNode>();
    node->select_list.push_back(make_uniq<duckdb::StarExpression>());
    auto present = Constant(duckdb::Value::BOOLEAN(true));
    present->SetAlias(kSourceColumn);
    node->select_list.push_back(std::move(present));
    node->from_table = std::move(source);
    auto query = make_uniq<duckdb::SelectStatement>();
    query->node = std::move(node);
    return make_uniq<duckdb::SubqueryRef>(std::move(query), alias);
  }

  duckdb::ClientContext& context_;
  Diagnostic& diagnosis_;
  duckdb::unique_ptr<duckdb::SelectNode> node_;
  std::string alias_;  // Of the table.
  std::vector<Column> columns_;
  ChangePlan plan_;
};

}  // namespace

bool HasOtherCount(const duckdb::ErrorData& error) {
  // They are put under rows of the table.
  return error.RawMessage().find("the same number of result columns") != std::string::npos;
}

Result<ChangeQuery> ParseChange(duckdb::ClientContext& context, std::string_view sql,
                                Diagnostic& diagnosis) {
  diagnosis.code = "SL2002";
  SLUICE_ASSIGN_OR_RETURN(const auto statement, ParseOne(context, sql));
  diagnosis.code = "";
  auto change = ChangeWriter(context, diagnosis).Write(*statement);
  if (!change.ok() && diagnosis.code.empty()) {
    if (change.error().code() == ErrorCode::kDenied) diagnosis.code = "SL2003";
    if (change.error().code() == ErrorCode::kUnsupported) diagnosis.code = "SL2209";
  }
  return change;
}

}  // namespace sluice::duck::internal
