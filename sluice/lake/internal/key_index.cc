#include "sluice/lake/internal/key_index.h"

#include <arrow/api.h>
#include <arrow/compute/api.h>

#include <algorithm>
#include <bit>

#include "sluice/base/ascii.h"
#include "sluice/columnar/arrow_bridge.h"

namespace sluice::lake::internal {

namespace {

using columnar::FromArrow;

// The column of a batch, its name matched without regard to case.
std::shared_ptr<arrow::Array> ColumnOf(const arrow::RecordBatch& rows, const std::string& name) {
  for (int i = 0; i < rows.num_columns(); ++i) {
    if (LowerCase(rows.schema()->field(i)->name()) == LowerCase(name)) return rows.column(i);
  }
  return nullptr;
}

// A value as an expression has it; nothing if it is of another kind.
std::optional<std::string> LiteralOf(const arrow::Scalar& value) {
  switch (value.type->id()) {
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
      return value.ToString();
    case arrow::Type::DATE32:
      return fmt::format("date '{}'", value.ToString());
    case arrow::Type::STRING: {
      std::string text = value.ToString();
      if (text.find_first_of("'\\") != std::string::npos) return std::nullopt;
      return fmt::format("'{}'", text);
    }
    default:
      return std::nullopt;
  }
}

bool HasNull(const arrow::RecordBatch& keys, int64_t row) {
  return std::ranges::any_of(keys.columns(), [row](const auto& key) { return key->IsNull(row); });
}

}  // namespace

Result<KeyIndex> KeyIndex::Of(const arrow::RecordBatch& rows, const std::vector<Key>& keys) {
  SLUICE_RETURN_IF_ERROR(columnar::InitializeCompute());
  if (rows.num_rows() > INT32_MAX) return Unsupported("{} rows in an index", rows.num_rows());
  KeyIndex index;
  arrow::FieldVector fields;
  arrow::ArrayVector columns;
  for (const Key& key : keys) {
    std::shared_ptr<arrow::Array> column = ColumnOf(rows, key.column);
    if (column == nullptr) return Invalid("the source has no column '{}'", key.column);
    if (!column->type()->Equals(*key.field->type())) {
      auto cast = arrow::compute::Cast(*column, key.field->type());
      if (!cast.ok()) {
        return Invalid("column '{}' of the source is {}, which does not become the {} of '{}'",
                       key.column, column->type()->ToString(), key.field->type()->ToString(),
                       key.field->name());
      }
      column = std::move(cast).ValueUnsafe();
    }
    index.names_.push_back(key.field->name());
    fields.push_back(key.field->WithNullable(true));
    columns.push_back(std::move(column));
  }
  index.keys_ =
      arrow::RecordBatch::Make(arrow::schema(std::move(fields)), rows.num_rows(), columns);
  SLUICE_ASSIGN_OR_RETURN(index.hashes_, columnar::HashRows(*index.keys_, index.names_));
  const auto count = static_cast<size_t>(rows.num_rows());
  index.slots_.assign(std::bit_ceil(2 * count + 1), -1);
  index.next_.assign(count, -1);
  for (size_t row = count; row-- > 0;) {  // So that the rows of a slot come in their order.
    if (HasNull(*index.keys_, static_cast<int64_t>(row))) continue;
    int32_t& slot = index.slots_[index.hashes_[row] & (index.slots_.size() - 1)];
    index.next_[row] = slot;
    slot = static_cast<int32_t>(row);
  }
  return index;
}

Status KeyIndex::Match(const arrow::RecordBatch& rows, std::vector<Pair>& pairs) const {
  SLUICE_ASSIGN_OR_RETURN(const auto hashes, columnar::HashRows(rows, names_));
  arrow::ArrayVector columns;
  for (const std::string& name : names_) columns.push_back(rows.GetColumnByName(name));
  for (int64_t row = 0; row < rows.num_rows(); ++row) {
    const uint64_t hash = hashes[static_cast<size_t>(row)];
    for (int32_t found = slots_[hash & (slots_.size() - 1)]; found >= 0;
         found = next_[static_cast<size_t>(found)]) {
      if (hashes_[static_cast<size_t>(found)] != hash) continue;
      bool equal = true;
      for (int i = 0; equal && i < keys_->num_columns(); ++i) {
        const auto& column = *columns[static_cast<size_t>(i)];
        equal = column.IsValid(row) && column.RangeEquals(*keys_->column(i), row, row + 1, found);
      }
      if (equal) pairs.push_back({row, found});
    }
  }
  return {};
}

Result<std::optional<Expression>> KeyIndex::Range() const {
  std::string text;
  for (int i = 0; i < keys_->num_columns(); ++i) {
    const auto bounds = arrow::compute::MinMax(arrow::Datum(keys_->column(i)));
    if (!bounds.ok()) continue;  // Types without an order.
    const auto& both = bounds->scalar_as<arrow::StructScalar>();
    if (!both.value[0]->is_valid) continue;
    const auto low = LiteralOf(*both.value[0]);
    const auto high = LiteralOf(*both.value[1]);
    if (!low || !high) continue;
    const std::string& name = names_[static_cast<size_t>(i)];
    if (!text.empty()) text += " and ";
    text += fmt::format("`{}` >= {} and `{}` <= {}", name, *low, name, *high);
  }
  if (text.empty()) return std::optional<Expression>();
  SLUICE_ASSIGN_OR_RETURN(auto condition, Expression::Parse(text));
  return std::optional<Expression>(std::move(condition));
}

}  // namespace sluice::lake::internal
