#include "sluice/decode/internal/topic_columns.h"

#include <arrow/type.h>

#include <bit>
#include <utility>

#include "sluice/decode/json_decoder.h"

namespace sluice::decode::internal {

namespace {

uint64_t Load(const char* p, size_t size) {
  uint64_t word = 0;
  std::memcpy(&word, p, size);
  return word;
}

// Needs to be good for a few field names only; whoever sends others ends at a free slot.
uint64_t Hash(std::string_view name) {
  const size_t size = name.size();
  uint64_t word;
  if (size >= 8) {
    word = Load(name.data(), 8) ^ std::rotl(Load(name.data() + size - 8, 8), 29);
  } else if (size >= 4) {
    word = Load(name.data(), 4) | Load(name.data() + size - 4, 4) << 32;
  } else if (size > 0) {
    word = static_cast<uint64_t>(static_cast<uint8_t>(name[0])) |
           static_cast<uint64_t>(static_cast<uint8_t>(name[size / 2])) << 8 |
           static_cast<uint64_t>(static_cast<uint8_t>(name[size - 1])) << 16;
  } else {
    word = 0;
  }
  word = (word ^ size) * 0x9E3779B97F4A7C15u;
  return word ^ word >> 32;
}

Column ColumnFor(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::BOOL:
      return Column(Column::Layout::kBits, 1);
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return Column(Column::Layout::kText, 0);
    default:
      return Column(Column::Layout::kFixed, static_cast<size_t>(type.byte_width()));
  }
}

}  // namespace

NameTable::NameTable(std::vector<std::string> names) : names_(std::move(names)) {
  slots_.resize(std::bit_ceil(names_.size() * 2 + 1));
  for (size_t i = 0; i < names_.size(); ++i) {
    size_t slot = Hash(names_[i]);
    while (slots_[slot & (slots_.size() - 1)] != 0) ++slot;
    slots_[slot & (slots_.size() - 1)] = static_cast<uint32_t>(i + 1);
  }
}

size_t NameTable::FindHashed(std::string_view name) const {
  for (size_t slot = Hash(name);; ++slot) {
    const uint32_t number = slots_[slot & (slots_.size() - 1)];
    if (number == 0) return kNone;
    if (names_[number - 1] == name) return number - 1;
  }
}

TopicColumns::TopicColumns(std::shared_ptr<const event::Contract> contract)
    : contract_(std::move(contract)), schema_(FrameSchema(*contract_)) {
  std::vector<std::string> names;
  for (const event::Field& field : contract_->fields) {
    names.push_back(field.name);
    enumerants_.emplace_back(field.enumerants);
  }
  names_ = NameTable(std::move(names));
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
