// Ingest: what would become of an event, without keeping it.

#include <cstring>
#include <set>

#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/topic_state.h"

namespace sluice::ingest {
namespace {

constexpr size_t kTriedMax = 200'000;  // Beyond, equal ones among those that are tried count each.

std::string KeyOf(std::string_view topic, const privacy::Hash128& id) {
  std::string key(topic);
  key += '\0';
  key.append(reinterpret_cast<const char*>(&id), sizeof(id));
  return key;
}

}  // namespace

Result<Receipt> Ingest::Try(const Submission& submission, Tried& tried) {
  const decode::ContractLookup contract_of =
      [&](std::string_view name) -> std::shared_ptr<const event::Contract> {
    if (name.starts_with(catalog::kSystemPrefix)) return nullptr;
    const auto state = Find(name);
    return state ? state->topic.contract : nullptr;
  };
  auto decoders = TakeDecoders();
  auto decoded =
      decoders->json.Decode(submission.body, submission.framing, submission.shape, submission.topic,
                            contract_of, expiry_.Stamp(), options_.limits);
  ReturnDecoders(std::move(decoders));
  if (!decoded.ok()) return std::move(decoded).error();
  if (decoded->received != 1) return Invalid("expected one event, found {}", decoded->received);
  Receipt receipt;
  receipt.received = 1;
  receipt.durable = false;
  for (const decode::TopicRows& rows : decoded->topics) {
    const auto state = Find(rows.contract->topic);
    if (state == nullptr) return Unavailable("topic '{}' was just deleted", rows.contract->topic);
    SLUICE_ASSIGN_OR_RETURN(const auto ids,
                            internal::IdentifyRows(*rows.contract, rows.batch, rows.rows,
                                                   IdentityOf(submission), keys_, options_.tenant));
    SLUICE_ASSIGN_OR_RETURN(const privacy::ProtectedRows stored,
                            state->protector->Protect(rows.batch, expiry_.Stamp()));
    if (!stored.problems.empty()) {
      ++receipt.error;
      continue;
    }
    SLUICE_ASSIGN_OR_RETURN(const auto contents,
                            state->protector->ContentHashes(stored, state->content_columns));
    for (size_t i = 0; i < ids.size(); ++i) {
      auto verdict = Dedupe::Verdict::kNew;
      if (ids[i] != internal::kNoIdentity) {
        const std::string key = KeyOf(rows.contract->topic, ids[i]);
        if (const auto before = tried.find(key); before != tried.end()) {
          verdict = before->second == contents[i] ? Dedupe::Verdict::kDuplicate
                                                  : Dedupe::Verdict::kOtherContent;
        } else {
          const std::lock_guard lock(state->seen->mutex);
          verdict = state->seen->dedupe.Look(ids[i], contents[i]);
        }
        if (verdict == Dedupe::Verdict::kNew && tried.size() < kTriedMax) tried[key] = contents[i];
      }
      ++(verdict == Dedupe::Verdict::kNew         ? receipt.accepted
         : verdict == Dedupe::Verdict::kDuplicate ? receipt.duplicate
                                                  : receipt.error);
    }
  }
  receipt.error += static_cast<int64_t>(decoded->errors.size());
  return receipt;
}

}  // namespace sluice::ingest
