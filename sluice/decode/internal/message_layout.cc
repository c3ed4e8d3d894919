#include "sluice/decode/internal/message_layout.h"

#include <fmt/format.h>
#include <kj/exception.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace sluice::decode::internal {

namespace {

using event::Field;
using event::FieldType;

class TextFile final : public capnp::SchemaFile {
 public:
  TextFile(std::string name, std::string_view text, std::string& problem)
      : name_(std::move(name)), text_(text), problem_(problem) {}

  kj::StringPtr getDisplayName() const override { return {name_.c_str(), name_.size()}; }
  kj::Array<const char> readContent() const override {
    return kj::heapArray<char>(text_.data(), text_.size());
  }
  kj::Maybe<kj::Own<SchemaFile>> import(kj::StringPtr path) const override {
    if (path != "sluice.capnp") return nullptr;
    return kj::Own<SchemaFile>(
        kj::heap<TextFile>("sluice.capnp", event::BuiltinSchema(), problem_));
  }
  bool operator==(const SchemaFile& other) const override {
    const auto* text = dynamic_cast<const TextFile*>(&other);
    return text != nullptr && text->name_ == name_;
  }
  bool operator!=(const SchemaFile& other) const override { return !(*this == other); }
  size_t hashCode() const override { return std::hash<std::string>()(name_); }
  void reportError(SourcePos start, SourcePos /*end*/, kj::StringPtr message) const override {
    problem_ = fmt::format("{}:{}: {}", start.line + 1, start.column + 1, message.cStr());
  }

 private:
  std::string name_;
  std::string_view text_;
  std::string& problem_;
};

// A group has no number of its own; a struct behind a pointer has.
bool IsGroup(const Field& field) {
  return field.type == FieldType::kStruct && field.id >= event::kUnnumbered;
}

class LayoutWriter {
 public:
  std::string Members(const std::vector<Field>& fields) {
    std::string plain;
    std::string alternatives;
    for (size_t i = 0; i < fields.size(); ++i) {
      const Field& field = fields[i];
      if (field.type == FieldType::kWhich) continue;
      std::string& out = field.alternative ? alternatives : plain;
      if (IsGroup(field)) {
        out += fmt::format("f{} :group {{\n{}}}\n", i, Members(field.children));
      } else {
        out += fmt::format("f{} @{} :{}{};\n", i, field.id, Type(field), Default(field));
      }
    }
    if (!alternatives.empty()) plain += fmt::format("union {{\n{}}}\n", alternatives);
    return plain;
  }

  /// Structs and enums that Members() named.
  const std::string& declared() const { return declared_; }

 private:
  std::string Type(const Field& field) {
    switch (field.type) {
      case FieldType::kTimestamp:
      case FieldType::kDecimal:
        return std::string(ToString(field.carrier));
      case FieldType::kUuid:
        return "Text";
      case FieldType::kVoid:
        return "Void";
      case FieldType::kList:
        return fmt::format("List({})", Type(field.children[0]));
      case FieldType::kStruct: {
        const std::string name = fmt::format("S{}", ++names_);
        const std::string members = Members(field.children);
        declared_ += fmt::format("struct {} {{\n{}}}\n", name, members);
        return name;
      }
      case FieldType::kEnum: {
        const std::string name = fmt::format("E{}", ++names_);
        declared_ += fmt::format("enum {} {{", name);
        for (size_t i = 0; i < field.enumerants.size(); ++i) {
          declared_ += fmt::format(" e{} @{};", i, i);
        }
        declared_ += " }\n";
        return name;
      }
      default:
        return std::string(ToString(field.type));
    }
  }

  // Numbers are stored as their difference to the default. A pointer that is null is absent, and
  // the default of an absent field is the decoder's matter.
  static std::string Default(const Field& field) {
    if (field.default_json.empty()) return "";
    if (field.type == FieldType::kEnum) {
      const auto named = [&](const std::string& name) {
        return fmt::format("\"{}\"", name) == field.default_json;
      };
      const auto found = std::ranges::find_if(field.enumerants, named);
      return found == field.enumerants.end()
                 ? ""
                 : fmt::format(" = e{}", found - field.enumerants.begin());
    }
    return field.type < FieldType::kText ? " = " + field.default_json : "";
  }

  std::string declared_;
  int names_ = 0;
};

bool HasNumbers(const std::vector<Field>& fields) {
  return std::ranges::all_of(fields, [](const Field& field) {
    return field.id < event::kNamed && HasNumbers(field.children);
  });
}

std::vector<MessageField> Fields(const std::vector<Field>& fields, capnp::StructSchema schema);

// `type` is that of the field, or of the element.
MessageField ToMessageField(const Field& field, capnp::Type type) {
  MessageField made;
  made.field = &field;
  if (field.type == FieldType::kStruct) {
    made.children = Fields(field.children, type.asStruct());
  } else if (field.type == FieldType::kList) {
    made.children.push_back(ToMessageField(field.children[0], type.asList().getElementType()));
  }
  return made;
}

std::vector<MessageField> Fields(const std::vector<Field>& fields, capnp::StructSchema schema) {
  std::vector<MessageField> made;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].type == FieldType::kWhich) continue;
    const auto wire = schema.getFieldByName(fmt::format("f{}", i).c_str());
    made.push_back(ToMessageField(fields[i], wire.getType()));
    made.back().wire = wire;
  }
  return made;
}

}  // namespace

Result<ParsedText> ParseSchemaText(std::string_view text) {
  ParsedText parsed;
  std::string problem;
  try {
    parsed.parser = std::make_unique<capnp::SchemaParser>();
    parsed.root = parsed.parser->parseFile(kj::heap<TextFile>("layout.capnp", text, problem));
    if (problem.empty()) parsed.root.getAllNested();  // What is nested is compiled now.
  } catch (const kj::Exception& e) {
    if (problem.empty()) problem = e.getDescription().cStr();
  } catch (const std::exception& e) {
    if (problem.empty()) problem = e.what();
  }
  if (!problem.empty()) return Internal("layout of a message: {}", problem);
  return parsed;
}

Result<std::string> LayoutText(const event::Contract& contract) {
  if (contract.schemaless || !HasNumbers(contract.fields)) {
    return Unsupported(
        "SL4152: topic '{}' has no schema in Cap'n Proto, by which its messages could be read; "
        "send JSON",
        contract.topic);
  }
  LayoutWriter writer;
  const std::string members = writer.Members(contract.fields);
  return fmt::format("@0xb1d2c3a4958677f0;\nstruct Root {{\n{}}}\n{}", members, writer.declared());
}

Result<std::shared_ptr<const MessageLayout>> MessageLayout::Make(
    std::shared_ptr<const event::Contract> contract) {
  SLUICE_ASSIGN_OR_RETURN(const std::string text, LayoutText(*contract));
  auto layout = std::shared_ptr<MessageLayout>(new MessageLayout());
  SLUICE_ASSIGN_OR_RETURN(layout->text_, ParseSchemaText(text), "topic '{}'", contract->topic);
  try {
    layout->root_ = layout->text_.root.getNested("Root").asStruct();
    layout->fields_ = Fields(contract->fields, layout->root_);
  } catch (const kj::Exception& e) {
    return Internal("topic '{}': layout of its messages: {}", contract->topic,
                    e.getDescription().cStr());
  }
  layout->contract_ = std::move(contract);
  return std::shared_ptr<const MessageLayout>(std::move(layout));
}

}  // namespace sluice::decode::internal
