#include "sluice/decode/json_decoder.h"

#include <arrow/api.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace sluice::decode {
namespace {

using std::chrono::sys_days;
using namespace std::chrono_literals;

constexpr std::string_view kSchema = R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct All $Sl.event("all") {
  b @0 :Bool; i8 @1 :Int8; i16 @2 :Int16; i32 @3 :Int32; i64 @4 :Int64; u8 @5 :UInt8; u16 @6 :UInt16;
  u32 @7 :UInt32; u64 @8 :UInt64; f32 @9 :Float32; f64 @10 :Float64; text @11 :Text; bytes @12 :Data;
  kind @13 :Kind;
}
enum Kind { one @0; two @1; }
struct Timed $Sl.event("timed") { at @0 :Text $Sl.eventTime; n @1 :Int32; }
struct Millis $Sl.event("millis") { at @0 :UInt64 $Sl.eventTime; }
struct Private $Sl.event("private") { mail @0 :Text $Sl.drop; n @1 :Int32; }
struct User $Sl.event("user.identity.created") { userId @0 :Text; email @1 :Text; }
)";

// The contracts above and a topic without a schema, `raw`.
class Contracts {
 public:
  Contracts() {
    auto compiled = event::CompileCapnp({{"t.capnp", std::string(kSchema)}}, "t.capnp");
    SLUICE_CHECK(compiled.ok());
    compiled->push_back(event::SchemalessContract("raw"));
    for (event::Contract& contract : *compiled) {
      auto topic = contract.topic;
      by_topic_[topic] = std::make_shared<event::Contract>(std::move(contract));
    }
  }
  std::shared_ptr<event::Contract>& operator[](const std::string& topic) {
    return by_topic_[topic];
  }
  ContractLookup Lookup() {
    return [this](std::string_view topic) -> std::shared_ptr<const event::Contract> {
      const auto found = by_topic_.find(std::string(topic));
      return found == by_topic_.end() ? nullptr : found->second;
    };
  }

 private:
  std::map<std::string, std::shared_ptr<event::Contract>> by_topic_;
};

class JsonDecoderTest : public testing::Test {
 protected:
  Result<Decoded> Decode(std::string body, Framing framing, Shape shape = Shape::kContent,
                         std::string_view topic = "all") {
    body_ = std::move(body);
    body_size_ = body_.size();
    body_.append(JsonDecoder::kPaddingBytes, '"');  // What lies behind must not matter.
    return decoder_.Decode(std::string_view(body_).substr(0, body_size_), framing, shape, topic,
                           contracts_.Lookup(), sys_days(2026y / 1 / 5) + 12h, limits_);
  }

  // The one row of `body` as "column=value …", nulls and constants left out, or "code path:
  // message".
  std::string Row(std::string body, Shape shape = Shape::kContent, std::string_view topic = "all") {
    std::string seen;
    for (const Framing framing : {Framing::kNdjson, Framing::kJson}) {
      for (const bool in_array : {false, true}) {
        if (in_array && framing == Framing::kNdjson) continue;
        const auto decoded = Decode(in_array ? "[" + body + "]" : body, framing, shape, topic);
        if (!decoded.ok()) {
          EXPECT_EQ(framing, Framing::kJson);
          EXPECT_EQ(seen.substr(0, 6), "SL3001") << decoded.error().ToString();
          EXPECT_EQ(decoded.error().message().substr(0, 6), "SL3001");
          continue;
        }
        const std::string text = Print(*decoded);
        if (framing == Framing::kNdjson) seen = text;
        EXPECT_EQ(text, seen) << body;
      }
    }
    return seen;
  }

  static std::string Print(const Decoded& decoded) {
    EXPECT_EQ(decoded.received, 1);
    if (!decoded.errors.empty()) {
      EXPECT_TRUE(decoded.topics.empty());
      const RowError& error = decoded.errors.front();
      return fmt::format("{} {}: {}", error.code, error.path, error.message);
    }
    EXPECT_EQ(decoded.topics.size(), 1u);
    const auto& batch = *decoded.topics.front().batch;
    EXPECT_TRUE(batch.ValidateFull().ok());
    std::string out;
    for (int i = 0; i < batch.num_columns(); ++i) {
      const auto scalar = batch.column(i)->GetScalar(0).ValueOrDie();
      const std::string& name = batch.schema()->field(i)->name();
      if (!scalar->is_valid || name == "_schema_version") continue;
      if (name == "event_time" && scalar->ToString() == "2026-01-05 12:00:00.000000Z") continue;
      out += (out.empty() ? "" : " ") + name + "=" + scalar->ToString();
    }
    return out;
  }

  Contracts contracts_;
  DecodeLimits limits_;
  JsonDecoder decoder_;
  std::string body_;
  size_t body_size_ = 0;
};

TEST_F(JsonDecoderTest, ReadsAllTypes) {
  EXPECT_EQ(
      Row(R"({"b":true,"i8":-128,"i16":-32768,"i32":-2147483648,"i64":-9223372036854775808,"u8":255,)"
          R"("u16":65535,"u32":4294967295,"u64":18446744073709551615,"f32":1.5,"f64":-2.5e-3,)"
          R"("text":"a\u00e4\n","bytes":"AQI=","kind":"two"})"),
      "b=true i8=-128 i16=-32768 i32=-2147483648 i64=-9223372036854775808 u8=255 u16=65535 "
      "u32=4294967295 u64=18446744073709551615 f32=1.5 f64=-0.0025 text=aä\n bytes=\x01\x02 "
      "kind=two");
  EXPECT_EQ(Row(R"({"kind":"one","f64":3,"f32":-0,"u64":-0,"b":false,"text":""})"),
            "b=false u64=0 f32=-0 f64=3 text= kind=one");
  EXPECT_EQ(
      Row(R"({"b":null,"i8":null,"u64":null,"f32":null,"text":null,"bytes":null,"kind":null})"),
      "");
  EXPECT_EQ(Row("{}"), "");
}

TEST_F(JsonDecoderTest, SaysWhatIsWrongWithoutQuotingIt) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"i64":"seven"})", "SL3012 i64: expected Int64, found string"},
      {R"({"i64":1.0})", "SL3012 i64: expected Int64, found a number with fraction or exponent"},
      {R"({"i64":9223372036854775808})", "SL3013 i64: out of range of Int64"},
      {R"({"i8":128})", "SL3013 i8: out of range of Int8"},
      {R"({"u8":-1})", "SL3013 u8: out of range of UInt8"},
      {R"({"u64":-1})", "SL3013 u64: out of range of UInt64"},
      {R"({"u64":18446744073709551616})", "SL3013 u64: out of range of UInt64"},
      {R"({"f32":1e39})", "SL3013 f32: out of range of Float32"},
      {R"({"f64":1e999})", "SL3013 f64: out of range of Float64"},
      {R"({"f64":true})", "SL3012 f64: expected Float64, found boolean"},
      {R"({"b":0})", "SL3012 b: expected Bool, found number"},
      {R"({"text":[1]})", "SL3012 text: expected Text, found array"},
      {R"({"text":{"a":1}})", "SL3012 text: expected Text, found object"},
      {R"({"bytes":"AQI"})", "SL3016 bytes: expected base64 with padding"},
      {R"({"kind":"three"})", "SL3015 kind: the schema's enum has no such name"},
      {R"({"b":true,"b":true})", "SL3005 b: the name stands twice in its object"},
      {R"({"b":true,"\u0062":true})", "SL3005 b: the name stands twice in its object"},
      {R"({"b":null,"b":true})", "SL3005 b: the name stands twice in its object"},
      {R"({"x":1,"x":2})", "SL3005 x: the name stands twice in its object"},
      {R"({"bob@example.com":1,"bob@example.com":2})",
       "SL3005 : the name stands twice in its object"},
      {R"({"i64":1,})", "SL3001 : not valid JSON at byte 9 of the row: expected a name in quotes"},
      {R"({"i64":01})", "SL3001 : not valid JSON at byte 8 of the row: expected ',' or '}'"},
      {R"({"i64":"x","y":tru})", "SL3001 : not valid JSON at byte 15 of the row: expected a value"},
      {R"({"i64":1} 2)",
       "SL3001 : not valid JSON at byte 10 of the row: expected the end of the text"},
  };
  for (const auto& [body, expected] : cases) EXPECT_EQ(Row(body), expected) << body;
}

TEST_F(JsonDecoderTest, TreatsUnknownMembersAsTheContractSays) {
  EXPECT_EQ(Row(R"({"b":true,"x": {"y":[1, 2]} ,"z\n":"\u0041"})"),
            "b=true _extra={\"x\":{\"y\":[1, 2]},\"z\\n\":\"\\u0041\"}");
  EXPECT_EQ(Row(R"({"x":123456789012345678901234567890})"),
            "_extra={\"x\":123456789012345678901234567890}");
  contracts_["all"] = std::make_shared<event::Contract>(*contracts_["all"]);
  contracts_["all"]->unknown = event::UnknownFields::kIgnore;
  EXPECT_EQ(Row(R"({"x":1})"), "");
  EXPECT_EQ(Row(R"({"x":[1}})"),
            "SL3001 : not valid JSON at byte 7 of the row: expected ',' or ']'");
  contracts_["all"] = std::make_shared<event::Contract>(*contracts_["all"]);
  contracts_["all"]->unknown = event::UnknownFields::kError;
  EXPECT_EQ(Row(R"({"x":1})"), "SL3014 x: the schema has no such field");
}

TEST_F(JsonDecoderTest, RefusesWhatFollowsAnUnknownValue) {
  for (const char* body :
       {R"({"x":"a":"b","i32":1})", R"({"x":"a":1})",
        R"({"i32":1,"x":	"a":"b","a":-1.5e3},"i64":2})", R"({"x":1:2})", R"({"x":null:2})",
        R"({"x":true "i32":1})", R"({"x":"a"])", R"({"x":"a")", R"({"x":{"a":1}:2})",
        R"({"x":[1]:"y":2})", R"({"x":"a"}})"}) {
    EXPECT_EQ(Row(body).substr(0, 6), "SL3001") << body;
  }
  EXPECT_EQ(Row(R"({"content":{"i32":1},"x":"a":1,"event":"all"})", Shape::kEnvelope).substr(0, 6),
            "SL3001");
  EXPECT_EQ(
      Row(R"({"metadata":{"x":"a":1},"event":"all","content":{}})", Shape::kEnvelope).substr(0, 6),
      "SL3001");
  EXPECT_EQ(Row(R"({"x" : "a" , "i32":1 , "y": 2 })"), "i32=1 _extra={\"x\":\"a\",\"y\":2}");
}

TEST_F(JsonDecoderTest, DropsWhatIsAnnotatedDrop) {
  EXPECT_EQ(Row(R"({"mail":"bob@example.com","n":1})", Shape::kContent, "private"), "n=1");
  EXPECT_EQ(Row(R"({"m\u0061il":"bob@example.com","n":1})", Shape::kContent, "private"), "n=1");
}

TEST_F(JsonDecoderTest, ReadsEventTimes) {
  const auto row = [&](std::string at) {
    return Row(fmt::format(R"({{"at":{}}})", at), Shape::kContent, "timed");
  };
  EXPECT_EQ(row(R"("2026-01-05T01:00:00.123456789+01:00")"),
            "at=2026-01-05T01:00:00.123456789+01:00 event_time=2026-01-05 00:00:00.123456Z");
  EXPECT_EQ(row(R"("2026-01-06T12:00:00Z")"),
            "at=2026-01-06T12:00:00Z event_time=2026-01-06 12:00:00.000000Z");
  EXPECT_EQ(row(R"("2026-01-06T12:00:00.000001Z")"),
            "SL3021 at: the event time is before 1970, or more than a day ahead");
  EXPECT_EQ(row(R"("1969-12-31T23:59:59Z")"),
            "SL3021 at: the event time is before 1970, or more than a day ahead");
  EXPECT_EQ(row(R"("2026-01-05T01:00:00")"), "SL3020 at: expected an RFC 3339 time with zone");
  EXPECT_EQ(row("null"), "SL3022 at: the event time is missing");
  EXPECT_EQ(row("1"), "SL3012 at: expected Text, found number");
  EXPECT_EQ(Row("{}", Shape::kContent, "timed"), "SL3022 at: the event time is missing");
  EXPECT_EQ(Row(R"({"at":1767571200123})", Shape::kContent, "millis"),
            "at=1767571200123 event_time=2026-01-05 00:00:00.123000Z");
  EXPECT_EQ(Row(R"({"at":18446744073709551615})", Shape::kContent, "millis"),
            "SL3021 at: the event time is before 1970, or more than a day ahead");
}

constexpr std::string_view kEnvelopeRow =
    "user_id=u email=e event_time=2026-01-05 00:00:01.000000Z _published_at=2026-01-05 "
    "00:00:01.000000Z "
    "_producer=p _epoch=3 _sequence=142 _domain=user _entity=identity _name=created "
    R"(_metadata={"published":"2026-01-05T00:00:01Z","domain":"user","entity":"identity","name":"created",)"
    R"("more":[1]} _event_id=x)";

TEST_F(JsonDecoderTest, ReadsEnvelopesInAnyOrder) {
  const std::string metadata =
      R"("metadata":{"published":"2026-01-05T00:00:01Z","domain":"user","entity":"identity",)"
      R"("name":"created","more":[1]})";
  const std::string rest = R"("sequence":142,"producer":"p","epoch":3,"event_id":"x")";
  const std::string event = R"("event":"user.identity.created")";
  const std::string content = R"("content":{"userId":"u","email":"e"})";
  for (const auto& members :
       std::vector<std::vector<std::string>>{{event, rest, metadata, content},
                                             {content, metadata, rest, event},
                                             {metadata, content, event, rest},
                                             {rest, event, content, metadata}}) {
    const std::string body = fmt::format("{{{}}}", fmt::join(members, ","));
    EXPECT_EQ(Row(body, Shape::kEnvelope), kEnvelopeRow) << body;
  }
}

TEST_F(JsonDecoderTest, RefusesBadEnvelopes) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"content":{}})", "SL3010 : neither event nor topic names a topic"},
      {R"({"event":"nobody","content":{}})", "SL3011 event: no schema for this topic"},
      {R"({"content":{},"event":"no body"})", "SL3011 event: no schema for this topic"},
      {R"({"event":"all"})", "SL3030 content: expected an object, found nothing"},
      {R"({"event":"all","content":[]})", "SL3030 content: expected an object"},
      {R"({"event":1,"content":{}})", "SL3030 event: expected a string"},
      {R"({"event":"all","topic":"timed","content":{}})",
       "SL3030 topic: event and topic name two topics"},
      {R"({"event":"all","sequence":"1","content":{}})",
       "SL3030 sequence: expected an integer of 64 bits"},
      {R"({"event":"all","metadata":[],"content":{}})", "SL3030 metadata: expected an object"},
      {R"({"event":"all","metadata":{"published":1},"content":{}})",
       "SL3030 metadata.published: expected a string"},
      {R"({"event":"all","metadata":{"published":"now"},"content":{}})",
       "SL3020 metadata.published: expected an RFC 3339 time with zone"},
      {R"({"event":"all","metadata":{"published":"1960-01-01T00:00:00Z"},"content":{}})",
       "SL3021 metadata.published: the event time is before 1970, or more than a day ahead"},
      {R"({"event":"all","metadata":{"a":1,"a":2},"content":{}})",
       "SL3005 metadata.a: the name stands twice in its object"},
      {R"({"event":"all","content":{},"content":{}})",
       "SL3005 content: the name stands twice in its object"},
      {R"({"event":"all","content":{"b":1}})", "SL3012 b: expected Bool, found number"},
      {R"({"content":{"b":1},"event":"all"})", "SL3012 b: expected Bool, found number"},
      {R"({"event":"all","metadata":{"a":[1}},"content":{}})",
       "SL3001 : not valid JSON at byte 33 of the row: expected ',' or ']'"},
      {R"({"event":"nobody","content":{"a":[1}}})",
       "SL3001 : not valid JSON at byte 35 of the row: expected ',' or ']'"},
      {R"([1])", "SL3002 : expected an object"},
  };
  for (const auto& [body, expected] : cases) {
    const auto decoded = Decode(body, Framing::kNdjson, Shape::kEnvelope);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(Print(*decoded), expected) << body;
  }
  EXPECT_EQ(Row(R"({"event":"all","content":{"x":1},"y":2,"id":3})", Shape::kEnvelope),
            R"(_extra={"x":1,"$envelope":{"y":2,"id":3}})");
}

TEST_F(JsonDecoderTest, KeepsRowsWithoutASchemaAsBytes) {
  EXPECT_EQ(Row(R"({"id":"a","data":{"x": 1}})", Shape::kContent, "raw"), "id=a data={\"x\": 1}");
  EXPECT_EQ(Row(R"({"id":"a","data":"\u0041B"})", Shape::kContent, "raw"), "id=a data=AB");
  EXPECT_EQ(Row(R"({"data":12})", Shape::kContent, "raw"), "data=12");
  EXPECT_EQ(Row(R"({"id":1})", Shape::kContent, "raw"), "SL3012 id: expected Text, found number");
  EXPECT_EQ(Row(R"({"topic":"raw","id":"a","data":"\u0041B"})", Shape::kEnvelope), "id=a data=AB");
  EXPECT_EQ(Row(R"({"id":"a","data":[1],"topic":"raw"})", Shape::kEnvelope), "id=a data=[1]");
  EXPECT_EQ(Row(R"({"topic":"raw","content":{"id":"a","data":null}})", Shape::kEnvelope), "id=a");
}

TEST_F(JsonDecoderTest, KeepsGoodRowsBesideBadOnes) {
  const std::string body =
      "{\"i32\":1,\"text\":\"one\"}\r\n\n  "
      "\t\n{\"i32\":2,\"text\":\"two\",\"b\":2}\n{\"text\":\"three\"}\nnonsense\n"
      "{\"i32\":4}";
  const auto decoded = Decode(body, Framing::kNdjson);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(decoded->received, 5);
  ASSERT_EQ(decoded->errors.size(), 2u);
  EXPECT_EQ(decoded->errors[0].row, 1);
  EXPECT_EQ(decoded->errors[0].topic, "all");
  EXPECT_EQ(decoded->errors[0].payload, R"({"i32":2,"text":"two","b":2})");
  EXPECT_EQ(decoded->errors[1].row, 3);
  EXPECT_EQ(decoded->errors[1].code, codes::kSyntax);
  ASSERT_EQ(decoded->topics.size(), 1u);
  const TopicRows& rows = decoded->topics[0];
  EXPECT_EQ(rows.rows, (std::vector<int64_t>{0, 2, 4}));
  EXPECT_EQ(rows.payloads[1], R"({"text":"three"})");
  EXPECT_EQ(rows.payloads[0], R"({"i32":1,"text":"one"})");
  EXPECT_TRUE(rows.batch->schema()->Equals(*FrameSchema(*rows.contract)));
  EXPECT_TRUE(rows.batch->ValidateFull().ok());
  EXPECT_EQ(rows.batch->GetColumnByName("i32")->ToString(), "[\n  1,\n  null,\n  4\n]");
  EXPECT_EQ(rows.batch->GetColumnByName("text")->ToString(),
            "[\n  \"one\",\n  \"three\",\n  null\n]");
  EXPECT_EQ(rows.batch->GetColumnByName("b")->null_count(), 3);
}

TEST_F(JsonDecoderTest, GoesOnBehindBadRowsOfAnArray) {
  const auto decoded =
      Decode(" [ {\"i32\":1} , {\"i32\":[{}, 2]}, 7, {\"i32\" : 3} ] ", Framing::kJson);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(decoded->received, 4);
  ASSERT_EQ(decoded->errors.size(), 2u);
  EXPECT_EQ(decoded->errors[0].payload, "{\"i32\":[{}, 2]}");
  EXPECT_EQ(decoded->errors[1].code, codes::kNotObject);
  ASSERT_EQ(decoded->topics.size(), 1u);
  EXPECT_EQ(decoded->topics[0].rows, (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(decoded->topics[0].payloads[1], "{\"i32\" : 3}");

  for (const std::string body : {"", "  ", "[", "[{}", "[{},", "[{},]", "[,{}]", "[{} {}]", "[{}]]",
                                 "[{}] 1", "[{\"i32\":\"x\"},{\"y\":[}]", "{", "{} {}", "tru"}) {
    const auto refused = Decode(body, Framing::kJson);
    ASSERT_FALSE(refused.ok()) << body;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalid);
    EXPECT_EQ(refused.error().message().substr(0, 31), "SL3001: not valid JSON at byte ") << body;
  }
  EXPECT_EQ(Decode("12", Framing::kJson).error().message(),
            "SL3002: the body is neither an object nor an array of objects");
  EXPECT_EQ(Decode("[]", Framing::kJson)->received, 0);
  EXPECT_EQ(Decode("", Framing::kNdjson)->received, 0);
}

TEST_F(JsonDecoderTest, SortsRowsByTopic) {
  const auto decoded = Decode(
      "{\"event\":\"all\",\"content\":{\"i32\":1}}\n{\"topic\":\"raw\",\"content\":{\"id\":\"a\"}}"
      "\n"
      "{\"event\":\"all\",\"content\":{\"i32\":2}}\n{\"event\":\"nobody\",\"content\":{}}\n",
      Framing::kNdjson, Shape::kEnvelope);
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->topics.size(), 2u);
  EXPECT_EQ(decoded->topics[0].contract->topic, "all");
  EXPECT_EQ(decoded->topics[0].rows, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(decoded->topics[1].contract->topic, "raw");
  ASSERT_EQ(decoded->errors.size(), 1u);
  EXPECT_EQ(decoded->errors[0].topic, "nobody");
}

TEST_F(JsonDecoderTest, HoldsItsLimits) {
  limits_ = {.rows_max = 2, .row_bytes_max = 200, .depth_max = 4};
  EXPECT_EQ(Decode("{}\n{}\n", Framing::kNdjson)->received, 2);
  EXPECT_EQ(Decode("{}\n{}\n{}", Framing::kNdjson).error().message(),
            "SL3006: more than 2 rows; send fewer in a request");
  EXPECT_EQ(Decode("[{},{},{}]", Framing::kJson).error().message(),
            "SL3006: more than 2 rows; send fewer in a request");
  EXPECT_EQ(Row(R"({"x":")" + std::string(300, 'x') + "\"}"),
            "SL3003 : 308 bytes; at most 200 are allowed");
  EXPECT_EQ(Row(R"({"x":[[[]]]})"), "_extra={\"x\":[[[]]]}");
  EXPECT_EQ(Row(R"({"x":[[[{}]]]})"), "SL3004 : deeper than 4 levels");
  EXPECT_EQ(Row(R"({"i32":[[[{}]]]})"), "SL3004 : deeper than 4 levels");
  EXPECT_EQ(Row(R"({"event":"all","content":{"x":[[]]}})", Shape::kEnvelope),
            "_extra={\"x\":[[]]}");
  EXPECT_EQ(Row(R"({"event":"all","content":{"x":[[[]]]}})", Shape::kEnvelope),
            "SL3004 : deeper than 4 levels");
}

TEST_F(JsonDecoderTest, CopiesLongAndEscapedText) {
  for (const size_t size : {0, 1, 15, 16, 17, 239, 240, 241, 256, 257, 272, 1000, 70'000}) {
    for (const bool escaped : {false, true}) {
      JsonDecoder fresh;
      std::string body;
      std::string expected(size, 'x');
      for (int row = 0; row < 3; ++row) {
        body += "{\"text\":\"" + std::string(size, 'x') + (escaped ? "\\\"" : "") + "\"}\n";
      }
      if (escaped) expected += '"';
      body.append(JsonDecoder::kPaddingBytes, '\\');
      const auto decoded =
          fresh.Decode(std::string_view(body).substr(0, body.size() - JsonDecoder::kPaddingBytes),
                       Framing::kNdjson, Shape::kContent, "all", contracts_.Lookup(), {});
      ASSERT_TRUE(decoded.ok());
      ASSERT_EQ(decoded->topics.size(), 1u) << size;
      const auto column = decoded->topics[0].batch->GetColumnByName("text");
      for (int row = 0; row < 3; ++row) {
        EXPECT_EQ(static_cast<const arrow::StringArray&>(*column).GetView(row), expected) << size;
      }
    }
  }
}

TEST_F(JsonDecoderTest, LeavesNothingOfARowThatFailed) {
  // Each bad row sets columns that the next good row does not.
  std::string body;
  for (int i = 0; i < 500; ++i) {
    body += "{\"i32\":1,\"text\":\"secret\",\"x\":5,\"b\":true,\"kind\":\"none\"}\n{\"i64\":7}\n";
  }
  const auto decoded = Decode(body, Framing::kNdjson);
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->errors.size(), 500u);
  const auto& batch = *decoded->topics[0].batch;
  ASSERT_EQ(batch.num_rows(), 500);
  for (const char* column : {"i32", "text", "b", "kind", "_extra"}) {
    EXPECT_EQ(batch.GetColumnByName(column)->null_count(), 500) << column;
  }
  EXPECT_EQ(batch.GetColumnByName("i64")->null_count(), 0);
}

// A list of empty objects costs three bytes an element, and as many columns as the objects have.
TEST(JsonDecoderLimitsTest, BoundsWhatListsCost) {
  auto compiled = event::CompileCapnp(
      {{"t.capnp",
        "@0x9a41c6de07b35f18; using Sl = import \"sluice.capnp\"; struct T $Sl.event(\"t\") { "
        "items @0 :List(Item); struct Item { a @0 :Text; b @1 :Text; } }"}},
      "t.capnp");
  ASSERT_TRUE(compiled.ok());
  const auto contract = std::make_shared<const event::Contract>(compiled->front());
  const auto decode = [&](std::string body, const DecodeLimits& limits) {
    const size_t size = body.size();
    body.append(JsonDecoder::kPaddingBytes, ' ');
    JsonDecoder decoder;
    auto decoded = decoder.Decode(
        std::string_view(body).substr(0, size), Framing::kNdjson, Shape::kContent, "t",
        [&](std::string_view) { return contract; }, os::Timestamp(), limits);
    if (decoded.ok()) {
      for (RowError& error : decoded->errors) error.payload = {};
    }
    return decoded;
  };
  const std::string three = "{\"items\":[{},{},{}]}\n";
  auto decoded = decode(three + three, {.row_cells_max = 6, .body_cells_max = 12});
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->errors.empty());
  decoded = decode(three + "{\"items\":[{},{},{},{}]}\n" + three, {.row_cells_max = 6});
  ASSERT_TRUE(decoded.ok());
  ASSERT_EQ(decoded->errors.size(), 1u);
  EXPECT_EQ(decoded->errors[0].code, codes::kTooManyCells);
  EXPECT_EQ(decoded->errors[0].path, "items[3]");
  EXPECT_EQ(decode(three + three + three, {.body_cells_max = 6}).error().code(),
            ErrorCode::kInvalid);
}

}  // namespace
}  // namespace sluice::decode
