#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/text_mutator.h"
#include "sluice/event/compatibility.h"
#include "sluice/event/contract.h"
#include "sluice/event/internal/contract_outline.h"
#include "sluice/event/internal/mutated_schemas.h"

namespace sluice::event {
namespace {

constexpr std::string_view kOrder = R"({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "An order",
  "x-sluice": {"event": "shop.orders", "retain": "30d"},
  "type": "object",
  "required": ["orderId"],
  "properties": {
    "orderId": {"type": "string", "format": "uuid", "x-sluice": {"id": true}},
    "items": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
    "total": {"type": "string", "x-sluice": {"decimal": {"precision": 10, "scale": 2}}},
    "at": {"type": "integer", "x-sluice": {"eventTime": true, "timestamp": "milliseconds"}},
    "seen": {"type": "array", "items": {"type": "string", "format": "date-time"}},
    "kind": {"enum": ["new", "used", null]},
    "state": {"const": "paid"},
    "small": {"type": "integer", "minimum": 0, "maximum": 255, "default": 7},
    "ratio": {"type": ["number", "null"], "format": "float"},
    "photo": {"type": "string", "contentEncoding": "base64"},
    "currency": {"type": "string", "default": "EUR"},
    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    "payment": {"oneOf": [
      {"properties": {"card": {"$ref": "#/$defs/Card"}}, "required": ["card"]},
      {"properties": {"cash": {"type": "null"}}, "required": ["cash"]}]}
  },
  "$defs": {
    "Item": {"type": "object", "required": ["sku"],
             "properties": {"sku": {"type": "string"}, "count": {"type": "integer", "format": "uint16"}}},
    "Card": {"type": "object", "properties": {"last4": {"type": "string", "x-sluice": {"drop": true}}}}
  }
})";

Result<std::vector<Contract>> Compile(std::string_view text) {
  return CompileSchema({{"t.json", std::string(text)}}, "t.json");
}

// A schema with one property `x`, on line 3, beside what `root` adds.
std::string WithField(std::string_view schema, std::string_view root = "") {
  return fmt::format(
      "{{\"x-sluice\": {{\"event\": \"a\"}}, \"type\": \"object\",\n{}\"properties\": {{\n"
      "  \"x\": {}}}}}",
      root, schema);
}

std::string Complaint(std::string_view text) {
  const auto result = Compile(text);
  return result.ok() ? "compiles" : result.error().ToString();
}

TEST(CompileJsonSchemaTest, MakesTheSameContractAsCapnp) {
  const auto json = Compile(kOrder);
  ASSERT_TRUE(json.ok()) << json.error().ToString();
  const Contract& contract = json->front();
  EXPECT_EQ(contract.topic, "shop.orders");
  EXPECT_EQ(contract.table, "shop_orders");
  EXPECT_EQ(contract.retain, "30d");
  EXPECT_EQ(contract.source, kOrder);
  EXPECT_EQ(contract.unknown, UnknownFields::kKeep);
  EXPECT_EQ(internal::Outline(contract.fields),
            "order_id:Uuid! items:List(element:Struct(sku:Text! count:UInt16)) total:Decimal "
            "at:Timestamp seen:List(element:Timestamp) kind:Enum state:Enum small:UInt8=7 "
            "ratio:Float32 photo:Data currency:Text=\"EUR\" note:Text "
            "payment:Struct(card:Struct?(last4:Text) cash:Void? which:Which)");
  EXPECT_EQ(contract.fields[5].enumerants, (std::vector<std::string>{"new", "used"}));
  EXPECT_EQ(contract.fields[12].children[2].enumerants, (std::vector<std::string>{"card", "cash"}));
  EXPECT_EQ(contract.fields[12].children[0].children[0].privacy.action, PrivacyAction::kDrop);

  auto capnp = CompileSchema({{"t.capnp", R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Order $Sl.event("shop.orders") $Sl.retain("30d") {
  orderId @0 :Text $Sl.id $Sl.uuid $Sl.required;
  items @1 :List(Item);
  total @2 :Text $Sl.decimal(precision = 10, scale = 2);
  at @3 :Int64 $Sl.eventTime $Sl.timestamp(milliseconds);
  seen @4 :List(Text) $Sl.timestamp(rfc3339);
  kind @5 :Kind; state @6 :State; small @7 :UInt8 = 7; ratio @8 :Float32; photo @9 :Data;
  currency @10 :Text = "EUR"; note @11 :Text;
  payment :union { card @12 :Card; cash @13 :Void; }
  struct Item { sku @0 :Text $Sl.required; count @1 :UInt16; }
  struct Card { last4 @0 :Text $Sl.drop; }
  enum Kind { new @0; used @1; }
  enum State { paid @0; }
})"}},
                             "t.capnp");
  ASSERT_TRUE(capnp.ok()) << capnp.error().ToString();
  // The same but for the text and the numbers of the fields.
  const std::function<void(std::vector<Field>&)> forget = [&](std::vector<Field>& fields) {
    for (Field& field : fields) {
      field.id = 0;
      forget(field.children);
    }
  };
  Contract one = contract;
  Contract other = capnp->front();
  for (Contract* each : {&one, &other}) {
    each->source.clear();
    forget(each->fields);
  }
  EXPECT_EQ(one, other);
  const auto back = FromJson(ToJson(contract));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, contract);
}

TEST(CompileJsonSchemaTest, AUnionBesidePropertiesHasNoName) {
  constexpr std::string_view kUnion =
      R"("oneOf": [{"properties": {"web": {"type": "string"}}, "required": ["web"]},
                   {"properties": {"shop": {"type": "null"}}, "required": ["shop"]}])";
  const auto contracts = Compile(
      fmt::format(R"({{"x-sluice": {{"event": "a"}}, "properties": {{"x": {{"type": "integer"}},
                       "in": {{"properties": {{"y": {{"type": "string"}}}}, {0}}}}}, {0}}})",
                  kUnion));
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  EXPECT_EQ(internal::Outline(contracts->front().fields),
            "x:Int64 in:Struct(y:Text web:Text? shop:Void? which:Which) web:Text? shop:Void? "
            "which:Which");
  EXPECT_EQ(
      Complaint(WithField(R"({"type": "string"})", "\"oneOf\": [],\n")),
      "t.json:1:1: SL1109: the event: oneOf stands for a union here: objects with one property "
      "each, which is required (unsupported)");
  EXPECT_EQ(Complaint(WithField(R"({"properties": {"w": {"type": "string"}}, "oneOf": [
                {"properties": {"w": {"type": "string"}}, "required": ["w"]}]})")),
            "t.json:4:33: SL1103: two fields of field 'x' would both have the name 'w' in events\n"
            "t.json:4:33: SL1103: fields 'x.w' and 'x.w' would both be column 'w' (invalid)");
}

TEST(CompileJsonSchemaTest, HasEveryAnnotation) {
  const auto contracts = Compile(R"({"x-sluice": {"event": "a.b"}, "type": "object", "properties": {
    "email": {"type": "string", "x-sluice": {"pii": "contact", "hash": "hmacSha256",
              "joinGroup": "mail", "normalise": ["trim", "lower"]}},
    "name": {"type": "string", "x-sluice": {"tokenize": true, "ordinal": 4}},
    "note": {"type": "string", "x-sluice": {"encrypt": true}},
    "user": {"type": "integer", "x-sluice": {"subject": true, "key": true, "drop": false}},
    "card": {"type": "string", "x-sluice": {"mask": 4}},
    "born": {"type": "string", "x-sluice": {"generalise": "year"}},
    "größe": {"type": "string", "x-sluice": {"column": "size"}},
    "mails": {"type": "array", "items": {"type": "string", "x-sluice": {"hash": "hmacSha256"}}},
    "code": {"type": "string", "x-sluice": {"hash": "sha256", "unkeyed": "random ids"}}}})");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  const Contract& contract = contracts->front();
  std::vector<std::string> rules;
  for (const Field& field : contract.fields) rules.push_back(ToString(field.privacy));
  EXPECT_EQ(rules, (std::vector<std::string>{"hash group=mail trim lower", "tokenize", "encrypt",
                                             "none", "mask keep=4", "generalise to=year", "none",
                                             "hash", "hash unkeyed"}));
  EXPECT_EQ(contract.fields[0].pii, "contact");
  EXPECT_TRUE(contract.fields[3].subject);
  EXPECT_EQ(contract.key_field, 3u);
  EXPECT_EQ(contract.fields[6].column, "size");
  EXPECT_EQ(JoinGroup(contract, {1}), "a.b#4");
}

TEST(CompileJsonSchemaTest, FieldsKeepTheirNumbersWhereverTheyStand) {
  const auto compile = [](std::string_view properties) {
    return Compile(
               fmt::format(R"({{"x-sluice": {{"event": "a"}}, "properties": {{{}}}}})", properties))
        ->front();
  };
  const Contract before = compile(R"("a": {"type": "string"}, "b": {"type": "integer"})");
  const Contract after =
      compile(R"("c": {"type": "number"}, "b": {"type": "integer"}, "a": {"type": "string"})");
  EXPECT_EQ(before.fields[0].id, after.fields[2].id);
  EXPECT_TRUE(CheckSuccessor(before, after).ok());
  EXPECT_FALSE(CheckSuccessor(before, compile(R"("a": {"type": "integer"})")).ok());
  // From Cap'n Proto, with its numbers given.
  auto capnp = CompileSchema({{"t.capnp",
                               "@0x9a41c6de07b35f18;\nusing Sl = import \"sluice.capnp\";\n"
                               "struct A $Sl.event(\"a\") { a @0 :Text; b @1 :Int64; }"}},
                             "t.capnp");
  ASSERT_TRUE(capnp.ok());
  EXPECT_FALSE(CheckSuccessor(capnp->front(), before).ok());
  EXPECT_TRUE(
      CheckSuccessor(capnp->front(), compile(R"("a": {"type": "string", "x-sluice": {"ordinal": 0}},
                                        "b": {"type": "integer", "x-sluice": {"ordinal": 1}})"))
          .ok());
}

TEST(CompileJsonSchemaTest, RefersToOtherFiles) {
  const std::string common = R"({"$defs": {"Address": {"type": "object", "properties": {
      "street": {"type": "string"}, "zip": {"$ref": "#/$defs/Zip"}}},
      "Zip": {"type": "string", "x-sluice": {"mask": 2}}}})";
  const SchemaFiles files = {
      {"orders/t.json", WithField(R"({"$ref": "../common.json#/$defs/Address"})")},
      {"common.json", common}};
  const auto contracts = CompileSchema(files, "orders/t.json");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  EXPECT_EQ(internal::Outline(contracts->front().fields), "x:Struct(street:Text zip:Text)");
  EXPECT_EQ(contracts->front().fields[0].children[1].privacy.keep, 2);
  const auto none = CompileSchema(files, "common.json");
  ASSERT_TRUE(none.ok()) << none.error().ToString();
  EXPECT_TRUE(none->empty());
}

TEST(CompileJsonSchemaTest, ClosedObjectsRefuseOthers) {
  const std::string closed = "\"additionalProperties\": false,\n";
  EXPECT_EQ(Compile(WithField(R"({"type": "string"})", closed))->front().unknown,
            UnknownFields::kError);
  EXPECT_EQ(Complaint(WithField(R"({"properties": {"y": {"type": "string"}},
                                    "additionalProperties": false})")),
            "t.json:4:61: SL1109: field 'x': additionalProperties is false here and not for the "
            "event; it holds for all of it, so say it there (unsupported)");
}

TEST(CompileJsonSchemaTest, SaysWhatIsWrongAndWhere) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"type": "strin"})", "3:8: SL1102: field 'x' has type 'strin', which is none"},
      {R"({})", "3:8: SL1102: field 'x' has no type"},
      {R"(true)", "3:8: SL1102: field 'x': a schema is an object with a type, found a boolean"},
      {R"({"type": ["string", "integer"]})", "field 'x' may be string or integer"},
      {R"({"type": "string", "pattern": "^a"})",
       "3:38: SL1109: field 'x': pattern is not checked when events come"},
      {R"({"type": "integer", "minimum": 1})", "3:39: SL1109: field 'x': minimum is not checked"},
      {R"({"type": "integer", "format": "int128"})", "format takes int8 to int64"},
      {R"({"type": "string", "maxLenght": 5})", "did you mean 'maxLength'?"},
      {R"({"type": "array"})", "SL1102: field 'x': an array needs items"},
      {R"({"type": "array", "items": {"type": "string"}, "prefixItems": []})",
       "prefixItems cannot be told in columns"},
      {R"({"type": "object"})", "SL1102: field 'x': an object needs properties"},
      {R"({"type": "object", "properties": {"a": {"type": "string"}}, "patternProperties": {}})",
       "SL1109: field 'x': patternProperties"},
      {R"({"allOf": [{"type": "string"}]})", "allOf is not checked"},
      {R"({"anyOf": [{"type": "string"}, {"type": "integer"}]})", "may be one of several things"},
      {R"({"oneOf": [{"type": "string"}, {"type": "integer"}]})", "oneOf stands for a union"},
      {R"({"$ref": "#/$defs/None"})", "3:17: SL1109: field 'x': $ref '#/$defs/None' leads nowhere"},
      {R"({"$ref": "https://example.com/a.json"})", "is never fetched"},
      {R"({"$ref": "#/properties/x"})", "leads from schema to schema without an end"},
      {R"({"$ref": "#"})", "holds the schema that it stands in"},
      {R"({"$ref": "#/$defs/A", "type": "string"})", "type stands beside $ref"},
      {R"({"enum": [1, 2]})", "enum takes strings"},
      {R"({"type": "integer", "enum": [1]})", "enum is for strings here, found integer"},
      {R"({"type": "string", "items": {}})", "items says nothing about type string"},
      {R"({"type": "null"})", "null alone"},
      {R"({"type": "string", "default": 5})", "its default is no value of Text"},
      {R"({"type": "integer", "format": "int8", "default": 200})", "no value of Int8"},
      {R"({"type": "string", "x-sluice": {"tokenise": true}})",
       "SL1104: field 'x': x-sluice has no 'tokenise'; did you mean 'tokenize'?"},
      {R"({"type": "string", "x-sluice": {"hash": true}})",
       "SL1104: field 'x': hash takes a string, found a boolean"},
      {R"({"type": "string", "x-sluice": {"hash": "md5"}})", "\"hmacSha256\", \"sha256\""},
      {R"({"type": "number", "x-sluice": {"hash": "hmacSha256"}})", "SL1106: field 'x': hash"},
      {R"({"type": "string", "x-sluice": {"encrypt": true}})",
       "exactly one field annotated subject"},
      {R"({"type": "object", "properties": {"y": {"type": "string", "x-sluice": {"id": true}}}})",
       "stand on fields of the event itself"},
      {R"({"type": "string"}, "event_date": {"type": "string"})", "SL1103"},
      {R"({"type": "string"}, "X": {"type": "string"})", "would both be column 'x'"},
      {R"({"type": "string"}, "é": {"type": "string"})", "its name makes no good column"},
      {R"({"type": "string"}, "x": {"type": "string"})", "SL1101: the key 'x' comes twice"},
      {R"({"type": "string",})", "SL1101: no JSON: "},
      {R"({"type": "string"} "y": 1)", "SL1101: no JSON: "},
  };
  for (const auto& [schema, complaint] : cases) {
    const std::string found = Complaint(WithField(schema));
    EXPECT_NE(found.find(complaint), std::string::npos) << schema << "\n" << found;
    EXPECT_EQ(found.find("t.json:"), 0u) << schema << "\n" << found;
  }
}

TEST(CompileJsonSchemaTest, RequiresWhatItCan) {
  const auto with = [](std::string_view schema) {
    return WithField(schema, R"("required": ["x"],)");
  };
  EXPECT_TRUE(Compile(with(R"({"type": "string"})"))->front().fields[0].required);
  EXPECT_NE(Complaint(with(R"({"type": ["string", "null"]})")).find("may be null"),
            std::string::npos);
  EXPECT_NE(Complaint(with(R"({"type": "string", "default": "a"})")).find("has a default"),
            std::string::npos);
  EXPECT_NE(Complaint(WithField(R"({"type": "string"})", R"("required": ["y"],)"))
                .find("which properties lack"),
            std::string::npos);
}

TEST(CompileJsonSchemaTest, LetsPassWhatTheSchemaKnowsIsUnchecked) {
  const std::string text = R"({"x-sluice": {"event": "a", "unchecked": ["pattern", "minimum"]},
    "properties": {"x": {"type": "string", "pattern": "^a"},
                   "y": {"type": "integer", "minimum": 1}}})";
  ASSERT_TRUE(Compile(text).ok()) << Complaint(text);
  EXPECT_NE(Complaint(R"({"x-sluice": {"event": "a", "unchecked": ["type"]},
                          "properties": {"x": {"type": "string"}}})")
                .find("unchecked lists keywords that promise"),
            std::string::npos);
  EXPECT_EQ(Complaint(R"({"$schema": "http://json-schema.org/draft-07/schema#",
                          "x-sluice": {"event": "a"}, "properties": {"x": {"type": "string"}}})"),
            "t.json:1:13: SL1109: $schema is \"http://json-schema.org/draft-07/schema#\", expected "
            "\"https://json-schema.org/draft/2020-12/schema\" (unsupported)");
}

TEST(CompileJsonSchemaTest, TenThousandChangedTextsGetAContractOrAnErrorWithAPlace) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  const std::vector<std::string> pieces = {
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      "\"",
      "null",
      "true",
      "1e999",
      "-0",
      "\\u0000",
      "\\ud800",
      "\"type\"",
      "\"$ref\"",
      "\"items\"",
      "\"oneOf\"",
      "\"#\"",
      "\"string\"",
      "\xff",
      "\"x-sluice\"",
      "\"event\"",
      "\"default\"",
      "\"const\"",
      "\"#/properties/items\"",
      "\"integer\"",
      "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};
  const auto other_word = [&](TextMutator& mutator, std::string& text, size_t at) {
    const size_t from = text.find('"', at);
    const size_t to = from == text.npos ? from : text.find('"', from + 1);
    if (to == text.npos) return;
    text.replace(from, to + 1 - from, pieces[mutator.Below(pieces.size())]);
  };
  TextMutator mutate(seed, {std::string(kOrder)}, pieces, other_word);
  const std::regex place(R"([a-z]+\.json:[1-9][0-9]*:[1-9][0-9]*: SL11[0-9][0-9]: .+)");
  internal::ExpectContractsOrPlacedErrors(mutate, place,
                                          [](const std::string& text) { return Compile(text); });
}

}  // namespace
}  // namespace sluice::event
