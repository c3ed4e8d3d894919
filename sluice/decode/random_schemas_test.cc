#include <fmt/format.h>

#include "sluice/decode/internal/random_schemas.h"

namespace sluice::decode::internal {

using event::Field;
using event::FieldType;
using event::TimeUnit;

std::string SchemaGenerator::Schema() {
  declared_.clear();
  names_ = 0;
  int ordinal = 0;
  const std::string members = Members(0, 1 + Below(8), ordinal, false);
  return fmt::format(
      "@0x9a41c6de07b35f18;\nusing Sl = import \"sluice.capnp\";\n"
      "struct T $Sl.event(\"t\") {{\n{}}}\n{}",
      members, declared_);
}

std::string SchemaGenerator::Members(int depth, size_t count, int& ordinal, bool alternatives) {
  std::string text;
  bool has_union = false;
  for (size_t i = 0; i < count; ++i) {
    const int name = names_++;
    if (depth < 3 && !alternatives && OneIn(12)) {
      text += fmt::format("  g{} :group {{\n{}  }}\n", name,
                          Members(depth + 1, 1 + Below(3), ordinal, false));
    } else if (depth < 3 && OneIn(12)) {
      text += fmt::format("  u{} :union {{\n{}  }}\n", name,
                          Members(depth + 1, 2 + Below(3), ordinal, true));
    } else if (depth < 3 && !alternatives && !has_union && OneIn(15)) {
      has_union = true;
      text += fmt::format("  union {{\n{}  }}\n", Members(depth + 1, 2 + Below(3), ordinal, true));
    } else if (alternatives && OneIn(4)) {
      text += fmt::format("  v{} @{} :Void;\n", name, ordinal++);
    } else {
      const int own = ordinal++;
      const std::string type = Type(depth);
      text += fmt::format("  f{} @{} :{}{};\n", name, own, type, Annotated(type, alternatives));
    }
  }
  return text;
}

std::string SchemaGenerator::Type(int depth) {
  if (depth < 3 && OneIn(5)) return fmt::format("List({})", Type(depth + 1));
  if (depth < 3 && OneIn(7)) {
    const int name = names_++;
    int ordinal = 0;
    std::string members = Members(depth + 1, 1 + Below(4), ordinal, false);
    declared_ += fmt::format("struct S{} {{\n{}}}\n", name, members);
    return fmt::format("S{}", name);
  }
  if (OneIn(8)) {
    const int name = names_++;
    declared_ += fmt::format("enum E{} {{ one @0; two @1; three @2; }}\n", name);
    return fmt::format("E{}", name);
  }
  return std::string(OneOf({"Bool", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32",
                            "UInt64", "Float32", "Float64", "Text", "Text", "Text", "Data"}));
}

std::string SchemaGenerator::Annotated(std::string_view type, bool alternative) {
  std::string text;
  if (!alternative && OneIn(6)) {
    if (type == "Bool") return " = true";
    if (type.starts_with("Int")) return " = -7";
    if (type.starts_with("UInt")) return " = 200";
    if (type.starts_with("Float")) return " = 0.25";
    if (type == "Text") return " = \"a\\\"b\"";
    if (type == "Data") return " = 0x\"01 02 ff\"";
    if (type.starts_with("E")) return " = two";
  }
  const std::string_view inner = type.find("(Text)") != type.npos ? "Text" : type;
  if (inner == "Text" && OneIn(2)) {
    text = OneOf({" $Sl.timestamp(rfc3339)", " $Sl.uuid", " $Sl.decimal(precision = 6, scale = 2)",
                  " $Sl.decimal(precision = 38, scale = 10)"});
  } else if ((type == "Int64" || type == "UInt32") && OneIn(2)) {
    text = OneOf({" $Sl.timestamp(seconds)", " $Sl.timestamp(milliseconds)",
                  " $Sl.timestamp(microseconds)", " $Sl.timestamp(nanoseconds)"});
  }
  if (inner == "Text" && text.empty() && OneIn(4)) {
    text = OneOf({" $Sl.pii(\"contact\") $Sl.hash(hmacSha256) $Sl.joinGroup(\"g\")",
                  " $Sl.tokenize", " $Sl.mask(4)", " $Sl.pii(\"name\") $Sl.drop",
                  " $Sl.generalise(\"prefix 3\")", " $Sl.hash(sha256) $Sl.unkeyed(\"random\")"});
  }
  if (!alternative && OneIn(12)) text += " $Sl.required";
  return text;
}

std::string SchemaGenerator::Row(const std::vector<Field>& fields) {
  std::string row = Object(fields, 0);
  // Inside a string the reference would have to know what the other text means.
  const size_t at = Below(row.size());
  if (OneIn(10) && std::string_view("{}[],:").find(row[at]) != std::string_view::npos) {
    row[at] = OneOf({"{", "}", "[", "]", "\"", ",", ":", "\\", "0", "e", "\t", "\xff"})[0];
  }
  return row;
}

std::string SchemaGenerator::Object(const std::vector<Field>& fields, int depth) {
  std::string text = "{";
  const auto add = [&](const std::string& name, const std::string& value) {
    if (text.size() > 1) text += OneOf({",", ",", ", ", " ,\t"});
    text += fmt::format("\"{}\"{}{}", name, OneOf({":", ":", " : "}), value);
  };
  size_t chosen = SIZE_MAX;
  std::vector<size_t> alternatives;
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].alternative) alternatives.push_back(i);
  }
  if (!alternatives.empty() && !OneIn(6)) chosen = alternatives[Below(alternatives.size())];
  const size_t first = OneIn(3) ? Below(fields.size()) : 0;
  for (size_t k = 0; k < fields.size(); ++k) {
    const size_t i = (first + k) % fields.size();
    const Field& field = fields[i];
    if (field.type == FieldType::kWhich) continue;
    if (field.alternative && i != chosen && !OneIn(30)) {
      if (OneIn(4)) add(field.name, "null");
      continue;
    }
    if (!field.required && !field.alternative && OneIn(6)) continue;
    if (field.required && OneIn(60)) continue;
    std::string name = field.name;
    if (OneIn(40)) name = fmt::format("\\u{:04x}{}", static_cast<int>(name[0]), name.substr(1));
    add(name, Value(field, depth));
    if (OneIn(150)) add(field.name, Value(field, depth));
    if (OneIn(15)) add(fmt::format("x{}", names_++), Any(2));
  }
  return text + "}";
}

std::string SchemaGenerator::Value(const Field& field, int depth) {
  if (OneIn(80)) {
    return std::string(OneOf({"true", "\"x\"", "12", "-1", "1.5", "[1]", "{}", "[]", "1e400x"}));
  }
  if (OneIn(15)) return "null";
  switch (field.type) {
    case FieldType::kBool:
      return OneIn(2) ? "true" : "false";
    case FieldType::kVoid:
      return "null";
    case FieldType::kEnum:
      return std::string(OneOf({"\"one\"", "\"two\"", "\"t\\u0077o\"", "\"three\"", "\"one\"",
                                "\"two\"", "\"three\"", OneIn(10) ? "\"four\"" : "\"one\""}));
    case FieldType::kText:
      return Text();
    case FieldType::kData:
      return std::string(
          OneOf({"\"\"", "\"AA==\"", "\"AQID\"", "\"////\"", "\"AQID\\u0041A==\"",
                 OneIn(10) ? "\"A\"" : "\"AA==\"", OneIn(10) ? "\"A A=\"" : "\"\""}));
    case FieldType::kUuid:
      return std::string(OneOf({"\"0b0c7a52-6d0e-4b52-9a41-0d7b7a1f6a11\"",
                                "\"0B0C7A52-6D0E-4B52-9A41-0D7B7A1F6A11\"",
                                OneIn(10) ? "\"0b0c7a526d0e4b529a410d7b7a1f6a11\""
                                          : "\"00000000-0000-0000-0000-000000000000\"",
                                OneIn(10) ? "\"0b0c7a52-6d0e-4b52-9a41-0d7b7a1f6a1g\""
                                          : "\"ffffffff-ffff-ffff-ffff-ffffffffffff\""}));
    case FieldType::kTimestamp:
      if (field.unit == TimeUnit::kRfc3339) {
        return std::string(
            OneOf({"\"2026-01-05T00:00:00Z\"", "\"2026-01-05T01:00:00.25+01:00\"",
                   "\"1969-12-31T23:59:59.5Z\"", "\"9999-12-31T23:59:59Z\"",
                   OneIn(10) ? "\"0000-01-01T00:00:00Z\"" : "\"0001-01-01T00:00:00Z\"",
                   OneIn(10) ? "\"2026-01-05T00:00:00\"" : "\"1970-01-01T00:00:00Z\"",
                   OneIn(10) ? "\"yesterday\"" : "\"1970-01-01T00:00:00Z\""}));
      }
      return std::string(
          OneOf({"0", "1", "-1", "1767571200", "-1001", "-999", "1999",
                 OneIn(10) ? "9223372036854775807" : "5", OneIn(10) ? "-9223372036854775808" : "6",
                 OneIn(10) ? "1.5" : "7"}));
    case FieldType::kDecimal:
      return std::string(OneOf(
          {"\"0\"", "\"-0\"", "\"12.34\"", "\"-9999.99\"", "\"1e2\"", "\"0.10\"", "12.25", "-3",
           "0.5", "\"1E-2\"", "\"100.000\"", OneIn(10) ? "\"0.0000000000123\"" : "1",
           OneIn(10) ? "\"123456789012345678901234567890\"" : "2", OneIn(10) ? "\"12,5\"" : "3",
           OneIn(10) ? "\"\"" : "4", OneIn(10) ? "\"1.\"" : "5"}));
    case FieldType::kStruct:
      return Object(field.children, depth + 1);
    case FieldType::kList: {
      std::string text = "[";
      for (size_t count = Below(OneIn(10) ? 40 : 5); count > 0; --count) {
        if (text.size() > 1) text += OneOf({",", ", "});
        text += Value(field.children[0], depth + 1);
      }
      return text + "]";
    }
    case FieldType::kFloat32:
    case FieldType::kFloat64:
      return std::string(OneOf({"0", "-0.0", "1.5", "3.14159e-10", "1E+5", "123456789.123456789",
                                OneIn(10) ? "1e39" : "8", "7"}));
    default:
      return std::string(
          OneOf({"0", "1", "100", "127", "0", "1", "100", OneIn(6) ? "128" : "2",
                 OneIn(6) ? "-1" : "3", OneIn(10) ? "-129" : "3", OneIn(10) ? "65536" : "4",
                 OneIn(10) ? "9223372036854775808" : "5", OneIn(10) ? "18446744073709551615" : "6",
                 OneIn(10) ? "1.0" : "7"}));
  }
}

std::string SchemaGenerator::Text() {
  std::string text = "\"";
  for (size_t count = OneIn(6) ? Below(300) : Below(12); count > 0; --count) {
    text += OneIn(20) ? OneOf({"\\n", "\\\"", "\\\\", "\\u00e4", "\\ud834\\udd1e", "é", "𝄞"})
                      : std::string_view("abcdefgh").substr(Below(8), 1);
  }
  return text + "\"";
}

std::string SchemaGenerator::Any(int depth) {
  switch (Below(depth > 0 ? 6 : 4)) {
    case 0:
      return Text();
    case 1:
      return "-1.5e3";
    case 2:
      return "null";
    case 3:
      return "true";
    case 4:
      return "[" + Any(depth - 1) + ", " + Any(depth - 1) + "]";
    default:
      return "{\"a\":" + Any(depth - 1) + ",\"b\":" + Any(depth - 1) + "}";
  }
}

}  // namespace sluice::decode::internal
