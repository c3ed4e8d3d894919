#include "sluice/event/internal/json_tree.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

namespace sluice::event::internal {

namespace {

namespace ondemand = simdjson::ondemand;

constexpr int kNestedMax = 64;

class Reader {
 public:
  Reader(const simdjson::padded_string& text, Problems& problems)
      : text_(text), problems_(problems) {}

  bool Read(JsonNode& into) {
    // Beyond a nesting that the parser can take it says so; ours ends before.
    ondemand::parser parser;
    ondemand::document document;
    if (!Ok(parser.iterate(text_).get(document))) return false;
    document_ = &document;
    bool scalar = false;
    if (!Ok(document.is_scalar().get(scalar))) return false;
    if (scalar) return Fail("a schema is a JSON object");
    ondemand::value value;
    if (!Ok(document.get_value().get(value)) || !ReadValue(value, into, 0)) return false;
    if (!document.at_end()) return Fail("something stands behind the end of the JSON value");
    return true;
  }

 private:
  bool ReadValue(ondemand::value value, JsonNode& into, int depth) {
    into.place = Here();
    if (depth > kNestedMax) {
      problems_.Add(into.place, schema_codes::kLimit, "nested deeper than {} levels", kNestedMax);
      return false;
    }
    ondemand::json_type type = ondemand::json_type::null;
    if (!Ok(value.type().get(type))) return false;
    switch (type) {
      case ondemand::json_type::object:
        return ReadObject(value, into, depth);
      case ondemand::json_type::array:
        return ReadArray(value, into, depth);
      case ondemand::json_type::string: {
        into.kind = JsonNode::Kind::kString;
        std::string_view text;
        if (!Ok(value.get_string().get(text))) return false;
        into.text = text;
        return true;
      }
      case ondemand::json_type::number: {
        into.kind = JsonNode::Kind::kNumber;
        std::string_view token = value.raw_json_token();
        while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') {
          token.remove_suffix(1);
        }
        into.text = token;
        // A number beyond 64 bits is one all the same; a double takes all.
        double number = 0;
        return Ok(value.get_double().get(number));
      }
      case ondemand::json_type::boolean:
        into.kind = JsonNode::Kind::kBool;
        return Ok(value.get_bool().get(into.truth));
      case ondemand::json_type::null: {
        bool null = false;
        if (!Ok(value.is_null().get(null))) return false;
        return null || Fail("expected a JSON value");
      }
      default:
        return Fail("expected a JSON value");
    }
  }

  bool ReadObject(ondemand::value value, JsonNode& into, int depth) {
    into.kind = JsonNode::Kind::kObject;
    ondemand::object object;
    if (!Ok(value.get_object().get(object))) return false;
    for (auto result : object) {
      ondemand::field field;
      if (!Ok(std::move(result).get(field))) return false;
      JsonMember& member = into.members.emplace_back();
      member.place = PlaceOf(field.key().raw() - 1);  // It points behind the quote.
      std::string_view name;
      if (!Ok(field.unescaped_key().get(name))) return false;
      member.name = name;
      const auto same = [&](const JsonMember& other) { return other.name == member.name; };
      if (std::ranges::count_if(into.members, same) > 1) {
        problems_.Add(member.place, schema_codes::kSyntax, "the key '{}' comes twice", member.name);
        return false;
      }
      if (!ReadValue(field.value(), member.value, depth + 1)) return false;
    }
    return true;
  }

  bool ReadArray(ondemand::value value, JsonNode& into, int depth) {
    into.kind = JsonNode::Kind::kArray;
    ondemand::array array;
    if (!Ok(value.get_array().get(array))) return false;
    for (auto result : array) {
      ondemand::value item;
      if (!Ok(std::move(result).get(item))) return false;
      if (!ReadValue(item, into.items.emplace_back(), depth + 1)) return false;
    }
    return true;
  }

  bool Ok(simdjson::error_code error) {
    if (error == simdjson::SUCCESS) return true;
    if (error == simdjson::TAPE_ERROR) {
      return Fail("a comma, colon, brace or bracket is missing here, or one too many");
    }
    // Behind the library's own name for it.
    const std::string_view message = simdjson::error_message(error);
    const size_t colon = message.find(": ");
    return Fail(colon == message.npos ? message : message.substr(colon + 2));
  }

  bool Fail(std::string_view what) {
    problems_.Add(Here(), schema_codes::kSyntax, "no JSON: {}", what);
    return false;
  }

  // Where the parser stands; the text's beginning if it does not know.
  Place Here() {
    const char* at = nullptr;
    if (document_ == nullptr || document_->current_location().get(at) != simdjson::SUCCESS) {
      return last_;
    }
    return PlaceOf(at);
  }

  // Places are asked for in order, but for a few: lines are counted on from the last one.
  Place PlaceOf(const char* at) {
    const char* const begin = text_.data();
    if (at < begin || at > begin + text_.size()) return last_;
    if (at < last_at_ || last_at_ == nullptr) {
      last_at_ = begin;
      last_ = {};
    }
    for (; last_at_ < at; ++last_at_) {
      ++last_.column;
      if (*last_at_ == '\n') last_ = {last_.line + 1, 1};
    }
    return last_;
  }

  const simdjson::padded_string& text_;
  Problems& problems_;
  ondemand::document* document_ = nullptr;
  Place last_;
  const char* last_at_ = nullptr;
};

}  // namespace

const JsonNode* JsonNode::Find(std::string_view name) const {
  const auto found =
      std::ranges::find_if(members, [&](const JsonMember& member) { return member.name == name; });
  return found == members.end() ? nullptr : &found->value;
}

std::string_view ToString(JsonNode::Kind kind) {
  static constexpr std::string_view kNames[] = {"null",     "a boolean", "a number",
                                                "a string", "an array",  "an object"};
  return kNames[static_cast<size_t>(kind)];
}

bool ReadJson(std::string_view text, JsonNode& into, Problems& problems) {
  const simdjson::padded_string padded(text);
  return Reader(padded, problems).Read(into);
}

}  // namespace sluice::event::internal
