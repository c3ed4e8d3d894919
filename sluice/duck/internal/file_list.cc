#include "sluice/duck/internal/file_list.h"

#include "duckdb/planner/expression/bound_between_expression.hpp"
#include "duckdb/planner/expression/bound_columnref_expression.hpp"
#include "duckdb/planner/expression/bound_comparison_expression.hpp"
#include "duckdb/planner/expression/bound_conjunction_expression.hpp"
#include "duckdb/planner/expression/bound_constant_expression.hpp"
#include "duckdb/planner/expression/bound_operator_expression.hpp"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>

#include <cmath>
#include <numeric>
#include <optional>
#include <string_view>

namespace sluice::duck::internal {

namespace {

using duckdb::Expression;
using duckdb::ExpressionClass;
using duckdb::ExpressionType;

constexpr const char* kRowOption = "sluice_row";

const arrow::StringArray& Paths(const arrow::RecordBatch& index) {
  return static_cast<const arrow::StringArray&>(*index.GetColumnByName("path"));
}

/// For each file of a list: may it have a row for which a condition holds? What is not understood
/// may hold anywhere.
class Pruner {
 public:
  using Answer = std::vector<bool>;

  Pruner(const BoundRelation& bound, const std::vector<int64_t>& rows,
         const duckdb::MultiFilePushdownInfo& info)
      : bound_(bound), rows_(rows), info_(info) {}

  Answer MayHold(const Expression& condition) const {
    switch (condition.GetExpressionClass()) {
      case ExpressionClass::BOUND_CONJUNCTION: {
        const auto& parts = condition.Cast<duckdb::BoundConjunctionExpression>();
        const bool all = condition.GetExpressionType() == ExpressionType::CONJUNCTION_AND;
        Answer answer(rows_.size(), all);
        for (const auto& part : parts.children) Merge(answer, MayHold(*part), all);
        return answer;
      }
      case ExpressionClass::BOUND_COMPARISON: {
        const auto& comparison = condition.Cast<duckdb::BoundComparisonExpression>();
        if (comparison.left->GetExpressionClass() == ExpressionClass::BOUND_CONSTANT) {
          return MayCompare(*comparison.right,
                            duckdb::FlipComparisonExpression(comparison.GetExpressionType()),
                            *comparison.left);
        }
        return MayCompare(*comparison.left, comparison.GetExpressionType(), *comparison.right);
      }
      case ExpressionClass::BOUND_BETWEEN: {
        const auto& between = condition.Cast<duckdb::BoundBetweenExpression>();
        Answer answer = MayCompare(*between.input, ExpressionType::COMPARE_GREATERTHANOREQUALTO,
                                   *between.lower);
        Merge(answer,
              MayCompare(*between.input, ExpressionType::COMPARE_LESSTHANOREQUALTO, *between.upper),
              true);
        return answer;
      }
      case ExpressionClass::BOUND_OPERATOR: {
        if (condition.GetExpressionType() != ExpressionType::COMPARE_IN) break;
        const auto& in = condition.Cast<duckdb::BoundOperatorExpression>();
        Answer answer(rows_.size(), false);
        for (size_t i = 1; i < in.children.size(); ++i) {
          Merge(answer, MayCompare(*in.children[0], ExpressionType::COMPARE_EQUAL, *in.children[i]),
                false);
        }
        return answer;
      }
      default:
        break;
    }
    return Answer(rows_.size(), true);
  }

  static void Merge(Answer& into, const Answer& other, bool all) {
    for (size_t i = 0; i < into.size(); ++i) {
      into[i] = all ? into[i] && other[i] : into[i] || other[i];
    }
  }

 private:
  Answer MayCompare(const Expression& column, ExpressionType comparison,
                    const Expression& constant) const {
    Answer answer(rows_.size(), true);
    if (column.GetExpressionClass() != ExpressionClass::BOUND_COLUMN_REF ||
        constant.GetExpressionClass() != ExpressionClass::BOUND_CONSTANT) {
      return answer;
    }
    const auto& binding = column.Cast<duckdb::BoundColumnRefExpression>().binding;
    const duckdb::Value& value = constant.Cast<duckdb::BoundConstantExpression>().value;
    if (binding.table_index != info_.table_index ||
        binding.column_index >= info_.column_ids.size() || value.IsNull()) {
      return answer;
    }
    const duckdb::column_t id = info_.column_ids[binding.column_index];
    if (id >= bound_.names.size() || value.type() != bound_.types[id]) return answer;
    const auto& index = *bound_.relation.indexed_files;
    const auto least = index.GetColumnByName("min:" + bound_.names[id]);
    const auto most = index.GetColumnByName("max:" + bound_.names[id]);
    if (least == nullptr || most == nullptr || least->type_id() != most->type_id()) return answer;

    switch (value.type().id()) {
      case duckdb::LogicalTypeId::TINYINT:
      case duckdb::LogicalTypeId::SMALLINT:
      case duckdb::LogicalTypeId::INTEGER:
      case duckdb::LogicalTypeId::BIGINT:
        Exclude<arrow::Int64Array>(*least, *most, comparison, value.GetValue<int64_t>(), answer);
        break;
      case duckdb::LogicalTypeId::DATE:
        Exclude<arrow::Int64Array>(*least, *most, comparison,
                                   int64_t{value.GetValue<duckdb::date_t>().days}, answer);
        break;
      case duckdb::LogicalTypeId::TIMESTAMP:
        Exclude<arrow::Int64Array>(*least, *most, comparison,
                                   value.GetValue<duckdb::timestamp_t>().value, answer);
        break;
      case duckdb::LogicalTypeId::TIMESTAMP_TZ:
        Exclude<arrow::Int64Array>(*least, *most, comparison,
                                   value.GetValue<duckdb::timestamp_tz_t>().value, answer);
        break;
      case duckdb::LogicalTypeId::FLOAT:
      case duckdb::LogicalTypeId::DOUBLE: {
        const double number = value.GetValue<double>();
        // NaN counts as the greatest, and bounds do not tell of it.
        if (std::isnan(number) || comparison == ExpressionType::COMPARE_GREATERTHAN ||
            comparison == ExpressionType::COMPARE_GREATERTHANOREQUALTO) {
          break;
        }
        Exclude<arrow::DoubleArray>(*least, *most, comparison, number, answer);
        break;
      }
      case duckdb::LogicalTypeId::VARCHAR:
        Exclude<arrow::StringArray>(*least, *most, comparison,
                                    std::string_view(duckdb::StringValue::Get(value)), answer);
        break;
      default:
        break;
    }
    return answer;
  }

  template <typename Array, typename T>
  void Exclude(const arrow::Array& least, const arrow::Array& most, ExpressionType comparison,
               const T& value, Answer& answer) const {
    constexpr auto kType = Array::TypeClass::type_id;
    if (least.type_id() != kType) return;
    const auto& lows = static_cast<const Array&>(least);
    const auto& highs = static_cast<const Array&>(most);
    for (size_t i = 0; i < rows_.size(); ++i) {
      const int64_t row = rows_[i];
      if (lows.IsNull(row) || highs.IsNull(row)) continue;
      const T low = lows.GetView(row);
      const T high = highs.GetView(row);
      switch (comparison) {
        case ExpressionType::COMPARE_EQUAL:
        case ExpressionType::COMPARE_NOT_DISTINCT_FROM:
          answer[i] = low <= value && value <= high;
          break;
        case ExpressionType::COMPARE_LESSTHAN:
          answer[i] = low < value;
          break;
        case ExpressionType::COMPARE_LESSTHANOREQUALTO:
          answer[i] = low <= value;
          break;
        case ExpressionType::COMPARE_GREATERTHAN:
          answer[i] = high > value;
          break;
        case ExpressionType::COMPARE_GREATERTHANOREQUALTO:
          answer[i] = high >= value;
          break;
        default:
          return;
      }
    }
  }

  const BoundRelation& bound_;
  const std::vector<int64_t>& rows_;
  const duckdb::MultiFilePushdownInfo& info_;
};

}  // namespace

Result<duckdb::shared_ptr<duckdb::MultiFileList>> IndexedFileList::Make(
    const BoundRelation& bound) {
  const arrow::RecordBatch& index = *bound.relation.indexed_files;
  const auto paths = index.GetColumnByName("path");
  if (paths == nullptr || paths->type_id() != arrow::Type::STRING || paths->null_count() > 0) {
    return Invalid("relation '{}': its index of files has no paths", bound.relation.name);
  }
  std::vector<int64_t> rows(static_cast<size_t>(index.num_rows()));
  std::iota(rows.begin(), rows.end(), 0);
  return duckdb::shared_ptr<duckdb::MultiFileList>(
      duckdb::make_shared_ptr<IndexedFileList>(bound, std::move(rows)));
}

std::optional<int64_t> IndexedFileList::KnownRows() const {
  const auto column = bound_.relation.indexed_files->GetColumnByName("rows");
  if (column == nullptr || column->type_id() != arrow::Type::INT64) return std::nullopt;
  const auto& counts = static_cast<const arrow::Int64Array&>(*column);
  int64_t sum = 0;
  for (const int64_t row : rows_) {
    if (counts.IsNull(row) || counts.Value(row) < 0 ||
        __builtin_add_overflow(sum, counts.Value(row), &sum)) {
      return std::nullopt;
    }
  }
  return sum;
}

duckdb::unique_ptr<duckdb::MultiFileList> IndexedFileList::ComplexFilterPushdown(
    duckdb::ClientContext&, const duckdb::MultiFileOptions&, duckdb::MultiFilePushdownInfo& info,
    duckdb::vector<duckdb::unique_ptr<Expression>>& filters) const {
  const Pruner pruner(bound_, rows_, info);
  Pruner::Answer answer(rows_.size(), true);
  for (const auto& filter : filters) Pruner::Merge(answer, pruner.MayHold(*filter), true);
  std::vector<int64_t> left;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (answer[i]) left.push_back(rows_[i]);
  }
  if (left.size() == rows_.size()) return nullptr;
  info.extra_info.total_files = rows_.size();  // What EXPLAIN shows.
  info.extra_info.filtered_files = left.size();
  return duckdb::make_uniq<IndexedFileList>(bound_, std::move(left));
}

duckdb::vector<duckdb::OpenFileInfo> IndexedFileList::GetAllFiles() const {
  duckdb::vector<duckdb::OpenFileInfo> files;
  for (size_t i = 0; i < rows_.size(); ++i) files.push_back(GetFile(i));
  return files;
}

duckdb::FileExpandResult IndexedFileList::GetExpandResult() const {
  if (rows_.empty()) return duckdb::FileExpandResult::NO_FILES;
  return rows_.size() == 1 ? duckdb::FileExpandResult::SINGLE_FILE
                           : duckdb::FileExpandResult::MULTIPLE_FILES;
}

duckdb::unique_ptr<duckdb::MultiFileList> IndexedFileList::Copy() const {
  return duckdb::make_uniq<IndexedFileList>(bound_, rows_);
}

duckdb::OpenFileInfo IndexedFileList::GetFile(duckdb::idx_t i) const {
  if (i >= rows_.size()) return duckdb::OpenFileInfo();
  const int64_t row = rows_[i];
  duckdb::OpenFileInfo file(Paths(*bound_.relation.indexed_files).GetString(row));
  file.extended_info = duckdb::make_shared_ptr<duckdb::ExtendedOpenFileInfo>();
  file.extended_info->options[kRowOption] = duckdb::Value::BIGINT(row);
  if (!DeletedOf(bound_, row).empty()) {
    // DuckDB's own: else it would answer count(*) from the file's metadata.
    file.extended_info->options["has_deletes"] = duckdb::Value::BOOLEAN(true);
  }
  return file;
}

std::optional<int64_t> IndexedFileList::RowOf(const duckdb::OpenFileInfo& file) {
  if (!file.extended_info) return std::nullopt;
  const auto row = file.extended_info->options.find(kRowOption);
  if (row == file.extended_info->options.end()) return std::nullopt;
  return row->second.GetValue<int64_t>();
}

std::string_view IndexedFileList::DeletedOf(const BoundRelation& bound, int64_t row) {
  if (bound.deleted == nullptr || bound.deleted->IsNull(row)) return {};
  return static_cast<const arrow::BinaryArray&>(*bound.deleted).GetView(row);
}

const arrow::Array* ValuesOf(const BoundRelation& bound, size_t column) {
  return bound.values.empty() ? nullptr : bound.values[column].get();
}

bool HasItself(const BoundRelation& bound, size_t column, int64_t row) {
  const arrow::Array* const own = bound.own.empty() ? nullptr : bound.own[column].get();
  return own != nullptr && own->IsValid(row) &&
         static_cast<const arrow::BooleanArray&>(*own).Value(row);
}

}  // namespace sluice::duck::internal
