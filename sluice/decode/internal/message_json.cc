#include "sluice/decode/internal/message_json.h"

#include <capnp/serialize.h>
#include <fmt/format.h>
#include <kj/exception.h>
#include <simdjson.h>

#include <cmath>
#include <exception>
#include <string_view>

#include "sluice/base/base64.h"
#include "sluice/base/json.h"
#include "sluice/decode/json_decoder.h"

namespace sluice::decode::internal {

namespace {

using capnp::DynamicStruct;
using capnp::DynamicValue;
using event::FieldType;

// Beside what stands in the message: the library counts some landing pads twice.
constexpr uint64_t kSpareWords = 64;
constexpr int kNestedMax = 128;  // Contracts nest less deep.

class ObjectWriter {
 public:
  ObjectWriter(size_t size_max, std::string& out) : size_max_(size_max), out_(out) {}

  /// False: the text has become too large.
  bool Struct(const std::vector<MessageField>& fields, DynamicStruct::Reader reader) {
    out_ += '{';
    bool first = true;
    for (const MessageField& member : fields) {
      if (!reader.has(member.wire) && !IsChosen(member, reader)) continue;
      if (!first) out_ += ',';
      first = false;
      AppendJsonString(out_, member.field->name);
      out_ += ':';
      if (!reader.has(member.wire)) {
        out_ += "null";
      } else if (!Value(member, reader.get(member.wire))) {
        return false;
      }
    }
    out_ += '}';
    return out_.size() <= size_max_;
  }

 private:
  // An alternative whose pointer is null is a choice all the same.
  static bool IsChosen(const MessageField& member, DynamicStruct::Reader reader) {
    if (!member.field->alternative) return false;
    KJ_IF_MAYBE (chosen, reader.which()) {
      return *chosen == member.wire;
    }
    return false;
  }

  bool Value(const MessageField& member, const DynamicValue::Reader& value) {
    switch (value.getType()) {
      case DynamicValue::BOOL:
        out_ += value.as<bool>() ? "true" : "false";
        break;
      case DynamicValue::INT:
        fmt::format_to(std::back_inserter(out_), "{}", value.as<int64_t>());
        break;
      case DynamicValue::UINT:
        fmt::format_to(std::back_inserter(out_), "{}", value.as<uint64_t>());
        break;
      case DynamicValue::FLOAT:
        Real(member.field->type, value.as<double>());
        break;
      case DynamicValue::TEXT: {
        const auto text = value.as<capnp::Text>();
        Text({text.begin(), text.size()});
        break;
      }
      case DynamicValue::DATA: {
        const auto data = value.as<capnp::Data>();
        AppendJsonString(out_,
                         EncodeBase64({reinterpret_cast<const char*>(data.begin()), data.size()}));
        break;
      }
      case DynamicValue::ENUM: {
        const uint16_t number = value.as<capnp::DynamicEnum>().getRaw();
        const auto& names = member.field->enumerants;
        AppendJsonString(out_, number < names.size() ? names[number] : fmt::format("{}", number));
        break;
      }
      case DynamicValue::STRUCT:
        return Struct(member.children, value.as<DynamicStruct>());
      case DynamicValue::LIST: {
        bool first = true;
        out_ += '[';
        for (const DynamicValue::Reader& element : value.as<capnp::DynamicList>()) {
          if (!first) out_ += ',';
          first = false;
          if (!Value(member.children[0], element)) return false;
        }
        out_ += ']';
        break;
      }
      default:
        out_ += "null";
    }
    return out_.size() <= size_max_;
  }

  void Real(FieldType type, double number) {
    if (!std::isfinite(number)) {
      out_ += std::isnan(number) ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    } else if (type == FieldType::kFloat32) {
      fmt::format_to(std::back_inserter(out_), "{}", static_cast<float>(number));
    } else {
      fmt::format_to(std::back_inserter(out_), "{}", number);
    }
  }

  void Text(std::string_view text) {
    if (simdjson::validate_utf8(text.data(), text.size())) return AppendJsonString(out_, text);
    // Nothing may get lost: the row becomes an error row with the bytes as they are.
    out_ += '"';
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\') {
        fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<unsigned>(c));
      } else {
        out_ += c;
      }
    }
    out_ += '"';
  }

  const size_t size_max_;
  std::string& out_;
};

}  // namespace

Status AppendMessage(const MessageLayout& layout, kj::ArrayPtr<const capnp::word> words,
                     size_t bytes_max, std::string& out) {
  // Who writes a message the usual way points at nothing twice, so each word is read at most once.
  capnp::ReaderOptions options;
  options.traversalLimitInWords = words.size() + kSpareWords;
  options.nestingLimit = kNestedMax;
  try {
    capnp::FlatArrayMessageReader message(words, options);
    ObjectWriter writer(out.size() + bytes_max, out);
    if (writer.Struct(layout.fields(), message.getRoot<DynamicStruct>(layout.root()))) return {};
  } catch (const kj::Exception& e) {
    return Invalid("not a sound message: {}", e.getDescription().cStr());
  } catch (const std::exception& e) {
    return Invalid("not a sound message: {}", e.what());
  }
  return Invalid("{}: more than {} bytes as JSON", codes::kRowTooLarge, bytes_max);
}

}  // namespace sluice::decode::internal
