// RowDecoder: the envelope around the content.

#include <array>
#include <utility>

#include "sluice/decode/internal/row_decoder.h"

namespace sluice::decode::internal {

namespace {

// In the order in which senders mostly write them.
enum EnvelopeName : size_t {
  kEventName,
  kSequenceName,
  kMetadataName,
  kContentName,
  kTopicName,
  kEventIdName,
  kProducerName,
  kEpochName,
  kIdName,
  kDataName,
};

const NameTable& EnvelopeNames() {
  static const NameTable names({"event", "sequence", "metadata", "content", "topic", "event_id",
                                "producer", "epoch", "id", "data"});
  return names;
}

enum MetadataName : size_t { kPublishedName, kDomainName, kEntityName, kNameName };

const NameTable& MetadataNames() {
  static const NameTable names({"published", "domain", "entity", "name"});
  return names;
}

bool IsNull(simdjson::ondemand::value& value) { return TrimEnd(value.raw_json_token()) == "null"; }

}  // namespace

bool RowDecoder::ReadText(Value& value, std::string_view path,
                          std::optional<std::string_view>& out) {
  std::string_view text;
  if (!value.get_string().get(text)) {
    out = text;
    return true;
  }
  return IsNull(value) || Fail(codes::kBadEnvelope, path, "expected a string");
}

bool RowDecoder::ReadInteger(Value& value, std::string_view path, std::optional<int64_t>& out) {
  int64_t number;
  if (!value.get_int64().get(number)) {
    out = number;
    return true;
  }
  return IsNull(value) || Fail(codes::kBadEnvelope, path, "expected an integer of 64 bits");
}

bool RowDecoder::DecodeEnvelope(Object& object) {
  envelope_ = {};
  size_t expected = 0;
  for (auto result : object) {
    if (result.error()) return Suspect();
    Member& member = result.value_unsafe();
    Name name;
    if (!ReadName(member, EnvelopeNames(), expected, name)) return false;
    if (const size_t which = name.index; which != NameTable::kNone) {
      expected = which + 1;
      if (envelope_.seen & 1u << which) {
        return Fail(codes::kRepeatedKey, name.text, "the name stands twice in its object");
      }
      envelope_.seen |= 1u << which;
      if (!DecodeEnvelopeMember(which, name.text, member.value())) return false;
      continue;
    }
    std::string_view json;
    if (!NoteUnknownName("", name.text) || !ReadJson(member.value(), 1, json)) return false;
    envelope_.unknown.append(envelope_.unknown.empty() ? "\"" : ",\"")
        .append(name.written)
        .append("\":");
    envelope_.unknown.append(json);
  }
  return FinishEnvelope();
}

bool RowDecoder::DecodeEnvelopeMember(size_t which, std::string_view name, Value& value) {
  switch (which) {
    case kEventName:
    case kTopicName: {
      std::optional<std::string_view> topic;
      if (!ReadText(value, name, topic)) return false;
      if (!topic) return true;
      if (!envelope_.topic.empty() && envelope_.topic != *topic) {
        return Fail(codes::kBadEnvelope, name, "event and topic name two topics");
      }
      envelope_.topic = *topic;
      return true;
    }
    case kSequenceName:
      return ReadInteger(value, name, envelope_.sequence);
    case kEpochName:
      return ReadInteger(value, name, envelope_.epoch);
    case kEventIdName:
      return ReadText(value, name, envelope_.event_id);
    case kProducerName:
      return ReadText(value, name, envelope_.producer);
    case kMetadataName:
      return DecodeMetadata(value);
    case kIdName:
      return ReadJson(value, 1, envelope_.id);
    case kDataName:
      return ReadJson(value, 1, envelope_.data);
    default:
      break;
  }
  Object content;
  if (value.get_object().get(content)) {
    return Fail(codes::kBadEnvelope, "content", "expected an object");
  }
  if (envelope_.topic.empty()) {
    if (content.raw_json().get(envelope_.content)) return Suspect();
    envelope_.content = TrimEnd(envelope_.content);
    return true;
  }
  if (!UseTopic(envelope_.topic, "event")) return false;
  envelope_.decoded = true;
  std::vector<std::string_view> outer;
  outer.swap(unknown_names_);
  const bool decoded =
      rows_->contract().schemaless ? DecodeSchemaless(content) : DecodeContent(content);
  if (!decoded || !CheckUnknownNames("content.")) return false;
  outer.swap(unknown_names_);
  return true;
}

bool RowDecoder::DecodeMetadata(Value& value) {
  Object metadata;
  const std::string_view token = value.raw_json_token();
  if (value.get_object().get(metadata)) {
    return IsNull(value) || Fail(codes::kBadEnvelope, "metadata", "expected an object");
  }
  std::vector<std::string_view> outer;
  outer.swap(unknown_names_);
  uint32_t seen = 0;
  size_t expected = 0;
  std::optional<std::string_view> published;
  for (auto result : metadata) {
    if (result.error()) return Suspect();
    Member& member = result.value_unsafe();
    Name name;
    if (!ReadName(member, MetadataNames(), expected, name)) return false;
    const size_t which = name.index;
    if (which == NameTable::kNone) {
      std::string_view unused;
      if (!NoteUnknownName("metadata.", name.text) || !ReadJson(member.value(), 2, unused))
        return false;
      continue;
    }
    expected = which + 1;
    const std::string path = std::string("metadata.").append(name.text);
    if (seen & 1u << which)
      return Fail(codes::kRepeatedKey, path, "the name stands twice in its object");
    seen |= 1u << which;
    const std::array<std::optional<std::string_view>*, 4> targets = {
        &published, &envelope_.domain, &envelope_.entity, &envelope_.name};
    if (!ReadText(member.value(), path, *targets.at(which))) return false;
  }
  if (!CheckUnknownNames("metadata.")) return false;
  outer.swap(unknown_names_);
  if (published) {
    envelope_.published = times_.Read(*published);
    if (!envelope_.published) {
      return Fail(codes::kBadTime, "metadata.published", "expected an RFC 3339 time with zone");
    }
  }
  const char* behind = nullptr;
  if (value.current_location().get(behind)) return Suspect();
  envelope_.metadata = TrimEnd({token.data(), static_cast<size_t>(behind - token.data())});
  return true;
}

bool RowDecoder::DecodeLateContent() {
  Object content;
  if (!Iterate(content_parser_, envelope_.content, content_document_) ||
      content_document_.get_object().get(content)) {
    return Suspect();
  }
  std::vector<std::string_view> outer;
  outer.swap(unknown_names_);
  const bool decoded =
      rows_->contract().schemaless ? DecodeSchemaless(content) : DecodeContent(content);
  if (!decoded || !CheckUnknownNames("content.")) return false;
  outer.swap(unknown_names_);
  return content_document_.at_end() || Suspect();
}

// A row {topic, id, data} without content: what clients of topics without a schema send.
bool RowDecoder::DecodeLooseSchemaless() {
  const auto text = [this](std::string_view json, Column& column) {
    std::string_view out;
    if (!Iterate(content_parser_, json, content_document_) ||
        content_document_.get_string().get(out)) {
      return Suspect();
    }
    column.SetText(row_, out);
    return true;
  };
  if (!envelope_.id.empty() && envelope_.id != "null") {
    if (envelope_.id[0] != '"') return Fail(codes::kWrongType, "id", "expected Text");
    if (!text(envelope_.id, rows_->field(0))) return false;
  }
  if (!envelope_.data.empty() && envelope_.data != "null") {
    if (envelope_.data[0] != '"') {
      rows_->field(1).SetText(row_, envelope_.data);
    } else if (!text(envelope_.data, rows_->field(1))) {
      return false;
    }
  }
  envelope_.id = envelope_.data = {};
  return true;
}

bool RowDecoder::FinishEnvelope() {
  if (!CheckUnknownNames("")) return false;
  if (envelope_.topic.empty()) {
    return Fail(codes::kNoTopic, "", "neither event nor topic names a topic");
  }
  if (!envelope_.decoded) {
    if (!UseTopic(envelope_.topic, "event")) return false;
    const bool loose = rows_->contract().schemaless && (envelope_.seen & 1u << kContentName) == 0;
    if (envelope_.content.empty() && !loose) {
      return Fail(codes::kBadEnvelope, "content", "expected an object, found nothing");
    }
    if (!(loose ? DecodeLooseSchemaless() : DecodeLateContent())) return false;
  }

  // What is left over belongs to nobody: handled as unknown fields are, beside the content's own.
  for (const auto& [name, json] :
       {std::pair<std::string_view, std::string_view>{"id", envelope_.id},
        {"data", envelope_.data}}) {
    if (json.empty()) continue;
    envelope_.unknown.append(envelope_.unknown.empty() ? "\"" : ",\"").append(name).append("\":");
    envelope_.unknown.append(json);
  }
  if (!envelope_.unknown.empty()) {
    if (rows_->contract().unknown == event::UnknownFields::kError) {
      return Fail(codes::kUnknownField, "", "the envelope has a member that is not known");
    }
    if (rows_->contract().unknown == event::UnknownFields::kKeep) {
      extra_.append(extra_.empty() ? "" : ",").append("\"$envelope\":{");
      extra_.append(envelope_.unknown).append("}");
    }
  }

  if (!has_event_time_ && envelope_.published) {
    event_time_ = *envelope_.published;
    has_event_time_ = true;
    if (!CheckTime(event_time_, "metadata.published")) return false;
  }
  const auto set_text = [this](EnvelopeColumn which, const std::optional<std::string_view>& text) {
    if (text) rows_->envelope(which).SetText(row_, *text);
  };
  const auto set_integer = [this](EnvelopeColumn which, const std::optional<int64_t>& number) {
    if (number) rows_->envelope(which).Set(row_, *number);
  };
  set_integer(kPublishedAt, envelope_.published);
  set_text(kProducer, envelope_.producer);
  set_integer(kEpoch, envelope_.epoch);
  set_integer(kSequence, envelope_.sequence);
  set_text(kDomain, envelope_.domain);
  set_text(kEntity, envelope_.entity);
  set_text(kName, envelope_.name);
  if (!envelope_.metadata.empty()) rows_->envelope(kMetadata).SetText(row_, envelope_.metadata);
  set_text(kEventId, envelope_.event_id);
  return FinishContent();
}

}  // namespace sluice::decode::internal
