#pragma once
/// \file
/// The rules that stored columns were made under, as their metadata tells.

#include <arrow/type_fwd.h>

#include <array>
#include <string>
#include <string_view>

#include "sluice/event/contract.h"

namespace sluice::privacy::internal {

/// Columns of a sensitive topic that hold what no field describes.
inline constexpr std::array<std::string_view, 2> kSealedColumns = {"_extra", "_metadata"};
inline constexpr std::string_view kSealedRule = "seal";

/// The field's rule with its group spelled out: what must be the same for values to join.
std::string RuleText(const event::Contract& contract, const event::FieldPath& path);

/// The rule that a stored column, or field in one, was made under; empty if it is clear.
std::string MadeUnder(const arrow::Field& field);
/// The action of such a text, and the group that it names (empty if none).
event::PrivacyAction ActionOf(std::string_view rule_text);
std::string_view GroupOf(std::string_view rule_text);

}  // namespace sluice::privacy::internal
