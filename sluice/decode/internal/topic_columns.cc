#include "sluice/decode/internal/topic_columns.h"

#include <arrow/type.h>

#include <utility>

#include "sluice/decode/json_decoder.h"

namespace sluice::decode::internal {

namespace {

Column ColumnFor(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return Column(Column::Layout::kBits, 1);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return Column(Column::Layout::kText, 0);
    case arrow::Type::STRUCT:
    case arrow::Type::LIST: {
      std::vector<Column> children;
      for (const auto& child : type.fields()) children.push_back(ColumnFor(*child->type()));
      return Column(
          type.id() == arrow::Type::LIST ? Column::Layout::kList : Column::Layout::kStruct,
          std::move(children));
    }
    default:
      return Column(Column::Layout::kFixed, static_cast<size_t>(type.byte_width()));
  }
}

}  // namespace

Column ScalarColumn(const event::Field& field) { return ColumnFor(*ArrowType(field)); }

TopicColumns::TopicColumns(std::shared_ptr<const event::Contract> contract)
    : contract_(std::move(contract)), schema_(FrameSchema(*contract_)), plan_(contract_->fields) {
  for (const auto& field : schema_->fields()) columns_.push_back(ColumnFor(*field->type()));
}

void TopicColumns::DiscardRow() {
  for (Column& column : columns_) column.Unset(rows_);
}

void TopicColumns::Clear() {
  for (Column& column : columns_) column.Clear();
  rows_ = 0;
}

size_t TopicColumns::MemoryBytes() const {
  size_t bytes = 0;
  for (const Column& column : columns_) bytes += column.MemoryBytes();
  return bytes;
}

Result<columnar::Batch> TopicColumns::MakeBatch(BatchMaker& maker) {
  std::vector<Column*> columns;
  for (Column& column : columns_) columns.push_back(&column);
  return maker.Make(schema_, columns, rows_);
}

}  // namespace sluice::decode::internal
