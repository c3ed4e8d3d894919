#include <string>
#include <utility>

#include "sluice/ingest/ingest.h"

namespace sluice::ingest {

event::Contract ErrorsContract() {
  event::Contract contract;
  contract.topic = catalog::kErrorsTopic;
  contract.table = "errors";
  contract.identity.by_producer = false;
  contract.unknown = event::UnknownFields::kIgnore;
  uint32_t id = 0;
  const auto add = [&](std::string column, event::FieldType type) {
    event::Field field;
    field.name = column;
    field.column = std::move(column);
    field.type = type;
    field.id = id++;
    contract.fields.push_back(std::move(field));
  };
  using event::FieldType;
  add("state", FieldType::kText);          // open, fixed, dropped
  add("error_offset", FieldType::kInt64);  // Of fixed and dropped: the open row they close.
  add("topic", FieldType::kText);
  add("code", FieldType::kText);
  add("path", FieldType::kText);
  add("message", FieldType::kText);
  add("row_number", FieldType::kInt64);  // In its body, from 0.
  add("shape", FieldType::kText);        // content, envelope
  add("payload", FieldType::kData);      // Sealed.
  return contract;
}

}  // namespace sluice::ingest
