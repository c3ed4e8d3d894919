#include "sluice/decode/internal/field_plan.h"

#include <bit>
#include <cstring>
#include <utility>

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

ObjectPlan::ObjectPlan(const std::vector<event::Field>& of) {
  std::vector<std::string> member_names;
  for (const event::Field& field : of) {
    fields.emplace_back(field);
    if (field.type == event::FieldType::kWhich) {
      which = member_names.size();
      member_names.emplace_back("\xff");  // No member: the parser lets only UTF-8 through.
      continue;
    }
    if (field.alternative || field.required || !field.default_json.empty()) {
      at_end.push_back(member_names.size());
    }
    member_names.push_back(field.name);
  }
  names = NameTable(std::move(member_names));
}

FieldPlan::FieldPlan(const event::Field& from) : field(&from), name(from.name) {
  switch (from.type) {
    case event::FieldType::kEnum:
      enumerants = NameTable(from.enumerants);
      break;
    case event::FieldType::kStruct:
      object = ObjectPlan(from.children);
      cells = 0;
      for (const FieldPlan& child : object.fields) cells += child.cells;
      break;
    case event::FieldType::kList:
      element.emplace_back(from.children.at(0)).name = {};
      cells += element[0].cells;
      break;
    default:
      break;
  }
}

}  // namespace sluice::decode::internal
