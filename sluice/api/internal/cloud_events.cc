#include "sluice/api/internal/cloud_events.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "sluice/api/internal/header_elements.h"
#include "sluice/base/ascii.h"
#include "sluice/base/base64.h"
#include "sluice/base/json.h"
#include "sluice/base/utf8.h"

namespace sluice::api::internal {
namespace {

constexpr std::string_view kRequired[] = {"specversion", "id", "source", "type"};
constexpr size_t kAttributesMax = 100;

template <typename... Args>
Error Wrong(fmt::format_string<Args...> format, Args&&... args) {
  return Error(ErrorCode::kInvalid, "SL4006: " + fmt::format(format, std::forward<Args>(args)...));
}

/// An attribute of an event.
struct Attribute {
  std::string name;
  std::string text;  ///< What it says, if it is a text.
  std::string json;  ///< The same as JSON, or another value.
  bool is_text = false;
};

/// One event, in pieces.
struct Event {
  std::vector<Attribute> attributes;
  std::optional<std::string> data;  ///< JSON.

  const Attribute* Find(std::string_view name) const {
    const auto found = std::ranges::find(attributes, name, &Attribute::name);
    return found == attributes.end() ? nullptr : &*found;
  }
};

bool IsAttributeName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
  });
}

bool IsJson(std::string_view text) {
  simdjson::dom::parser parser;
  return parser.parse(simdjson::padded_string(text)).error() == simdjson::SUCCESS;
}

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

/// Whether data of this media type is JSON; of none it is.
bool IsJsonType(std::string_view media_type) {
  const std::string type = MediaType(media_type);
  return type.empty() || type == "application/json" || type == "text/json" ||
         type.ends_with("+json");
}

/// The data of an event whose bytes are these, as JSON.
std::string DataOf(std::string_view bytes, std::string_view media_type) {
  if (IsJsonType(media_type) && IsJson(bytes)) return std::string(bytes);
  return IsUtf8(bytes) ? Quoted(bytes) : Quoted(EncodeBase64(bytes));
}

Status Add(Event& event, std::string_view name, std::string text, std::string json, bool is_text) {
  if (!IsAttributeName(name)) return Wrong("names of attributes have only a-z and 0-9");
  if (event.Find(name) != nullptr) return Wrong("'{}' comes twice", name);
  if (event.attributes.size() == kAttributesMax) {
    return Wrong("there are more than {} attributes", kAttributesMax);
  }
  event.attributes.push_back({std::string(name), std::move(text), std::move(json), is_text});
  return {};
}

/// Appends the event as an envelope.
Status AppendEnvelope(const Event& event, const std::optional<std::string>& topic,
                      std::string& out) {
  for (const std::string_view name : kRequired) {
    const Attribute* const found = event.Find(name);
    if (found == nullptr) return Wrong("'{}' is missing", name);
    if (!found->is_text || found->text.empty()) {
      return Wrong("'{}' must be a text that is not empty", name);
    }
  }
  if (event.Find("specversion")->text != "1.0") return Wrong("'specversion' must be 1.0");
  const std::string& source = event.Find("source")->text;
  if (source.find(' ') != std::string::npos) return Wrong("'source' must be a URI-reference");
  out += "{\"event\":";
  out += topic ? Quoted(*topic) : event.Find("type")->json;
  out += ",\"event_id\":" + Quoted(source + ' ' + event.Find("id")->text) + ",\"metadata\":{";
  bool first = true;
  for (const Attribute& attribute : event.attributes) {
    if (attribute.name == "specversion") continue;
    if (!std::exchange(first, false)) out += ',';
    AppendJsonString(out, attribute.name == "time" ? "published" : attribute.name);
    out += ':';
    out += attribute.json;
  }
  out += '}';
  if (event.data) out += ",\"content\":" + *event.data;
  out += '}';
  return {};
}

Status ReadMember(std::string_view name, simdjson::ondemand::value value, Event& event,
                  std::optional<std::string>& base64) {
  std::string_view raw;
  if (name == "data") {
    if (event.data) return Wrong("'data' comes twice");
    if (value.raw_json().get(raw) != simdjson::SUCCESS) return Wrong("the event is no valid JSON");
    event.data = raw;
    return {};
  }
  simdjson::ondemand::json_type type{};
  if (value.type().get(type) != simdjson::SUCCESS) return Wrong("the event is no valid JSON");
  if (type == simdjson::ondemand::json_type::null) return {};  // As if it were not there.
  std::string_view text;
  if (type == simdjson::ondemand::json_type::string) {
    if (value.get_string().get(text) != simdjson::SUCCESS) {
      return Wrong("the event is no valid JSON");
    }
    if (name == "data_base64") {
      if (base64) return Wrong("'data_base64' comes twice");
      base64 = text;
      return {};
    }
    return Add(event, name, std::string(text), Quoted(text), true);
  }
  bool truth = false;
  int64_t number = 0;
  if (value.get_bool().get(truth) == simdjson::SUCCESS) {
    return Add(event, name, {}, truth ? "true" : "false", false);
  }
  if (value.get_int64().get(number) == simdjson::SUCCESS) {
    return Add(event, name, {}, std::to_string(number), false);
  }
  return Wrong("an attribute must be a text, a whole number, true or false");
}

Result<Event> ReadEvent(simdjson::ondemand::object members) {
  Event event;
  std::optional<std::string> base64;
  for (auto result : members) {
    simdjson::ondemand::field member;
    std::string_view key;
    if (std::move(result).get(member) != simdjson::SUCCESS ||
        member.unescaped_key().get(key) != simdjson::SUCCESS) {
      return Wrong("the event is no valid JSON");
    }
    const std::string name(key);  // Reading the value uses the same room.
    SLUICE_RETURN_IF_ERROR(ReadMember(name, member.value(), event, base64));
  }
  if (base64) {
    if (event.data) return Wrong("there are both 'data' and 'data_base64'");
    const auto bytes = DecodeBase64(*base64);
    if (!bytes.ok()) return Wrong("'data_base64' is no Base64");
    const Attribute* const type = event.Find("datacontenttype");
    event.data = DataOf(*bytes, type == nullptr ? std::string_view() : type->text);
  }
  return event;
}

/// What a header's value says: without quotes, percent-decoded once.
Result<std::string> HeaderText(std::string_view value) {
  std::string text;
  if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) {
    value = value.substr(1, value.size() - 2);
    for (size_t i = 0; i < value.size(); ++i) {
      if (value[i] == '\\' && i + 1 < value.size()) ++i;
      text += value[i];
    }
  } else {
    text = value;
  }
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && HexValue(text[i + 1]) >= 0 &&
                        HexValue(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(HexValue(text[i + 1]) * 16 + HexValue(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  if (!IsUtf8(out)) return Wrong("the value of a ce- header is no UTF-8");
  return out;
}

Result<Event> ReadHeaders(const Request& request, std::string_view body) {
  constexpr std::string_view kPrefix = "ce-";
  Event event;
  for (const auto& [name, value] : request.headers) {
    if (!name.starts_with(kPrefix)) continue;
    const std::string_view attribute = std::string_view(name).substr(kPrefix.size());
    if (attribute == "datacontenttype") {
      return Wrong("'ce-datacontenttype' is what Content-Type is for");
    }
    SLUICE_ASSIGN_OR_RETURN(std::string text, HeaderText(value));
    std::string json = Quoted(text);
    SLUICE_RETURN_IF_ERROR(Add(event, attribute, std::move(text), std::move(json), true));
  }
  const std::string_view type = request.Header("content-type");
  if (!type.empty()) {
    SLUICE_RETURN_IF_ERROR(Add(event, "datacontenttype", std::string(type), Quoted(type), true));
  }
  if (!body.empty()) event.data = DataOf(body, type);
  return event;
}

Result<std::string> FromJson(std::string_view body, bool batch,
                             const std::optional<std::string>& topic) {
  const simdjson::padded_string padded(body);
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS) {
    return Wrong("the body is no valid JSON");
  }
  std::string out;
  const auto add = [&](auto value) -> Status {
    simdjson::ondemand::object members;
    if (value.get_object().get(members) != simdjson::SUCCESS) {
      return Wrong("an event must be an object");
    }
    SLUICE_ASSIGN_OR_RETURN(const Event event, ReadEvent(members));
    return AppendEnvelope(event, topic, out);
  };
  if (!batch) {
    simdjson::ondemand::object members;
    if (document.get_object().get(members) != simdjson::SUCCESS) {
      return Wrong("an event must be an object");
    }
    SLUICE_ASSIGN_OR_RETURN(const Event event, ReadEvent(members));
    SLUICE_RETURN_IF_ERROR(AppendEnvelope(event, topic, out));
    if (!document.at_end()) return Wrong("something follows the event");
    return out;
  }
  simdjson::ondemand::array events;
  if (document.get_array().get(events) != simdjson::SUCCESS) {
    return Wrong("a batch must be an array of events");
  }
  out = "[";
  size_t number = 0;
  for (auto result : events) {
    simdjson::ondemand::value value;
    if (std::move(result).get(value) != simdjson::SUCCESS) {
      return Wrong("the batch is no valid JSON at event {}", number);
    }
    if (number > 0) out += ',';
    if (const Status added = add(value); !added.ok()) {
      constexpr size_t kCode = 8;  // "SL4006: "
      return Wrong("event {}: {}", number, added.error().message().substr(kCode));
    }
    ++number;
  }
  if (!document.at_end()) return Wrong("something follows the batch");
  return out + "]";
}

}  // namespace

CloudEventsMode ModeOf(const Request& request) {
  constexpr std::string_view kBatch = "application/cloudevents-batch";
  constexpr std::string_view kStructured = "application/cloudevents";
  const std::string type = MediaType(request.Header("content-type"));
  for (const auto& [prefix, mode] : {std::pair(kBatch, CloudEventsMode::kBatch),
                                     std::pair(kStructured, CloudEventsMode::kStructured)}) {
    if (!type.starts_with(prefix)) continue;
    return type.substr(prefix.size()) == "+json" ? mode : CloudEventsMode::kUnknown;
  }
  return request.headers.contains("ce-specversion") ? CloudEventsMode::kBinary
                                                    : CloudEventsMode::kNone;
}

Result<std::string> ToEnvelopes(const Request& request, CloudEventsMode mode, std::string_view body,
                                const std::optional<std::string>& topic) {
  if (mode != CloudEventsMode::kBinary) {
    return FromJson(body, mode == CloudEventsMode::kBatch, topic);
  }
  SLUICE_ASSIGN_OR_RETURN(const Event event, ReadHeaders(request, body));
  std::string out;
  SLUICE_RETURN_IF_ERROR(AppendEnvelope(event, topic, out));
  return out;
}

}  // namespace sluice::api::internal
