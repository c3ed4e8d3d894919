#include "sluice/event/internal/annotations.h"

#include <capnp/any.h>
#include <capnp/list.h>

#include <algorithm>
#include <array>

namespace sluice::event::internal {

namespace {

namespace schema = capnp::schema;

constexpr int kNestedMax = 64;

// Those whose name alone says enough, whoever declared them: to protect too much does no harm.
constexpr std::array<std::string_view, 8> kProtecting = {
    "hash", "tokenize", "encrypt", "mask", "generalise", "drop", "pii", "subject"};

// Annotations of capnp's own c++.capnp, which say nothing about data.
constexpr uint64_t kCxxNamespace = 0xb9c6f99ebf805f2c;
constexpr uint64_t kCxxName = 0xf264a779fef191ce;

std::string ToText(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }

// Digits { precision @0 :UInt8 = 38; scale @1 :UInt8; }: Cap'n Proto stores XOR the default.
void ReadDigits(schema::Value::Reader value, Annotation& into) {
  constexpr int kPrecisionDefault = 38;
  const auto digits = value.getStruct().getAs<capnp::AnyStruct>();
  const auto data = digits.getDataSection();
  const auto byte = [&](size_t at) { return at < data.size() ? data[at] : 0; };
  into.precision = byte(0) ^ kPrecisionDefault;
  into.scale = byte(1);
}

}  // namespace

void AnnotationNames::Add(const capnp::ParsedSchema& file, bool own) { AddNode(file, own, 0); }

void AnnotationNames::AddNode(const capnp::ParsedSchema& node, bool own, int depth) {
  if (depth > kNestedMax) return;
  for (const capnp::ParsedSchema& nested : node.getAllNested()) {
    const auto proto = nested.getProto();
    if (proto.isAnnotation()) {
      Declared declared;
      declared.name = ToText(nested.getShortDisplayName());
      declared.own = own;
      const auto type = proto.getAnnotation().getType();
      if (type.isEnum()) declared.enum_id = type.getEnum().getTypeId();
      for (const auto annotation : proto.getAnnotations()) {
        const auto found = annotations_.find(annotation.getId());
        if (found != annotations_.end() && found->second.own && found->second.name == "alias") {
          declared.alias = ToText(annotation.getValue().getText());
        }
      }
      annotations_[proto.getId()] = std::move(declared);
    } else if (proto.isEnum()) {
      auto& names = enums_[proto.getId()];
      names.clear();
      for (const auto enumerant : proto.getEnum().getEnumerants()) {
        names.push_back(ToText(enumerant.getName()));
      }
    }
    AddNode(nested, own, depth + 1);
  }
}

std::string_view AnnotationNames::Meaning(const Declared& declared) const {
  if (declared.own) return declared.name;
  const std::string_view wanted = declared.alias.empty() ? declared.name : declared.alias;
  if (declared.alias.empty() && std::ranges::find(kProtecting, wanted) == kProtecting.end()) {
    return {};
  }
  for (const auto& [id, own] : annotations_) {
    if (own.own && own.name == wanted) return own.name;
  }
  return {};
}

std::vector<Annotation> AnnotationNames::Explain(
    capnp::List<schema::Annotation>::Reader annotations) const {
  std::vector<Annotation> explained;
  for (const auto annotation : annotations) {
    if (annotation.getId() == kCxxNamespace || annotation.getId() == kCxxName) continue;
    Annotation out;
    const auto value = annotation.getValue();
    const auto found = annotations_.find(annotation.getId());
    if (found != annotations_.end()) {
      out.name = Meaning(found->second);
      out.own = found->second.own;
      if (value.isEnum()) {
        const auto names = enums_.find(found->second.enum_id);
        if (names != enums_.end() && value.getEnum() < names->second.size()) {
          out.word = names->second[value.getEnum()];
        }
      }
    }
    if (value.isText()) out.word = ToText(value.getText());
    if (value.isUint8()) out.number = value.getUint8();
    if (out.own && value.isStruct()) ReadDigits(value, out);
    if (out.own && value.isList()) {
      // Normal is the only enum that stands in a list.
      for (const uint16_t how : value.getList().getAs<capnp::List<uint16_t>>()) {
        out.words.emplace_back(how == 0 ? "trim" : "lower");
      }
    }
    explained.push_back(std::move(out));
  }
  return explained;
}

}  // namespace sluice::event::internal
