#include <capnp/schema.h>

#include <exception>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/event/contract.h"
#include "sluice/event/internal/contract_rules.h"
#include "sluice/event/internal/field_translator.h"
#include "sluice/event/internal/problems.h"
#include "sluice/event/internal/schema_text.h"

namespace sluice::event {

namespace {

using internal::Place;
using internal::Problems;
using internal::Token;

constexpr int kNestedMax = 64;

std::string ToText(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }

// Makes the contracts of one file, and gathers what is wrong with them.
class Translator {
 public:
  Translator(const internal::CompiledText& compiled, std::string file, std::string_view text)
      : annotations_(compiled.annotations),
        text_(text),
        tokens_(internal::Scan(text)),
        problems_(std::move(file)),
        fields_(annotations_, tokens_, problems_) {}

  // Visits all structs inside `scope`, however deep.
  void Visit(const capnp::ParsedSchema& scope, int depth) {
    if (depth > kNestedMax) return;
    for (const capnp::ParsedSchema& nested : scope.getAllNested()) {
      if (nested.getProto().isStruct()) VisitStruct(nested);
      Visit(nested, depth + 1);
    }
  }

  Result<std::vector<Contract>> Finish() && {
    CheckUnions();
    if (!problems_.empty()) return std::move(problems_).Take();
    return std::move(contracts_);
  }

 private:
  void VisitStruct(const capnp::ParsedSchema& node) {
    const auto proto = node.getProto();
    const std::string name = ToText(node.getShortDisplayName());
    const Place place = internal::FindStruct(tokens_, name);
    std::optional<std::string> topic;
    std::string retain;
    for (const internal::Annotation& annotation : annotations_.Explain(proto.getAnnotations())) {
      if (annotation.name == "event") {
        topic = annotation.word;
      } else if (annotation.name == "retain") {
        retain = annotation.word;
      } else {
        problems_.Add(place, schema_codes::kAnnotation,
                      "'{}' has an annotation that is not of sluice.capnp, or not for this place",
                      name);
      }
    }
    if (!topic) return;

    Contract contract;
    contract.source = text_;
    internal::SetTopic(*topic, retain, place, fmt::format("struct '{}'", name), tables_, contract,
                       problems_);
    if (proto.getIsGeneric()) {
      problems_.Add(place, schema_codes::kNoColumn,
                    "struct '{}' is generic, so its fields have no type yet", name);
    }
    fields_.Translate(node.asStruct(), name, contract);
    internal::CheckSubjects(contract, place, problems_);
    contracts_.push_back(std::move(contract));
  }

  // A number moves the union's tag to where the fields of a contract do not tell; messages are read
  // by these.
  void CheckUnions() {
    for (size_t i = 0; i + 1 < tokens_.size(); ++i) {
      if (tokens_[i].text != "union" || tokens_[i + 1].text != "@") continue;
      problems_.Add(tokens_[i].place, schema_codes::kNoColumn,
                    "a union with a number of its own is not taken; leave the number out");
    }
  }

  const internal::AnnotationNames& annotations_;
  const std::string_view text_;
  const std::vector<Token> tokens_;
  std::vector<Contract> contracts_;
  std::map<std::string, std::string> tables_;  // To what makes each.
  Problems problems_;
  internal::FieldTranslator fields_;
};

}  // namespace

Result<std::vector<Contract>> CompileCapnp(const SchemaFiles& files, std::string_view name) {
  const auto found = files.find(std::string(name));
  if (found == files.end()) return NotFound("schema file '{}'", name);
  if (name == "sluice.capnp" || name.ends_with("/sluice.capnp")) {
    if (found->second == BuiltinSchema()) return std::vector<Contract>();
    return Invalid("{}: this file is built in, and differs from yours; remove yours", name);
  }
  if (const size_t line = internal::FindBadLine(found->second); line > 0) {
    return Invalid("{}:{}:1: {}: the line is not UTF-8", name, line, schema_codes::kSyntax);
  }
  try {
    SLUICE_ASSIGN_OR_RETURN(const auto compiled, internal::Compile(files, name));
    Translator translator(compiled, std::string(name), found->second);
    translator.Visit(compiled.root, 0);
    return std::move(translator).Finish();
  } catch (const kj::Exception& e) {
    return Invalid("{}:1:1: {}: {}", name, schema_codes::kSyntax, e.getDescription().cStr());
  } catch (const std::exception& e) {
    return Invalid("{}:1:1: {}: {}", name, schema_codes::kSyntax, e.what());
  }
}

}  // namespace sluice::event
