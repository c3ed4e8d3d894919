#pragma once
/// \file
/// A column of values → the column of their keyed hashes.

#include <arrow/type_fwd.h>

#include <memory>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/event/privacy_rule.h"
#include "sluice/privacy/internal/hmac.h"

namespace sluice::privacy::internal {

/// `prefix` and the base64url of each value's HMAC; null stays null.
/// kInvalid: more than 2 GiB of text.
Result<std::shared_ptr<arrow::Array>> HashColumn(const arrow::Array& values,
                                                 const event::PrivacyRule& rule,
                                                 const HmacSha256& hmac, std::string_view prefix);

}  // namespace sluice::privacy::internal
