#pragma once
/// \file
/// Pieces of answers that several routes write.

#include <string>
#include <string_view>

#include "sluice/ingest/ingest.h"

namespace sluice::api::internal {

/// Appends `"name":"text"`.
void AppendMember(std::string& out, std::string_view name, std::string_view text);

/// Returns what became of a body, as senders get it.
std::string ReceiptJson(const ingest::Receipt& receipt);
/// The member `events_not_kept` with a comma in front; empty if all were.
std::string NotKeptMember(const ingest::Receipt& receipt);

}  // namespace sluice::api::internal
