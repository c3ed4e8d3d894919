#include <arrow/api.h>
#include <capnp/dynamic.h>
#include <capnp/serialize-packed.h>
#include <capnp/serialize.h>
#include <kj/io.h>

#include <chrono>
#include <map>
#include <memory>

#include "fuzz/targets.h"
#include "sluice/decode/internal/packing.h"
#include "sluice/decode/json_decoder.h"
#include "sluice/decode/message_decoder.h"
#include "sluice/event/contract.h"
#include "sluice/event/internal/schema_text.h"

namespace sluice::fuzz {

namespace {

using decode::Decoded;
using decode::JsonDecoder;
using decode::MessageDecoder;

constexpr std::string_view kSchema = R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct All $Sl.event("all") {
  b @0 :Bool; i8 @1 :Int8; i64 @2 :Int64; u16 @3 :UInt16; u64 @4 :UInt64; f32 @5 :Float32;
  f64 @6 :Float64; text @7 :Text; bytes @8 :Data; kind @9 :Kind; at @10 :Text $Sl.eventTime;
  price @11 :Text $Sl.decimal(precision = 10, scale = 2); id @12 :Text $Sl.uuid;
  items @13 :List(Item); lists @14 :List(List(Int32)); item @15 :Item;
  choice :union { left @16 :Text; right @17 :Float64; none @18 :Void; }
  enum Kind { one @0; two @1; }
  struct Item { sku @0 :Text; counts @1 :List(UInt8); deep @2 :List(Item2); }
  struct Item2 { x @0 :Bool; y @1 :List(Text); }
}
struct Small $Sl.event("small") { n @0 :Int32 $Sl.id; mail @1 :Text $Sl.drop; }
)";

constexpr decode::DecodeLimits kLimits = {.rows_max = 200,
                                          .row_bytes_max = 64 << 10,
                                          .depth_max = 16,
                                          .row_cells_max = 1 << 14,
                                          .body_cells_max = 1 << 16};
const os::Timestamp kReceived = std::chrono::sys_days(std::chrono::year(2026) / 1 / 5);

const std::map<std::string, std::shared_ptr<const event::Contract>, std::less<>>& Contracts() {
  static const auto kContracts = [] {
    auto compiled = event::CompileCapnp({{"t.capnp", std::string(kSchema)}}, "t.capnp");
    SLUICE_CHECK(compiled.ok());
    compiled->push_back(event::SchemalessContract("raw"));
    std::map<std::string, std::shared_ptr<const event::Contract>, std::less<>> contracts;
    for (event::Contract& contract : *compiled) {
      const std::string topic = contract.topic;
      contracts[topic] = std::make_shared<event::Contract>(std::move(contract));
    }
    return contracts;
  }();
  return kContracts;
}

std::shared_ptr<const event::Contract> Find(std::string_view topic) {
  const auto found = Contracts().find(topic);
  return found == Contracts().end() ? nullptr : found->second;
}

/// Every row is an event or an error; an event has a whole row of the columns of its topic.
bool CheckDecoded(const Result<Decoded>& decoded) {
  if (!Understood(decoded)) {
    SLUICE_CHECK(decoded.error().message().starts_with("SL3"));
    return false;
  }
  size_t rows = decoded->errors.size();
  int64_t last = -1;
  for (const decode::RowError& error : decoded->errors) {
    SLUICE_CHECK(error.row > last && error.row < decoded->received);
    last = error.row;
    SLUICE_CHECK(error.code.starts_with("SL3") && !error.message.empty());
  }
  for (const decode::TopicRows& topic : decoded->topics) {
    SLUICE_CHECK(topic.batch->ValidateFull().ok());
    SLUICE_CHECK(topic.batch->schema()->Equals(*decode::FrameSchema(*topic.contract)));
    SLUICE_CHECK(static_cast<size_t>(topic.batch->num_rows()) == topic.rows.size());
    SLUICE_CHECK(topic.payloads.size() == topic.rows.size());
    rows += topic.rows.size();
  }
  SLUICE_CHECK(rows == static_cast<size_t>(decoded->received));
  SLUICE_CHECK(decoded->received <= kLimits.rows_max);
  return !decoded->topics.empty();
}

/// The first number at which two outcomes differ in what they hold must not exist.
void CheckSame(const Result<Decoded>& a, const Result<Decoded>& b) {
  SLUICE_CHECK(a.ok() == b.ok());
  if (!a.ok()) return;
  SLUICE_CHECK(a->errors.size() == b->errors.size() && a->topics.size() == b->topics.size());
  for (size_t i = 0; i < a->errors.size(); ++i) {
    SLUICE_CHECK(a->errors[i].row == b->errors[i].row && a->errors[i].code == b->errors[i].code);
  }
  const auto options = arrow::EqualOptions::Defaults().nans_equal(true);
  for (size_t i = 0; i < a->topics.size(); ++i) {
    SLUICE_CHECK(a->topics[i].batch->Equals(*b->topics[i].batch, false, options));
  }
}

bool RunJson(std::string_view input) {
  static JsonDecoder decoder;
  static JsonDecoder other;
  // What lies behind the body must not matter.
  const std::string quotes = std::string(input) + std::string(JsonDecoder::kPaddingBytes, '"');
  const std::string digits = std::string(input) + std::string(JsonDecoder::kPaddingBytes, '1');
  const auto of = [&](const std::string& text) {
    return std::string_view(text).substr(0, input.size());
  };
  bool any = false;
  for (const auto framing : {decode::Framing::kNdjson, decode::Framing::kJson}) {
    for (const auto shape : {decode::Shape::kContent, decode::Shape::kEnvelope}) {
      const auto decoded =
          decoder.Decode(of(quotes), framing, shape, "all", Find, kReceived, kLimits);
      any |= CheckDecoded(decoded);
      CheckSame(decoded, other.Decode(of(digits), framing, shape, "all", Find, kReceived, kLimits));
    }
    any |= CheckDecoded(decoder.Decode(of(quotes), framing, decode::Shape::kContent, "small", Find,
                                       kReceived, kLimits));
    any |= CheckDecoded(decoder.Decode(of(quotes), framing, decode::Shape::kContent, "raw", Find,
                                       kReceived, kLimits));
  }
  return any;
}

bool RunMessages(std::string_view input) {
  static MessageDecoder decoder;
  static MessageDecoder other;
  bool any = CheckDecoded(
      decoder.Decode(input, decode::Packing::kNone, "small", Find, kReceived, kLimits));
  any |=
      CheckDecoded(decoder.Decode(input, decode::Packing::kNone, "all", Find, kReceived, kLimits));
  const auto packed =
      decoder.Decode(input, decode::Packing::kPacked, "all", Find, kReceived, kLimits);
  any |= CheckDecoded(packed);
  constexpr size_t kBytesMax = size_t{4} << 20;
  decode::internal::Words words;
  const auto size = decode::internal::Unpack(input, kBytesMax, 64, words);
  if (!Understood(size)) return any;
  SLUICE_CHECK(*size <= kBytesMax && *size % 8 == 0);
  SLUICE_CHECK(words.words.size() * 8 >= *size + 64);
  // The limit is exact, and the same bytes unpacked by their sender say the same.
  if (*size > 0) SLUICE_CHECK(!decode::internal::Unpack(input, *size - 1, 64, words).ok());
  SLUICE_CHECK(decode::internal::Unpack(input, *size, 64, words).ok());
  CheckSame(packed, other.Decode({words.bytes(), *size}, decode::Packing::kNone, "all", Find,
                                 kReceived, kLimits));
  return any;
}

/// The messages of a few events, as they are and packed.
std::vector<std::string> Messages() {
  const auto compiled = event::internal::Compile({{"t.capnp", std::string(kSchema)}}, "t.capnp");
  SLUICE_CHECK(compiled.ok());
  std::vector<std::string> corpus;
  for (const bool packed : {false, true}) {
    kj::VectorOutputStream out;
    for (const capnp::uint first_words : {1u, 1024u}) {  // Of many segments, and of one.
      capnp::MallocMessageBuilder message(first_words, capnp::AllocationStrategy::FIXED_SIZE);
      auto all = message.initRoot<capnp::DynamicStruct>(compiled->root.getNested("All").asStruct());
      all.set("b", true);
      all.set("i64", -5);
      all.set("f64", 1.5);
      all.set("text", "hello");
      all.set("kind", "two");
      all.set("at", "2026-01-05T10:00:00Z");
      all.set("price", "12.50");
      all.set("id", "123e4567-e89b-12d3-a456-426614174000");
      auto items = all.init("items", 2).as<capnp::DynamicList>();
      auto item = items[0].as<capnp::DynamicStruct>();
      item.set("sku", "x");
      item.init("counts", 3).as<capnp::DynamicList>().set(1, 7);
      item.init("deep", 1).as<capnp::DynamicList>()[0].as<capnp::DynamicStruct>().set("x", true);
      all.init("lists", 2).as<capnp::DynamicList>().init(1, 2).as<capnp::DynamicList>().set(0, 9);
      all.get("choice").as<capnp::DynamicStruct>().set("right", 2.5);
      if (packed) {
        capnp::writePackedMessage(out, message);
      } else {
        capnp::writeMessage(out, message);
      }
      corpus.emplace_back(reinterpret_cast<const char*>(out.getArray().begin()),
                          out.getArray().size());
    }
  }
  return corpus;
}

}  // namespace

std::vector<Target> EventTargets() {
  std::vector<Target> targets;
  const std::string row =
      R"({"b":true,"i8":-1,"i64":9007199254740993,"u16":65535,"u64":18446744073709551615,"f32":1.5,"f64":-1e300,"text":"aé😀","bytes":"AAEC","kind":"two","at":"2026-01-05T10:00:00.123+01:00","price":"12.50","id":"123e4567-e89b-12d3-a456-426614174000","items":[{"sku":"x","counts":[1,2],"deep":[{"x":true,"y":["a",null]}]},{}],"lists":[[1],[],null],"item":{"sku":null},"choice":{"left":"l"},"more":{"kept":[1]}})";
  const std::string envelope =
      R"({"topic":"all","sequence":3,"event_id":"e 1","producer":"p","epoch":1,"metadata":{"published":"2026-01-05T09:00:00Z","domain":"d","entity":"e","name":"n","x":[1]},"content":)" +
      row + "}";
  targets.push_back({.name = "json-events",
                     .corpus = {row, row + "\n" + row + "\r\n\n{\"at\":\"2026-01-05T10:00:00Z\"}\n",
                                "[" + row + "," + row + "]", envelope, envelope + "\n" + envelope,
                                "[" + envelope + "]",
                                R"({"n":1,"mail":"a@b"})"
                                "\n"
                                R"({"n":2})",
                                "[]", R"({"event":"small","content":{"n":5}})"},
                     .words = {"{",
                               "}",
                               "[",
                               "]",
                               "\"",
                               ",",
                               ":",
                               "\n",
                               "\\u0000",
                               "\\ud800",
                               "\\ud83d\\ude00",
                               "null",
                               "true",
                               "-",
                               "1e999",
                               "1e-400",
                               "9223372036854775808",
                               "0.1",
                               "00",
                               "[[[[[[[[[[[[[[[[[[",
                               "{\"a\":{\"a\":{\"a\":",
                               "\"items\":[{}",
                               ",{}",
                               "\xFF",
                               "\xED\xA0\x80",
                               "\"content\":{",
                               "\"choice\":{\"left\":",
                               "\"none\":null",
                               std::string(1, '\0'),
                               "\xEF\xBB\xBF"},
                     .run = RunJson,
                     .cost = 2});
  targets.push_back(
      {.name = "messages",
       .corpus = Messages(),
       .words = {std::string(8, '\0'), std::string(4, '\xFF'), std::string("\0\xFF", 2), "\xFF\xFF",
                 std::string("\x01\0\0\0\x01\0\0\0", 8), std::string("\0\0\0\0\xFF\x1F\0\0", 8)},
       .run = RunMessages,
       .cost = 2});
  return targets;
}

}  // namespace sluice::fuzz
