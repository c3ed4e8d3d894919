#include <capnp/schema.h>

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sluice/event/contract.h"
#include "sluice/event/internal/schema_text.h"

namespace sluice::event {

namespace {

using internal::Annotations;
using internal::Place;
using internal::Problem;
using internal::Token;
namespace schema = capnp::schema;

constexpr size_t kFieldsMax = 1'000;
constexpr int kNestedMax = 64;
// Annotations of capnp's own c++.capnp, which say nothing about data.
constexpr uint64_t kCxxNamespace = 0xb9c6f99ebf805f2c;
constexpr uint64_t kCxxName = 0xf264a779fef191ce;

std::string ToText(capnp::Text::Reader text) { return {text.cStr(), text.size()}; }

std::optional<FieldType> ToFieldType(schema::Type::Which which) {
  switch (which) {
    case schema::Type::BOOL:
      return FieldType::kBool;
    case schema::Type::INT8:
      return FieldType::kInt8;
    case schema::Type::INT16:
      return FieldType::kInt16;
    case schema::Type::INT32:
      return FieldType::kInt32;
    case schema::Type::INT64:
      return FieldType::kInt64;
    case schema::Type::UINT8:
      return FieldType::kUInt8;
    case schema::Type::UINT16:
      return FieldType::kUInt16;
    case schema::Type::UINT32:
      return FieldType::kUInt32;
    case schema::Type::UINT64:
      return FieldType::kUInt64;
    case schema::Type::FLOAT32:
      return FieldType::kFloat32;
    case schema::Type::FLOAT64:
      return FieldType::kFloat64;
    case schema::Type::TEXT:
      return FieldType::kText;
    case schema::Type::DATA:
      return FieldType::kData;
    case schema::Type::ENUM:
      return FieldType::kEnum;
    default:
      return std::nullopt;
  }
}

bool IsRetention(std::string_view text) {
  if (text.size() < 2 || text.size() > 6) return false;
  const bool digits =
      std::all_of(text.begin(), text.end() - 1, [](char c) { return c >= '0' && c <= '9'; });
  return digits && text[0] != '0' &&
         std::string_view("hdwy").find(text.back()) != std::string_view::npos;
}

// Makes the contracts of one file, and gathers what is wrong with them.
class Translator {
 public:
  Translator(std::string file, std::string_view text)
      : file_(std::move(file)), text_(text), tokens_(internal::Scan(text)) {}

  // Visits all structs inside `scope`, however deep.
  void Visit(const capnp::ParsedSchema& scope, int depth) {
    if (depth > kNestedMax) return;
    for (const capnp::ParsedSchema& nested : scope.getAllNested()) {
      if (nested.getProto().isStruct()) VisitStruct(nested);
      Visit(nested, depth + 1);
    }
  }

  Result<std::vector<Contract>> Finish() && {
    if (!problems_.empty()) {
      return internal::ToError(invalid_ ? ErrorCode::kInvalid : ErrorCode::kUnsupported,
                               std::move(problems_));
    }
    return std::move(contracts_);
  }

 private:
  template <typename... Args>
  void Report(Place place, std::string_view code, fmt::format_string<Args...> format,
              Args&&... args) {
    const bool unsupported = code == schema_codes::kNotFlat || code == schema_codes::kPrivacy;
    invalid_ = invalid_ || !unsupported;
    problems_.push_back({file_, place, code, fmt::format(format, std::forward<Args>(args)...)});
  }

  void VisitStruct(const capnp::ParsedSchema& node) {
    const auto proto = node.getProto();
    const std::string name = ToText(node.getShortDisplayName());
    const Place place = internal::FindStruct(tokens_, name);
    std::optional<std::string> topic;
    std::string retain;
    for (const auto annotation : proto.getAnnotations()) {
      if (annotation.getId() == Annotations().event) {
        topic = ToText(annotation.getValue().getText());
      } else if (annotation.getId() == Annotations().retain) {
        retain = ToText(annotation.getValue().getText());
      } else {
        CheckForeign(annotation.getId(), place, name);
      }
    }
    if (!topic) return;

    Contract contract;
    contract.topic = *topic;
    contract.table = TableName(*topic);
    contract.retain = retain;
    contract.source = text_;
    if (const Status named = CheckTopicName(*topic); !named.ok()) {
      Report(place, schema_codes::kTopic, "struct '{}': {}", name, named.error().message());
    }
    if (!tables_.emplace(contract.table, name).second) {
      Report(place, schema_codes::kTopic, "struct '{}': struct '{}' has the table '{}' already",
             name, tables_[contract.table], contract.table);
    }
    if (!retain.empty() && !IsRetention(retain)) {
      Report(place, schema_codes::kAnnotation,
             "struct '{}': retain takes a duration such as \"400d\"", name);
    }
    if (proto.getIsGeneric()) {
      Report(place, schema_codes::kNotFlat, "struct '{}' is generic; events must be flat", name);
    }
    if (proto.getStruct().getDiscriminantCount() > 0) {
      Report(place, schema_codes::kNotFlat, "struct '{}' has a union; events must be flat", name);
    }
    AddFields(node.asStruct(), name, contract);
    if (IsSensitive(contract)) contract.unknown = UnknownFields::kError;
    contracts_.push_back(std::move(contract));
  }

  void AddFields(const capnp::StructSchema& node, const std::string& struct_name,
                 Contract& contract) {
    if (node.getFields().size() > kFieldsMax) {
      Report(internal::FindStruct(tokens_, struct_name), schema_codes::kLimit,
             "struct '{}' has {} fields; at most {} are allowed", struct_name,
             node.getFields().size(), kFieldsMax);
      return;
    }
    std::map<std::string, std::string> columns;  // To the field that has it.
    for (const auto column : ReservedColumns()) columns.emplace(column, "");
    for (const capnp::StructSchema::Field member : node.getFields()) {
      const auto proto = member.getProto();
      Field field;
      field.name = ToText(proto.getName());
      field.column = ColumnName(field.name);
      const Place place = internal::FindField(tokens_, struct_name, field.name);
      if (!proto.isSlot()) {
        Report(place, schema_codes::kNotFlat, "field '{}' is a group; events must be flat",
               field.name);
        continue;
      }
      if (proto.getOrdinal().isExplicit()) field.id = proto.getOrdinal().getExplicit();
      const auto type = ToFieldType(member.getType().which());
      if (!type) {
        Report(
            place, schema_codes::kNotFlat,
            "field '{}' is a struct, list, union or pointer, which have no column yet; events must "
            "be flat",
            field.name);
        continue;
      }
      field.type = *type;
      if (proto.getSlot().getHadExplicitDefault()) {
        Report(place, schema_codes::kNotFlat,
               "field '{}' has a default, which JSON events do not get: an absent field is null",
               field.name);
      }
      if (field.type == FieldType::kEnum) {
        for (const auto enumerant : member.getType().asEnum().getEnumerants()) {
          field.enumerants.push_back(ToText(enumerant.getProto().getName()));
        }
      }
      Annotate(proto, place, field, contract);

      const bool is_time = contract.event_time_field == contract.fields.size();
      if (is_time && field.column == "event_time") field.column = "event_time_sent";
      const auto [taken, added] = columns.emplace(field.column, field.name);
      if (!added && taken->second.empty()) {
        Report(place, schema_codes::kColumn,
               "field '{}' would be column '{}', which every table has; choose another name",
               field.name, field.column);
      } else if (!added) {
        Report(place, schema_codes::kColumn, "fields '{}' and '{}' would both be column '{}'",
               taken->second, field.name, field.column);
      }
      contract.fields.push_back(std::move(field));
    }
    if (node.getFields().size() == 0) {
      Report(internal::FindStruct(tokens_, struct_name), schema_codes::kNotFlat,
             "struct '{}' has no fields", struct_name);
    }
  }

  // Reads the annotations of the field that comes next in `contract`.
  void Annotate(schema::Field::Reader proto, Place place, Field& field, Contract& contract) {
    const auto& ids = Annotations();
    const size_t index = contract.fields.size();
    bool sha256 = false;
    bool unkeyed = false;
    std::vector<std::string_view> actions;
    for (const auto annotation : proto.getAnnotations()) {
      const uint64_t id = annotation.getId();
      if (id == ids.event_time) {
        Assign(contract.event_time_field, index, "eventTime", place, contract);
      } else if (id == ids.id) {
        Assign(contract.identity.id_field, index, "id", place, contract);
      } else if (id == ids.key) {
        Assign(contract.key_field, index, "key", place, contract);
      } else if (id == ids.subject) {
        field.subject = true;
      } else if (id == ids.pii) {
        field.pii = ToText(annotation.getValue().getText());
        if (field.pii.empty()) {
          Report(place, schema_codes::kAnnotation,
                 "field '{}': pii takes a kind such as \"contact\"", field.name);
        }
      } else if (id == ids.unkeyed) {
        unkeyed = true;
      } else if (id == ids.hash) {
        field.privacy = Privacy::kHash;
        sha256 = annotation.getValue().getEnum() == 1;
        actions.push_back("hash");
      } else if (id == ids.tokenize) {
        field.privacy = Privacy::kTokenize;
        actions.push_back("tokenize");
      } else if (id == ids.drop) {
        field.privacy = Privacy::kDrop;
        actions.push_back("drop");
      } else {
        CheckForeign(id, place, field.name);
      }
    }
    CheckRoles(index, place, field, contract);
    if (actions.size() > 1) {
      Report(place, schema_codes::kAnnotation, "field '{}': {} and {} exclude each other",
             field.name, actions[0], actions[1]);
    }
    if (sha256 != unkeyed) {
      Report(place, schema_codes::kAnnotation,
             "field '{}': hash(sha256) stands only beside unkeyed(\"reason\"); prefer "
             "hash(hmacSha256)",
             field.name);
    }
    if (field.privacy == Privacy::kHash || field.privacy == Privacy::kTokenize) {
      Report(place, schema_codes::kPrivacy,
             "field '{}': {} is not built yet, and its values must not be stored in clear; use "
             "drop, or "
             "leave the field out",
             field.name, ToString(field.privacy));
    }
  }

  void CheckRoles(size_t index, Place place, const Field& field, const Contract& contract) {
    const bool integer = field.type >= FieldType::kInt8 && field.type <= FieldType::kUInt64;
    const bool time = contract.event_time_field == index;
    const bool role = time || contract.identity.id_field == index || contract.key_field == index;
    if (time && field.type != FieldType::kText && field.type != FieldType::kInt64 &&
        field.type != FieldType::kUInt64) {
      Report(place, schema_codes::kAnnotation,
             "field '{}': the event time is Text (RFC 3339), Int64 or UInt64 (milliseconds since "
             "1970), "
             "found {}",
             field.name, ToString(field.type));
    } else if (role && !time && !integer && field.type != FieldType::kText &&
               field.type != FieldType::kData && field.type != FieldType::kEnum) {
      Report(place, schema_codes::kAnnotation, "field '{}': {} cannot be id or key", field.name,
             ToString(field.type));
    }
    if (role && field.privacy == Privacy::kDrop) {
      Report(place, schema_codes::kAnnotation,
             "field '{}' is dropped, so it cannot be event time, id or key", field.name);
    }
  }

  void Assign(std::optional<size_t>& slot, size_t index, std::string_view annotation, Place place,
              const Contract& contract) {
    if (slot) {
      Report(place, schema_codes::kAnnotation, "field '{}' has {} already",
             contract.fields[*slot].name, annotation);
    }
    slot = index;
  }

  // Somebody may count on what an annotation of another file promises, so none is passed over.
  void CheckForeign(uint64_t id, Place place, const std::string& name) {
    if (id == kCxxNamespace || id == kCxxName) return;
    Report(place, schema_codes::kAnnotation,
           "'{}' has an annotation that is not of sluice.capnp, or not for this place", name);
  }

  std::string file_;
  std::string_view text_;
  std::vector<Token> tokens_;
  std::vector<Contract> contracts_;
  std::map<std::string, std::string> tables_;  // To the struct that makes it.
  std::vector<Problem> problems_;
  bool invalid_ = false;
};

}  // namespace

std::string_view BuiltinSchema() {
  return R"(@0xb7c1f3e2a9d84c01;
# The annotations of Sluice. Import as: using Sl = import "sluice.capnp";

enum Digest { hmacSha256 @0; sha256 @1; }       # plain sha256 only beside $Sl.unkeyed("reason")

annotation event(struct) :Text;      # the topic whose events these are
annotation retain(struct) :Text;     # how long rows are kept: "400d"
annotation eventTime(field) :Void;   # Text: RFC 3339 with zone; Int64, UInt64: milliseconds since 1970
annotation id(field) :Void;          # identity of the event
annotation key(field) :Void;         # entity that the event is about
annotation subject(field) :Void;     # person whom an erasure erases
annotation pii(field) :Text;         # kind of personal data: "contact"
annotation hash(field) :Digest;
annotation unkeyed(field) :Text;
annotation tokenize(field) :Void;
annotation drop(field) :Void;        # never stored
)";
}

Result<std::vector<Contract>> CompileCapnp(const SchemaFiles& files, std::string_view name) {
  const auto found = files.find(std::string(name));
  if (found == files.end()) return NotFound("schema file '{}'", name);
  if (name == "sluice.capnp" || name.ends_with("/sluice.capnp")) {
    if (found->second == BuiltinSchema()) return std::vector<Contract>();
    return Invalid("{}: this file is built in, and differs from yours; remove yours", name);
  }
  try {
    SLUICE_ASSIGN_OR_RETURN(const auto compiled, internal::Compile(files, name));
    Translator translator(std::string(name), found->second);
    translator.Visit(compiled.root, 0);
    return std::move(translator).Finish();
  } catch (const kj::Exception& e) {
    return Invalid("{}:1:1: {}: {}", name, schema_codes::kSyntax, e.getDescription().cStr());
  } catch (const std::exception& e) {
    return Invalid("{}:1:1: {}: {}", name, schema_codes::kSyntax, e.what());
  }
}

}  // namespace sluice::event
