#pragma once
/// \file
/// Coarser values: the beginning of a month, the bin of a number, the network of an address.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/event/privacy_rule.h"

namespace sluice::privacy::internal {

/// Appends the coarser form of a text to `out`; false: it is no time or address. A date
/// (`1990-05-17`) stays a date, a time becomes RFC 3339 in UTC.
bool AppendGeneral(const event::Generalisation& to, std::string_view value, std::string& out);

/// Of a column of a number type, or of text; `failed` hears the rows that have none, which become
/// null.
Result<std::shared_ptr<arrow::Array>> Generalise(const event::Generalisation& to,
                                                 const arrow::Array& values,
                                                 const std::function<void(int64_t row)>& failed);

/// Appends `value` with '*' for all but its last `keep` characters (UTF-8). What is not longer than
/// `keep` has only '*'.
void AppendMasked(std::string_view value, size_t keep, std::string& out);

}  // namespace sluice::privacy::internal
