#pragma once
/// \file
/// A contract's fields in a line, for the expectations of tests.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "sluice/event/contract.h"

namespace sluice::event::internal {

/// `id:Uuid! items:List(element:Struct(sku:Text)) note:Text="-"`: `!` is required, `?` an
/// alternative of a union, behind `=` the default.
inline std::string Outline(const std::vector<Field>& fields) {
  std::string text;
  for (const Field& field : fields) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", field.column, ToString(field.type));
    if (field.alternative) text += '?';
    if (field.required) text += '!';
    if (!field.default_json.empty()) text += "=" + field.default_json;
    if (!field.children.empty()) text += "(" + Outline(field.children) + ")";
  }
  return text;
}

}  // namespace sluice::event::internal
