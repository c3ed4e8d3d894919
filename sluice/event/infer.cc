#include "sluice/event/infer.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cctype>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "sluice/base/crc32c.h"
#include "sluice/event/contract.h"

namespace sluice::event {

namespace {

constexpr int64_t kRowsMax = 100'000;
constexpr size_t kFieldsMax = 1'000;
constexpr int kDepthMax = 16;

enum class Kind : uint8_t { kUnseen, kBool, kInteger, kFloat, kText, kObject, kList };

constexpr std::string_view kKindNames[] = {"nothing",  "a boolean", "a number", "a number",
                                           "a string", "an object", "an array"};

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0)
      return false;
  }
  return true;
}

// Only the form: `2026-01-05T00:00:00`, a fraction or not, and a zone.
bool IsTime(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < kForm.size() + 1) return false;
  for (size_t i = 0; i < kForm.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kForm[i] == 'd' ? !digit : text[i] != kForm[i]) return false;
  }
  text.remove_prefix(kForm.size());
  if (text[0] == '.') {
    const size_t end = text.find_first_not_of("0123456789", 1);
    if (end == std::string_view::npos || end < 2 || end > 10) return false;
    text.remove_prefix(end);
  }
  return text == "Z" || (text.size() == 6 && (text[0] == '+' || text[0] == '-') && text[3] == ':');
}

// What was seen of one member.
struct Shape {
  Kind kind = Kind::kUnseen;
  int64_t minimum = std::numeric_limits<int64_t>::max();
  int64_t maximum = std::numeric_limits<int64_t>::min();
  bool huge = false;  // Integers beyond Int64.
  bool times = true;
  bool uuids = true;
  std::vector<std::string> names;  // Of an object's members, as first seen.
  std::map<std::string, std::unique_ptr<Shape>> members;
  std::unique_ptr<Shape> element;
};

class Inference {
 public:
  Status See(simdjson::dom::element value, Shape& shape, const std::string& path, int depth) {
    if (depth > kDepthMax) return Invalid("'{}' is nested deeper than {} levels", path, kDepthMax);
    if (value.is_null()) return {};
    bool truth;
    std::string_view text;
    simdjson::dom::object object;
    simdjson::dom::array array;
    int64_t number;
    if (!value.get(truth)) return Become(shape, Kind::kBool, path);
    if (!value.get(number)) {
      shape.minimum = std::min(shape.minimum, number);
      shape.maximum = std::max(shape.maximum, number);
      return Become(shape, Kind::kInteger, path);
    }
    if (value.is<uint64_t>()) {
      shape.huge = true;
      return Become(shape, Kind::kInteger, path);
    }
    if (value.is_double()) return Become(shape, Kind::kFloat, path);
    if (!value.get(text)) {
      shape.times = shape.times && IsTime(text);
      shape.uuids = shape.uuids && IsUuid(text);
      return Become(shape, Kind::kText, path);
    }
    if (!value.get(array)) {
      SLUICE_RETURN_IF_ERROR(Become(shape, Kind::kList, path));
      if (shape.element == nullptr) shape.element = std::make_unique<Shape>();
      for (const simdjson::dom::element item : array) {
        SLUICE_RETURN_IF_ERROR(See(item, *shape.element, path + "[]", depth + 1));
      }
      return {};
    }
    if (value.get(object)) return Invalid("'{}' is of no known kind", path);
    SLUICE_RETURN_IF_ERROR(Become(shape, Kind::kObject, path));
    for (const auto member : object) {
      const std::string name(member.key);
      auto& inner = shape.members[name];
      if (inner == nullptr) {
        if (++fields_ > kFieldsMax) return Invalid("more than {} fields", kFieldsMax);
        inner = std::make_unique<Shape>();
        shape.names.push_back(name);
      }
      SLUICE_RETURN_IF_ERROR(
          See(member.value, *inner, path.empty() ? name : path + "." + name, depth + 1));
    }
    return {};
  }

 private:
  Status Become(Shape& shape, Kind kind, const std::string& path) {
    const bool numbers = (shape.kind == Kind::kInteger && kind == Kind::kFloat) ||
                         (shape.kind == Kind::kFloat && kind == Kind::kInteger);
    if (shape.kind == Kind::kUnseen || shape.kind == kind) {
      shape.kind = kind;
    } else if (numbers) {
      shape.kind = Kind::kFloat;
    } else {
      return Invalid("'{}' is {} in one row and {} in another: no type takes both", path,
                     kKindNames[static_cast<size_t>(shape.kind)],
                     kKindNames[static_cast<size_t>(kind)]);
    }
    return {};
  }

  size_t fields_ = 0;
};

// `user_id`, `user-id` and `UserID` → `userId`, `userId` and `userID`.
std::string Identifier(std::string_view name) {
  std::string out;
  bool upper = false;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || std::isalnum(byte) == 0) {
      upper = !out.empty();
      continue;
    }
    if (out.empty() && std::isdigit(byte) != 0) out = "field";
    out += static_cast<char>(upper ? std::toupper(byte) : byte);
    upper = false;
  }
  if (out.empty()) out = "field";
  out[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(out[0])));
  return out;
}

// `text` as a literal of Cap'n Proto, which does not know JSON's \\u.
std::string Literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\x{:02x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

// What a schema itself uses: a struct of that name would stand before it.
constexpr std::string_view kTypes[] = {
    "Void",   "Bool",    "Int8",    "Int16", "Int32", "Int64", "UInt8",      "UInt16", "UInt32",
    "UInt64", "Float32", "Float64", "Text",  "Data",  "List",  "AnyPointer", "Sl"};

class Writer {
 public:
  std::string Struct(const Shape& shape, std::string_view name, std::string_view annotation,
                     const std::string& indent) {
    std::string out = fmt::format("{}struct {}{} {{\n", indent, name, annotation);
    std::string nested;
    std::set<std::string> taken;
    std::set<std::string, std::less<>> types(std::begin(kTypes), std::end(kTypes));
    int ordinal = 0;
    for (const std::string& member : shape.names) {
      const std::string wanted = Identifier(member);
      std::string identifier = wanted;
      for (int i = 2; !taken.insert(ColumnName(identifier)).second; ++i) {
        identifier = wanted + std::to_string(i);
      }
      std::string type_name = identifier;
      type_name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(type_name[0])));
      while (!types.insert(type_name).second) type_name += "Type";
      std::string notes;
      if (identifier != member) {
        notes = fmt::format(" $Sl.name({})", Literal(member));
      }
      const std::string type =
          Type(*shape.members.at(member), type_name, notes, nested, indent + "  ");
      out += fmt::format("{}  {} @{} :{}{};\n", indent, identifier, ordinal++, type, notes);
    }
    return out + nested + indent + "}\n";
  }

 private:
  std::string Type(const Shape& shape, const std::string& name, std::string& notes,
                   std::string& nested, const std::string& indent) {
    switch (shape.kind) {
      case Kind::kBool:
        return "Bool";
      case Kind::kInteger:
        // Int64 even where all were small: the next one may not be, and a column stays as it is.
        return shape.huge && shape.minimum >= 0 ? "UInt64" : shape.huge ? "Float64" : "Int64";
      case Kind::kFloat:
        return "Float64";
      case Kind::kObject:
        if (shape.names.empty()) break;
        nested += Struct(shape, name, "", indent);
        return name;
      case Kind::kList:
        return fmt::format("List({})", Type(*shape.element, name, notes, nested, indent));
      case Kind::kText:
        if (shape.times) notes += " $Sl.timestamp(rfc3339)";
        if (shape.uuids) notes += " $Sl.uuid";
        return "Text";
      case Kind::kUnseen:
        break;
    }
    return "Text";  // Nothing was ever seen in it.
  }
};

}  // namespace

Result<std::string> InferSchema(std::string_view ndjson, std::string_view topic) {
  SLUICE_RETURN_IF_ERROR(CheckTopicName(topic));
  simdjson::dom::parser parser;
  Inference inference;
  Shape root;
  int64_t line = 0;
  int64_t rows = 0;
  while (!ndjson.empty()) {
    ++line;
    const size_t end = std::min(ndjson.find('\n'), ndjson.size());
    const std::string_view text = ndjson.substr(0, end);
    ndjson.remove_prefix(std::min(end + 1, ndjson.size()));
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (++rows > kRowsMax) break;
    simdjson::dom::element element;
    const auto parsed = parser.parse(text.data(), text.size()).get(element);
    if (parsed != simdjson::SUCCESS || !element.is_object()) {
      return Invalid("line {} is no JSON object", line);
    }
    SLUICE_RETURN_IF_ERROR(inference.See(element, root, "", 0), "line {}", line);
  }
  if (root.names.empty()) return Invalid("there is no row with a member to infer from");

  std::string name;
  for (const char c : Identifier(topic)) {
    name += name.empty() ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
  }
  const uint64_t hash = Crc32c(std::as_bytes(std::span(topic.data(), topic.size())));
  const uint64_t id = 1ull << 63 | hash << 24 | (hash * 0x9E3779B1u & 0xffffff);
  return fmt::format("@{:#018x};\nusing Sl = import \"sluice.capnp\";\n\n{}", id,
                     Writer().Struct(root, name, fmt::format(" $Sl.event(\"{}\")", topic), ""));
}

}  // namespace sluice::event
