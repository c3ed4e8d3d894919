#include "fuzz/targets.h"
#include "sluice/base/diagnostic.h"
#include "sluice/event/compatibility.h"
#include "sluice/event/contract.h"
#include "sluice/event/infer.h"
#include "sluice/event/privacy_rule.h"
#include "sluice/server/config.h"

namespace sluice::fuzz {

namespace {

constexpr std::string_view kCapnp = R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
using Other = import "other.capnp";
struct UserEvent $Sl.event("shop.user-events") $Sl.retain("30d") {
  eventId @0 :Text $Sl.id;  userId @1 :Int64 $Sl.subject;  page @3 :Text = "/"; size @13 :Int8 = .limit;
  eventType @2 :Type;        timestamp @4 :Text $Sl.eventTime;       source @5 :Source;
  price @6 :Text $Sl.decimal(precision = 10, scale = 2); items @7 :List(Item);
  email @8 :Text $Sl.pii("contact") $Sl.hash(hmacSha256); box @9 :Other.Box(Text);
  choice :union { a @10 :Int8; b @11 :List(List(Bool)); c :group { x @12 :Text; } }
  enum Type { login @0; click @1; }
  enum Source { web @0; mobile @1; }
  struct Item { sku @0 :Text; counts @1 :List(UInt16); at @2 :Int64 $Sl.timestamp(seconds); }
}
const limit :Int8 = 5;
)";
constexpr std::string_view kOther =
    "@0x9a41c6de07b35f01; struct Box(T) { value @0 :T; next @1 :Int32; }";

constexpr std::string_view kJson = R"({
"$schema":"https://json-schema.org/draft/2020-12/schema","x-sluice":{"event":"shop.orders","retain":"30d"},
"type":"object","required":["id"],"$defs":{"money":{"type":"string","x-sluice":{"decimal":{"precision":10,"scale":2}}}},
"properties":{"id":{"type":"string","x-sluice":{"id":true}},"n":{"type":"integer","minimum":0,"maximum":255},
"f":{"type":["number","null"]},"kind":{"enum":["a","b"]},"at":{"type":"string","format":"date-time","x-sluice":{"eventTime":true}},
"price":{"$ref":"#/$defs/money"},"list":{"type":"array","items":{"type":"object","properties":{"x":{"type":"boolean"}}}},
"mail":{"type":"string","x-sluice":{"pii":"contact","hash":"hmacSha256"}}}})";

/// What compiled can be kept, read back, and be followed by itself.
bool CheckContracts(const Result<std::vector<event::Contract>>& compiled) {
  if (!Understood(compiled)) {
    const std::string& message = compiled.error().message();
    SLUICE_CHECK(message.find(": SL11") != std::string::npos);
    return false;
  }
  for (const event::Contract& contract : *compiled) {
    const std::string json = event::ToJson(contract);
    SLUICE_CHECK(json.find('\n') == std::string::npos);
    const auto back = event::FromJson(json);
    SLUICE_CHECK(back.ok() && *back == contract);
    SLUICE_CHECK(event::CheckSuccessor(contract, contract).ok());
  }
  return !compiled->empty();
}

bool RunCapnp(std::string_view input) {
  return CheckContracts(event::CompileCapnp(
      {{"t.capnp", std::string(input)}, {"other.capnp", std::string(kOther)}}, "t.capnp"));
}

bool RunJsonSchema(std::string_view input) {
  return CheckContracts(event::CompileJsonSchema(
      {{"t.json", std::string(input)}, {"other.json", std::string(kJson)}}, "t.json"));
}

bool RunContract(std::string_view input) {
  const auto contract = event::FromJson(input);
  if (!Understood(contract)) return false;
  const std::string json = event::ToJson(*contract);
  const auto again = event::FromJson(json);
  SLUICE_CHECK(again.ok() && event::ToJson(*again) == json);
  return true;
}

bool RunInfer(std::string_view input) {
  const auto text = event::InferSchema(input, "a.b");
  if (!Understood(text)) return false;
  // What it gives is a schema.
  SLUICE_CHECK(event::CompileCapnp({{"t.capnp", *text}}, "t.capnp").ok());
  return true;
}

bool RunRules(std::string_view input) {
  bool any = event::ParseCompatibility(input).has_value();
  any |= Understood(event::ParseGeneralisation(input));
  any |= Understood(event::CheckTopicName(input));
  const auto rule = event::ParsePrivacyRule(input);
  if (!Understood(rule)) return any;
  const auto again = event::ParsePrivacyRule(event::ToString(*rule));
  SLUICE_CHECK(again.ok() && *again == *rule);
  return true;
}

bool RunProject(std::string_view input) {
  const bool duration = Understood(server::ParseDuration(input));
  const bool size = Understood(server::ParseSize(input));
  const auto config = server::ParseConfig(input, "sluice.yaml");
  const std::string start(input.substr(0, 40));
  static_cast<void>(Understood(
      server::ParseConfig("", "sluice.yaml",
                          {.profile = {},
                           .settings = {{.key = "land.every", .value = start, .origin = "-X"},
                                        {.key = start, .value = "1", .origin = "-X"}}})));
  if (!Understood(config)) {
    SLUICE_CHECK(config.error().message().find("sluice.yaml") != std::string::npos);
    return duration || size;
  }
  SLUICE_CHECK(config->TailBytes() <= config->memory_bytes_max);
  SLUICE_CHECK(config->CompactFileBytes() > 0);
  return true;
}

}  // namespace

std::vector<Target> SchemaTargets() {
  std::vector<Target> targets;
  targets.push_back({.name = "capnp-schema",
                     .corpus = {std::string(kCapnp), std::string(kOther)},
                     .words = {"{",
                               "}",
                               "(((((((((",
                               "[",
                               ";",
                               ":",
                               "@",
                               "$",
                               "=",
                               ",",
                               "->",
                               "\"",
                               "#",
                               "union",
                               "group",
                               "struct",
                               "enum",
                               "List(",
                               "List(List(List(",
                               "using",
                               "import",
                               "const",
                               "annotation",
                               "interface",
                               "Void",
                               "AnyPointer",
                               "UInt64",
                               "@0",
                               "@65535",
                               "@99999999999",
                               "0x",
                               "1e999",
                               "0x\"zz\"",
                               "\xFF",
                               std::string(1, '\0'),
                               "Box(Box(",
                               "UserEvent",
                               "import \"t.capnp\"",
                               "$Sl.event(\"\")",
                               "$Sl.id",
                               "$Sl.decimal(precision = 99)",
                               "$Sl.alias(\"x\")",
                               "Item"},
                     .run = RunCapnp,
                     .cost = 5});
  targets.push_back({.name = "json-schema",
                     .corpus = {std::string(kJson)},
                     .words = {"{",
                               "}",
                               "[",
                               "]",
                               "\"$ref\":\"#\"",
                               "\"$ref\":\"other.json\"",
                               "\"$ref\":\"#/properties/list\"",
                               "\"type\":",
                               "\"object\"",
                               "\"properties\":{",
                               "\"items\":{",
                               "\"x-sluice\":{",
                               "\"allOf\":[",
                               "\"enum\":[",
                               "null",
                               "1e999",
                               "\\ud800",
                               "{\"a\":{\"a\":{\"a\":{\"a\":",
                               "\"#/$defs/money/~1\"",
                               "\xFF"},
                     .run = RunJsonSchema});
  std::vector<std::string> contracts;
  const auto compiled = event::CompileCapnp(
      {{"t.capnp", std::string(kCapnp)}, {"other.capnp", std::string(kOther)}}, "t.capnp");
  SLUICE_CHECK(compiled.ok());
  for (const event::Contract& contract : *compiled) contracts.push_back(event::ToJson(contract));
  contracts.push_back(event::ToJson(event::SchemalessContract("raw")));
  targets.push_back({.name = "contract",
                     .corpus = std::move(contracts),
                     .words = {"{", "}", "[", "]", "null", "-1", "99999999999", "\"fields\":[",
                               "\"type\":", "\"version\":", "\"children\":[", "\"name\":\"\"",
                               "\\u0000", "\\ud800", "true", "[[[[[[[["},
                     .run = RunContract});
  targets.push_back(
      {.name = "infer-schema",
       .corpus =
           {R"({"id":"123e4567-e89b-12d3-a456-426614174000","at":"2026-01-05T10:00:00Z","n":1,"f":1.5,"s":{"a":[1,2],"b":[{"c":true}]},"odd name":null,"struct":"x"})"
            "\n"
            R"({"n":9007199254740993,"s":{"a":[]},"x":[[1],[2.5]]})"},
       .words = {"{", "}", "[", "]", "\n", "null", "1e999", "-1",
                 "\"\":", "\"a b\":", "\"ä\":", "\"List\":", "\"a_b\":", "\"aB\":", "\\u0000",
                 "[[[[[[[[[[[[[[[[[", "18446744073709551616"},
       .run = RunInfer,
       .cost = 5});
  targets.push_back({.name = "privacy-rule",
                     .corpus = {"hash group=user trim lower", "tokenize group=a", "mask 4",
                                "generalise month", "generalise /24,/48", "prefix 3", "10", "/24",
                                "hash unkeyed", "drop", "encrypt", "backward", "shop.orders"},
                     .words = {" ", "=", "/", ",", "-1", "99999999999", "nan", "inf", "1e308",
                               "group=", "none", "keep=", "0"},
                     .run = RunRules});
  targets.push_back({.name = "project-file",
                     .corpus = {R"(version: 1
project: shop
storage: {path: data, format: delta, keys: keys, cache: 1GiB, free_min: 64MiB, reserve: 1MiB, segment: 8MiB}
serve:
  http: 127.0.0.1:7117
  tls: {certificate: cert.pem, key: key.pem}
land: {every: 5m, wait_max: 90s, bytes: 128MiB, compression: zstd}
limits: {body: 16MiB, rows: 10000, row: 1MiB, depth: 64, memory: 1GiB}
topics:
  shop.user-events: {compatibility: full, dedup: {by: batch, horizon: 1h}}
  "raw bytes": {schema: none}
profiles:
  dev: &dev
    land: {every: 10s}
  prod:
    serve: {http: "0.0.0.0:80"}
)",
                                "90s", "16MiB", "version: 1\n"},
                     .words = {"{",
                               "}",
                               "[",
                               "]",
                               ": ",
                               "\n  ",
                               "\n",
                               "- ",
                               "&a",
                               "*a",
                               "<<: *dev",
                               "!!binary ",
                               "? ",
                               "| ",
                               "> ",
                               "\"",
                               "'",
                               "%YAML",
                               "---",
                               "...",
                               "\t",
                               "[[[[[[[[[[[[[[[[",
                               "{a: {a: {a: {a: ",
                               "9999999999999999999",
                               "-1s",
                               "1e9MiB",
                               "~",
                               "\xFF",
                               std::string(1, '\0')},
                     .run = RunProject,
                     .cost = 5});
  return targets;
}

}  // namespace sluice::fuzz
