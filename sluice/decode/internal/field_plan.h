#pragma once
/// \file
/// The fields of a contract made ready for decoding.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/same_text.h"
#include "sluice/event/field.h"

namespace sluice::decode::internal {

/// A few names, fixed once, found fast when they come in the order in which they are listed.
///
/// Immutable.
class NameTable {
 public:
  NameTable() : NameTable(std::vector<std::string>()) {}
  explicit NameTable(std::vector<std::string> names);

  static constexpr size_t kNone = SIZE_MAX;

  /// The number of `name`, tried first at `expected`; kNone if there is none.
  size_t Find(std::string_view name, size_t expected) const {
    if (expected < names_.size() && SameText(names_[expected], name)) return expected;
    return FindHashed(name);
  }

 private:
  size_t FindHashed(std::string_view name) const;

  std::vector<std::string> names_;
  std::vector<uint32_t> slots_;  // Number + 1, 0 for a free one; a power of two, at most half full.
};

struct FieldPlan;

/// The members of one JSON object.
struct ObjectPlan {
  /// `fields` must outlive the plan.
  explicit ObjectPlan(const std::vector<event::Field>& fields);
  ObjectPlan() = default;

  NameTable names;  ///< Of `fields`, by number.
  std::vector<FieldPlan> fields;
  size_t which = NameTable::kNone;  ///< Number of the kWhich field.
  /// Fields with a default, required fields and alternatives: looked at when the object ends.
  std::vector<size_t> at_end;
};

/// One field.
struct FieldPlan {
  explicit FieldPlan(const event::Field& from);

  const event::Field* field;
  std::string_view name;           ///< In messages; empty for the element of a list.
  NameTable enumerants;            ///< Of a kEnum field.
  ObjectPlan object;               ///< Of a kStruct field.
  std::vector<FieldPlan> element;  ///< Of a kList field: one.
  int64_t cells = 1;               ///< Columns without children that a value fills.
};

}  // namespace sluice::decode::internal
