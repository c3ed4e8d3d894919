// Ingest: the identities that an event may have, for who asks what became of it.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "sluice/base/check.h"
#include "sluice/base/json.h"
#include "sluice/decode/padded_text.h"
#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/topic_state.h"

namespace sluice::ingest {
namespace {

std::string TextOf(const privacy::Hash128& id) {
  return {reinterpret_cast<const char*>(&id), sizeof(id)};
}

/// What an event of a topic goes by before its producer counts.
std::string OwnId(const event::Contract& contract) {
  if (!contract.identity.id_field) return "event_id";
  return fmt::format("field '{}' or event_id", contract.fields[*contract.identity.id_field].name);
}

/// What to ask for in a topic whose events have no such name.
std::string AskFor(const event::Contract& contract) {
  if (contract.identity.by_batch) {
    return fmt::format(
        "rows of topic '{}' that came in a batch go by it alone: ask for them by batch_id and row, "
        "and by client if the request named one",
        contract.topic);
  }
  if (contract.identity.by_producer) {
    return fmt::format(
        "events of topic '{}' go by their {}, else by producer and sequence (and epoch): ask for "
        "them by these",
        contract.topic, OwnId(contract));
  }
  return fmt::format("events of topic '{}' go by their {}: ask for them by event_id",
                     contract.topic, OwnId(contract));
}

}  // namespace

Result<EventIdentities> Ingest::IdentitiesOf(std::string_view topic, const EventName& name) {
  const auto state = Find(topic);
  if (state == nullptr) return NotFound("there is no topic '{}'", topic);
  const event::Contract& contract = state->contract();
  EventIdentities found;
  if (const auto* const batch_row = std::get_if<BatchRow>(&name)) {
    const internal::RequestIdentity request =
        IdentityOf({.client = batch_row->client, .batch_id = batch_row->batch_id});
    found.ids.push_back(TextOf(internal::BatchRowIdentity(contract.topic, request, batch_row->row,
                                                          keys_, options_.tenant)));
    if (!contract.identity.by_batch) found.instead = AskFor(contract);
  } else if (const auto* const produced = std::get_if<ProducerSequence>(&name)) {
    found.ids.push_back(
        TextOf(internal::ProducerIdentity(contract.topic, *produced, keys_, options_.tenant)));
    if (!contract.identity.by_producer) found.instead = AskFor(contract);
    found.unless = fmt::format("it goes by its {}, which it has", OwnId(contract));
  } else {
    found.ids = IdentitiesOfId(contract, std::get<EventId>(name).text);
    if (contract.identity.by_batch) {
      found.instead = AskFor(contract);
    } else if (contract.identity.id_field) {
      found.unless = fmt::format("that is its event_id, and it goes by its field '{}'",
                                 contract.fields[*contract.identity.id_field].name);
    } else if (contract.identity.by_producer) {
      found.unless = "it had no event_id, so goes by its producer and sequence";
    } else {
      found.unless = "it had no event_id, and without one nothing tells its events apart";
    }
  }
  return found;
}

std::vector<std::string> Ingest::IdentitiesOfId(const event::Contract& contract,
                                                std::string_view id) {
  std::vector<std::string> identities;
  const auto add = [&](std::string body, decode::Shape shape) {
    const decode::PaddedText padded(std::move(body));
    Submission submission;
    submission.body = padded.view();
    submission.framing = decode::Framing::kJson;
    submission.shape = shape;
    submission.topic = contract.topic;
    std::string identity = ReplayIdentity(submission);
    if (identity.find_first_not_of('\0') == std::string::npos) return;
    if (std::ranges::find(identities, identity) != identities.end()) return;
    identities.push_back(std::move(identity));
  };
  std::string text;
  AppendJsonString(text, id);
  if (contract.identity.id_field) {
    std::string name;
    AppendJsonString(name, contract.fields[*contract.identity.id_field].name);
    add(fmt::format("{{{}:{}}}", name, text), decode::Shape::kContent);
    const bool is_number = !id.empty() && id.size() < 20 &&
                           id.find_first_not_of("0123456789-") == std::string_view::npos;
    if (is_number) add(fmt::format("{{{}:{}}}", name, id), decode::Shape::kContent);
  }
  std::string quoted_topic;
  AppendJsonString(quoted_topic, contract.topic);
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
