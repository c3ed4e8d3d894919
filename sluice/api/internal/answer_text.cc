#include "sluice/api/internal/answer_text.h"

#include <fmt/format.h>

#include "sluice/api/internal/text.h"
#include "sluice/base/json.h"

namespace sluice::api::internal {

void AppendMember(std::string& out, std::string_view name, std::string_view text) {
  AppendJsonString(out, name);
  out += ':';
  AppendJsonString(out, text);
}

std::string NotKeptMember(const ingest::Receipt& receipt) {
  if (receipt.events_not_kept == 0) return {};
  return fmt::format(",\"events_not_kept\":{}", receipt.events_not_kept);
}

// Each event that comes alone has one: put together without format strings.
std::string ReceiptJson(const ingest::Receipt& receipt) {
  std::string out;
  out.reserve(256);
  const auto number = [&out](std::string_view name, int64_t value) {
    out += name;
    AppendNumber(out, value);
  };
  number("{\"received\":", receipt.received);
  number(",\"accepted\":", receipt.accepted);
  number(",\"duplicate\":", receipt.duplicate);
  number(",\"error\":", receipt.error);
  if (receipt.without_identity > 0) number(",\"without_identity\":", receipt.without_identity);
  out += NotKeptMember(receipt);
  out += ",\"offsets\":[";
  for (size_t i = 0; i < receipt.offsets.size(); ++i) {
    const ingest::OffsetRange& range = receipt.offsets[i];
    if (i > 0) out += ',';
    out += '{';
    AppendMember(out, "topic", range.topic);
    number(",\"partition\":", range.partition);
    number(",\"first\":", range.first);
    number(",\"last\":", range.last);
    out += '}';
  }
  out += "],\"errors\":[";
  for (size_t i = 0; i < receipt.errors.size(); ++i) {
    const ingest::RowProblem& problem = receipt.errors[i];
    if (i > 0) out += ',';
    number("{\"row\":", problem.row);
    out += ',';
    AppendMember(out, "code", problem.code);
    out += ',';
    AppendMember(out, "path", problem.path);
    out += ',';
    AppendMember(out, "message", problem.message);
    out += '}';
  }
  out += "]}\n";
  return out;
}

}  // namespace sluice::api::internal
