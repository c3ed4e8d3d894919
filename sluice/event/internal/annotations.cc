#include "sluice/event/internal/annotations.h"

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
    out.value = annotation.getValue();
    const auto found = annotations_.find(annotation.getId());
    if (found != annotations_.end()) {
      out.name = Meaning(found->second);
      out.own = found->second.own;
      if (out.value.isEnum()) {
        const auto names = enums_.find(found->second.enum_id);
        if (names != enums_.end() && out.value.getEnum() < names->second.size()) {
          out.word = names->second[out.value.getEnum()];
        }
      }
    }
    if (out.value.isText()) out.word = ToText(out.value.getText());
    explained.push_back(std::move(out));
  }
  return explained;
}

}  // namespace sluice::event::internal
