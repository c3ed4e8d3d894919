#include "sluice/api/internal/answer_text.h"

#include <fmt/format.h>

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

std::string ReceiptJson(const ingest::Receipt& receipt) {
  std::string out =
      fmt::format("{{\"received\":{},\"accepted\":{},\"duplicate\":{},\"error\":{}",
                  receipt.received, receipt.accepted, receipt.duplicate, receipt.error);
  if (receipt.without_identity > 0) {
    out += fmt::format(",\"without_identity\":{}", receipt.without_identity);
  }
  out += NotKeptMember(receipt) + ",\"offsets\":[";
  for (size_t i = 0; i < receipt.offsets.size(); ++i) {
    const ingest::OffsetRange& range = receipt.offsets[i];
    if (i > 0) out += ',';
    out += '{';
    AppendMember(out, "topic", range.topic);
    out += fmt::format(",\"partition\":{},\"first\":{},\"last\":{}}}", range.partition, range.first,
                       range.last);
  }
  out += "],\"errors\":[";
  for (size_t i = 0; i < receipt.errors.size(); ++i) {
    const ingest::RowProblem& problem = receipt.errors[i];
    if (i > 0) out += ',';
    out += fmt::format("{{\"row\":{},", problem.row);
    AppendMember(out, "code", problem.code);
    out += ',';
    AppendMember(out, "path", problem.path);
    out += ',';
    AppendMember(out, "message", problem.message);
    out += '}';
  }
  return out + "]}\n";
}

std::string MediaType(std::string_view header) {
  std::string type(header.substr(0, header.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  for (char& c : type) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return type;
}

}  // namespace sluice::api::internal
