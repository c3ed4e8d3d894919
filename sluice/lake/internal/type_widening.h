#pragma once
/// \file
/// Types that can become wider ones, and how the log notes it
/// (protocol: https://github.com/delta-io/delta/blob/master/PROTOCOL.md#type-widening).

#include <string_view>

#include "sluice/lake/internal/schema_tree.h"

namespace sluice::lake::internal {

/// kInvalid: not every value of the type `from` is one of `to`, or Delta does not allow it. Both as
/// the log calls them.
Status CheckWider(std::string_view from, std::string_view to);

/// Notes the change with the field; `inside` is the way from it to the type: `element`, or empty.
/// kCorrupt: what is noted there is no list.
Status NoteTypeChange(SchemaField& field, std::string_view inside, std::string_view from,
                      std::string_view to);

}  // namespace sluice::lake::internal
