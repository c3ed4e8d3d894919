// Ingest: the identities that an event may have, for who asks what became of it.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sluice/base/check.h"
#include "sluice/base/json.h"
#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/topic_state.h"

namespace sluice::ingest {

Result<std::vector<std::string>> Ingest::IdentitiesOf(std::string_view topic,
                                                      std::string_view event_id) {
  std::vector<std::shared_ptr<const event::Contract>> contracts;
  for (const catalog::Topic& known : Topics()) {
    if (known.contract->topic == topic) contracts.push_back(known.contract);
  }
  if (contracts.empty()) return NotFound("there is no topic '{}'", topic);
  const event::Contract& contract = *contracts.front();
  std::vector<std::string> identities;
  // Read as the door would: then it is the same identity, whatever the field's type.
  const auto add = [&](std::string body, decode::Shape shape) {
    const size_t size = body.size();
    body.resize(size + decode::JsonDecoder::kPaddingBytes);
    Submission submission;
    submission.body = std::string_view(body).substr(0, size);
    submission.framing = decode::Framing::kJson;
    submission.shape = shape;
    submission.topic = topic;
    std::string id = ReplayIdentity(submission);
    if (id.find_first_not_of('\0') == std::string::npos) return;
    if (std::ranges::find(identities, id) == identities.end()) identities.push_back(std::move(id));
  };
  std::string text;
  AppendJsonString(text, event_id);
  if (contract.identity.id_field) {
    std::string name;
    AppendJsonString(name, contract.fields[*contract.identity.id_field].name);
    add(fmt::format("{{{}:{}}}", name, text), decode::Shape::kContent);
    const bool is_number = !event_id.empty() && event_id.size() < 20 &&
                           event_id.find_first_not_of("0123456789-") == std::string_view::npos;
    if (is_number) add(fmt::format("{{{}:{}}}", name, event_id), decode::Shape::kContent);
  }
  std::string quoted_topic;
  AppendJsonString(quoted_topic, topic);
  add(fmt::format(R"({{"topic":{},"event_id":{},"content":{{}}}})", quoted_topic, text),
      decode::Shape::kEnvelope);
  return identities;
}

std::optional<Dedupe::Slice> Ingest::ReceivedWithin(std::string_view topic,
                                                    std::span<const std::string> identities) const {
  const auto state = Find(topic);
  if (state == nullptr) return std::nullopt;
  std::optional<Dedupe::Slice> all;
  const std::lock_guard lock(state->seen->mutex);
  for (const std::string& identity : identities) {
    privacy::Hash128 id;
    SLUICE_CHECK(identity.size() == sizeof(id));
    std::memcpy(&id, identity.data(), sizeof(id));
    const auto slice = state->seen->dedupe.ReceivedWithin(id);
    if (!slice) continue;
    if (!all) all = slice;
    all->first = std::min(all->first, slice->first);
    all->last = std::max(all->last, slice->last);
  }
  return all;
}

}  // namespace sluice::ingest
