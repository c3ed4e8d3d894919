#pragma once
/// \file
/// Events → the text of a schema that takes them: a beginning, for people to go on from.

#include <string>
#include <string_view>

#include "sluice/base/error.h"

namespace sluice::event {

/// Returns the text of a Cap'n Proto schema for `topic` that takes every row of `ndjson`: types by
/// the values seen, RFC 3339 times and UUIDs where all texts are, structs and lists as they nest.
/// Names that Cap'n Proto does not take get `$Sl.name`. The same rows always make the same text,
/// but for the file's id, which is made of the topic's name.
///
/// kInvalid: a line is no JSON object (with its number), a member changes its kind (with its path),
/// or there is no row. Limits: 100,000 rows, 1,000 fields, 16 levels.
Result<std::string> InferSchema(std::string_view ndjson, std::string_view topic);

}  // namespace sluice::event
