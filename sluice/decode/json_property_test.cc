// Random rows, sound and broken, against a slow decoder of a few lines over another parser.

#include <arrow/api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/decode/internal/cell_text.h"
#include "sluice/decode/json_decoder.h"

namespace sluice::decode {
namespace {

using event::Field;
using event::FieldType;
namespace dom = simdjson::dom;

// A row as both decoders tell it: column → value, or one error.
struct Row {
  std::map<std::string, std::string> values;
  std::string code;
  std::string path;
  bool operator==(const Row&) const = default;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.code << " " << row.path;
  for (const auto& [column, value] : row.values) *out << " " << column << "=" << value;
}

Row Failed(std::string_view code, std::string_view path) {
  return {{}, std::string(code), std::string(path)};
}

// ---- The reference.

// The text of a member's value, or the code of what is wrong; empty optional for null.
std::string_view Convert(const Field& field, dom::element value, std::string& out) {
  const bool number = value.is_number();
  switch (field.type) {
    case FieldType::kBool: {
      bool truth;
      if (value.get(truth)) return codes::kWrongType;
      out = truth ? "true" : "false";
      return "";
    }
    case FieldType::kFloat32:
    case FieldType::kFloat64: {
      double real;
      if (!number || value.get(real)) return codes::kWrongType;
      if (field.type == FieldType::kFloat32 && std::isinf(static_cast<float>(real)))
        return codes::kOutOfRange;
      out = field.type == FieldType::kFloat32 ? fmt::format("{}", static_cast<float>(real))
                                              : fmt::format("{}", real);
      return "";
    }
    case FieldType::kText:
    case FieldType::kEnum: {
      std::string_view text;
      if (value.get(text)) return codes::kWrongType;
      out = text;
      if (field.type == FieldType::kEnum && text != "one" && text != "two")
        return codes::kUnknownEnumerant;
      return "";
    }
    case FieldType::kUInt64: {
      if (!number || value.type() == dom::element_type::DOUBLE) return codes::kWrongType;
      uint64_t natural;
      if (value.get(natural)) return codes::kOutOfRange;
      out = std::to_string(natural);
      return "";
    }
    default:
      break;
  }
  static const std::map<FieldType, std::pair<int64_t, int64_t>> kRanges = {
      {FieldType::kInt8, {-128, 127}},
      {FieldType::kInt64,
       {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}},
      {FieldType::kUInt16, {0, 65'535}},
  };
  if (!number || value.type() == dom::element_type::DOUBLE) return codes::kWrongType;
  int64_t integer;
  const auto [minimum, maximum] = kRanges.at(field.type);
  if (value.get(integer) || integer < minimum || integer > maximum) return codes::kOutOfRange;
  out = std::to_string(integer);
  return "";
}

Row Reference(const event::Contract& contract, dom::element element) {
  dom::object object;
  if (element.get(object)) return Failed(codes::kNotObject, "");
  Row row;
  std::set<std::string> seen;
  std::string extra;
  for (const auto member : object) {
    const std::string name(member.key);
    const Field* field = nullptr;
    for (const Field& known : contract.fields) {
      if (known.name == name) field = &known;
    }
    if (!seen.insert(name).second) return Failed(codes::kRepeatedKey, name);
    if (field == nullptr) {
      extra += fmt::format("{}:{};", name, std::string(simdjson::minify(member.value)));
    } else if (!member.value.is_null()) {
      std::string text;
      const std::string_view code = Convert(*field, member.value, text);
      if (!code.empty()) return Failed(code, name);
      row.values[field->column] = text;
    }
  }
  if (!extra.empty()) row.values["_extra"] = extra;
  return row;
}

// ---- What the decoder made.

std::vector<Row> Rows(const Decoded& decoded) {
  std::vector<Row> rows(static_cast<size_t>(decoded.received));
  dom::parser parser;
  for (const TopicRows& topic : decoded.topics) {
    EXPECT_TRUE(topic.batch->ValidateFull().ok());
    for (size_t i = 0; i < topic.rows.size(); ++i) {
      Row& row = rows.at(static_cast<size_t>(topic.rows[i]));
      for (int column = 0; column < topic.batch->num_columns(); ++column) {
        const std::string& name = topic.batch->schema()->field(column)->name();
        const arrow::Array& array = *topic.batch->column(column);
        if (array.IsNull(static_cast<int64_t>(i)) || name == "event_time" ||
            name == "_schema_version")
          continue;
        std::string text = internal::CellText(array, static_cast<int64_t>(i));
        if (name == "_extra") {
          dom::object extra;
          EXPECT_FALSE(parser.parse(text).get(extra)) << text;
          std::string members;
          for (const auto member : extra) {
            members += fmt::format("{}:{};", std::string(member.key),
                                   std::string(simdjson::minify(member.value)));
          }
          text = members;
        }
        row.values[name] = text;
      }
    }
  }
  for (const RowError& error : decoded.errors) {
    rows.at(static_cast<size_t>(error.row)) = Failed(error.code, error.path);
  }
  return rows;
}

// ---- Random rows.

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  std::string_view OneOf(const std::vector<std::string_view>& items) {
    return items[Below(items.size())];
  }

  std::string Value(FieldType type) {
    if (Below(12) == 0)
      return std::string(OneOf({"null", "null", "true", "\"x\"", "12", "-1", "1.5", "[1]", "{}"}));
    switch (type) {
      case FieldType::kBool:
        return Below(2) == 0 ? "true" : "false";
      case FieldType::kEnum:
        return std::string(OneOf({"\"one\"", "\"two\"", "\"t\\u0077o\"", "\"three\""}));
      case FieldType::kText:
        return Text();
      case FieldType::kFloat32:
      case FieldType::kFloat64:
        return std::string(
            OneOf({"0", "-0.0", "1.5", "3.14159e-10", "1E+5", "123456789.123456789", "1e39", "7"}));
      default:
        return std::string(OneOf({"0", "1", "-1", "127", "128", "-128", "-129", "65535", "65536",
                                  "9223372036854775807", "9223372036854775808",
                                  "-9223372036854775808", "18446744073709551615", "1.0", "1e2"}));
    }
  }

  std::string Text() {
    std::string text = "\"";
    for (size_t count = Below(4) == 0 ? Below(400) : Below(20); count > 0; --count) {
      text += Below(30) == 0 ? OneOf({"\\n", "\\\"", "\\\\", "\\u00e4", "\\ud834\\udd1e", "é", "𝄞"})
                             : std::string_view("abcdefgh").substr(Below(8), 1);
    }
    return text + "\"";
  }

  std::string Row(const event::Contract& contract) {
    std::string row = "{";
    size_t next = Below(3) == 0 ? Below(contract.fields.size()) : 0;
    for (size_t count = Below(contract.fields.size() + 2); count > 0; --count) {
      if (row.size() > 1) row += OneOf({",", ",", ", ", " ,\t"});
      if (Below(8) == 0) {
        row += fmt::format("\"x{}\":", Below(40)) + Any(3);
        continue;
      }
      if (Below(10) == 0) next = Below(contract.fields.size());
      const Field& field = contract.fields[next++ % contract.fields.size()];
      std::string name = field.name;
      if (Below(20) == 0)
        name = fmt::format("\\u{:04x}{}", static_cast<int>(name[0]), name.substr(1));
      row += fmt::format("\"{}\"{}", name, OneOf({":", ":", " : "})) + Value(field.type);
    }
    row += "}";
    if (Below(8) == 0)
      row[Below(row.size())] =
          OneOf({"{", "}", "[", "]", "\"", ",", ":", "\\", "0", "e", "\t", "\xff"})[0];
    return row;
  }

 private:
  std::string Any(int depth) {
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
        return "{\"a\":" + Any(depth - 1) + ",\"a\":" + Any(depth - 1) + "}";
    }
  }

  std::mt19937 random_;
};

TEST(JsonPropertyTest, DecodesAsTheReferenceDoes) {
  auto compiled = event::CompileCapnp({{"t.capnp", R"(@0x9a41c6de07b35f18;
    using Sl = import "sluice.capnp";
    struct T $Sl.event("t") { flag @0 :Bool; small @1 :Int8; long @2 :Int64; port @3 :UInt16; big @4 :UInt64;
      f32 @5 :Float32; f64 @6 :Float64; text @7 :Text; note @8 :Text; kind @9 :Kind; }
    enum Kind { one @0; two @1; })"}},
                                      "t.capnp");
  ASSERT_TRUE(compiled.ok()) << compiled.error().ToString();
  const auto contract = std::make_shared<const event::Contract>(compiled->front());
  const ContractLookup lookup = [&](std::string_view) { return contract; };
  const os::Timestamp received = std::chrono::sys_days(std::chrono::year(2026) / 1 / 5);

  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Generator generate(seed);
  JsonDecoder decoder;
  dom::parser parser;
  for (int body_number = 0; body_number < 300; ++body_number) {
    const bool envelope = generate.Below(3) == 0;
    const Shape shape = envelope ? Shape::kEnvelope : Shape::kContent;
    std::vector<Row> expected;
    std::vector<Row> expected_of_valid;
    std::string lines;
    std::string array = "[";
    for (size_t count = generate.Below(100); count > 0; --count) {
      const std::string content = generate.Row(*contract);
      std::string row = content;
      if (envelope) {
        row = generate.Below(2) == 0 ? fmt::format("{{\"event\":\"t\",\"content\":{}}}", content)
                                     : fmt::format("{{\"content\":{},\"event\":\"t\"}}", content);
      }
      dom::element element;
      const auto error = parser.parse(row).get(element);
      // Numbers that the other parser cannot hold, and members that moved to the envelope: not its
      // matter.
      if (error == simdjson::BIGINT_ERROR || error == simdjson::NUMBER_ERROR) continue;
      if (error) {
        expected.push_back(Failed(codes::kSyntax, ""));
      } else {
        if (envelope && element.get_object().value_unsafe().size() != 2) continue;
        expected.push_back(
            Reference(*contract, envelope ? element["content"].value_unsafe() : element));
        expected_of_valid.push_back(expected.back());
        array += (array.size() > 1 ? "," : "") + row;
      }
      lines += row + "\n";
    }
    array += "]";

    for (std::string* body : {&lines, &array}) {
      const size_t size = body->size();
      body->append(JsonDecoder::kPaddingBytes, '{');
      const auto decoded = decoder.Decode(std::string_view(*body).substr(0, size),
                                          body == &lines ? Framing::kNdjson : Framing::kJson, shape,
                                          "t", lookup, received);
      ASSERT_TRUE(decoded.ok()) << decoded.error().ToString() << *body;
      const std::vector<Row> rows = Rows(*decoded);
      const auto& wanted = body == &lines ? expected : expected_of_valid;
      ASSERT_EQ(rows.size(), wanted.size());
      for (size_t i = 0; i < rows.size(); ++i)
        ASSERT_EQ(rows[i], wanted[i]) << "row " << i << " of " << *body;
    }
  }
}

// Bodies of any bytes: to come back, with what was received accounted for, is all that is asked.
TEST(JsonPropertyTest, ComesBackFromAnyBytes) {
  auto compiled = event::CompileCapnp(
      {{"t.capnp",
        "@0x9a41c6de07b35f18; using Sl = import \"sluice.capnp\"; struct T $Sl.event(\"t\") { "
        "at @0 :Text $Sl.eventTime; n @1 :Int32; mail @2 :Text $Sl.drop; }"}},
      "t.capnp");
  ASSERT_TRUE(compiled.ok());
  const auto contract = std::make_shared<const event::Contract>(compiled->front());
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Generator generate(seed);
  JsonDecoder decoder;
  const std::vector<std::string_view> pieces = {"{",
                                                "}",
                                                "[",
                                                "]",
                                                ",",
                                                ":",
                                                "\n",
                                                " ",
                                                "\"",
                                                "\\",
                                                "\\u",
                                                "d834",
                                                "\"at\":",
                                                "\"2026-01-05T00:00:00Z\"",
                                                "\"n\":",
                                                "1",
                                                "-",
                                                "1e5",
                                                "null",
                                                "true",
                                                "\"mail\":",
                                                "\"event\":\"t\"",
                                                "\"content\":",
                                                "\"metadata\":{",
                                                "\"published\":",
                                                "\"id\":",
                                                "\"data\":",
                                                "\"x\":[1]",
                                                std::string_view("\0", 1),
                                                "\xff",
                                                "\xEF\xBB\xBF"};
  for (int i = 0; i < 30'000; ++i) {
    std::string body;
    for (size_t count = generate.Below(24); count > 0; --count) body += generate.OneOf(pieces);
    const size_t size = body.size();
    body.append(JsonDecoder::kPaddingBytes, generate.OneOf({"\"", "\\", "}", " "})[0]);
    body.shrink_to_fit();
    for (const Framing framing : {Framing::kNdjson, Framing::kJson}) {
      for (const Shape shape : {Shape::kContent, Shape::kEnvelope}) {
        const auto decoded = decoder.Decode(
            std::string_view(body).substr(0, size), framing, shape, "t",
            [&](std::string_view) { return contract; },
            std::chrono::sys_days(std::chrono::year(2026) / 1 / 5));
        if (!decoded.ok()) {
          ASSERT_EQ(framing, Framing::kJson);
          continue;
        }
        int64_t rows = static_cast<int64_t>(decoded->errors.size());
        for (const TopicRows& topic : decoded->topics) rows += topic.batch->num_rows();
        ASSERT_EQ(rows, decoded->received) << body;
      }
    }
  }
}

}  // namespace
}  // namespace sluice::decode
