#include "sluice/ingest/audit_log.h"

#include <future>
#include <utility>

#include "sluice/base/json.h"
#include "sluice/decode/padded_text.h"

namespace sluice::ingest {
namespace {

constexpr size_t kTextMax = 1'000;

std::string ToJson(const AuditRecord& record) {
  std::string json;
  for (const auto& [name, text] :
       {std::pair<std::string_view, const std::string&>{"principal", record.principal},
        {"action", record.action},
        {"object", record.object},
        {"outcome", record.outcome},
        {"reason", record.reason}}) {
    json += json.empty() ? '{' : ',';
    AppendJsonString(json, name);
    json += ':';
    AppendJsonString(json, std::string_view(text).substr(0, kTextMax));
  }
  return json + '}';
}

}  // namespace

event::Contract AuditContract() {
  event::Contract contract;
  contract.topic = kAuditTopic;
  contract.table = "audit";
  contract.identity.by_producer = false;
  contract.unknown = event::UnknownFields::kError;
  uint32_t id = 0;
  for (const std::string_view name : {"principal", "action", "object", "outcome", "reason"}) {
    event::Field field;
    field.name = field.column = name;
    field.type = event::FieldType::kText;
    field.id = id++;
    contract.fields.push_back(std::move(field));
  }
  return contract;
}

Status AuditLog::Record(const AuditRecord& record) {
  {
    const std::lock_guard lock(mutex_);
    if (!known_) SLUICE_RETURN_IF_ERROR(ingest_.Register(AuditContract()).status(), "audit");
    known_ = true;
  }
  const decode::PaddedText body(ToJson(record));
  Submission submission;
  submission.body = body.view();
  submission.topic = kAuditTopic;
  submission.shape = decode::Shape::kContent;
  submission.system = true;
  std::promise<Result<Receipt>> promise;
  ingest_.Submit(submission,
                 [&](Result<Receipt> receipt) { promise.set_value(std::move(receipt)); });
  SLUICE_ASSIGN_OR_RETURN(const Receipt receipt, promise.get_future().get(), "audit");
  if (receipt.accepted != 1) return Internal("the audit row was not accepted");
  return {};
}

}  // namespace sluice::ingest
