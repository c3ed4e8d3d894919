#include "sluice/api/internal/cloud_events.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace sluice::api::internal {
namespace {

using Headers = std::map<std::string, std::string>;

Request With(Headers headers) {
  Request request;
  request.headers = std::move(headers);
  return request;
}

std::string Structured(std::string_view body, const std::optional<std::string>& topic = {}) {
  const auto text = ToEnvelopes({}, CloudEventsMode::kStructured, body, topic);
  return text.ok() ? *text : text.error().message();
}

std::string Batch(std::string_view body) {
  const auto text = ToEnvelopes({}, CloudEventsMode::kBatch, body, {});
  return text.ok() ? *text : text.error().message();
}

std::string Binary(Headers headers, std::string_view body) {
  headers.emplace("ce-specversion", "1.0");
  headers.emplace("ce-id", "1");
  headers.emplace("ce-source", "/s");
  headers.emplace("ce-type", "t");
  const auto text = ToEnvelopes(With(std::move(headers)), CloudEventsMode::kBinary, body, {});
  return text.ok() ? *text : text.error().message();
}

TEST(CloudEventsTest, TellsModesByContentTypeFirst) {
  const auto mode = [](Headers headers) { return ModeOf(With(std::move(headers))); };
  EXPECT_EQ(mode({{"content-type", "application/cloudevents+json; charset=utf-8"}}),
            CloudEventsMode::kStructured);
  EXPECT_EQ(mode({{"content-type", "APPLICATION/CLOUDEVENTS-BATCH+JSON"}}),
            CloudEventsMode::kBatch);
  EXPECT_EQ(mode({{"content-type", "application/cloudevents+avro"}}), CloudEventsMode::kUnknown);
  EXPECT_EQ(mode({{"content-type", "application/cloudevents"}}), CloudEventsMode::kUnknown);
  EXPECT_EQ(mode({{"content-type", "application/json"}, {"ce-specversion", "1.0"}}),
            CloudEventsMode::kBinary);
  EXPECT_EQ(mode({{"content-type", "application/json"}}), CloudEventsMode::kNone);
  EXPECT_EQ(mode({{"content-type", "application/cloudevents+json"}, {"ce-specversion", "1.0"}}),
            CloudEventsMode::kStructured);
}

TEST(CloudEventsTest, StructuredBecomesAnEnvelope) {
  EXPECT_EQ(Structured(R"({"specversion":"1.0","type":"shop.orders","source":"/shop/7","id":"a-1",)"
                       R"("time":"2026-01-05T09:00:00Z","subject":"o/1","traceid":17,"ok":true,)"
                       R"("gone":null,"data":{"price":1.10, "n":123456789012345678901}})"),
            R"({"event":"shop.orders","event_id":"/shop/7 a-1","metadata":{"type":"shop.orders",)"
            R"("source":"/shop/7","id":"a-1","published":"2026-01-05T09:00:00Z","subject":"o/1",)"
            R"("traceid":17,"ok":true},"content":{"price":1.10, "n":123456789012345678901}})");
}

TEST(CloudEventsTest, TheAddressNamesTheTopicBeforeTheType) {
  const std::string text = Structured(
      R"({"specversion":"1.0","type":"com.example.made","source":"s","id":"1"})", "orders");
  EXPECT_TRUE(text.starts_with(R"({"event":"orders","event_id":"s 1",)")) << text;
}

TEST(CloudEventsTest, Base64IsWhatItStandsFor) {
  const std::string head = R"({"specversion":"1.0","type":"t","source":"s","id":"1",)";
  EXPECT_NE(Structured(head + R"("data_base64":"eyJhIjoxfQ=="})").find(R"("content":{"a":1})"),
            std::string::npos);
  // Bytes that are no JSON by themselves cannot become members of the envelope.
  EXPECT_NE(Structured(head + R"("data_base64":"e30sImV2ZW50IjoieCI="})")
                .find(R"("content":"{},\"event\":\"x\""})"),
            std::string::npos);
  EXPECT_NE(Structured(head + R"("datacontenttype":"text/plain","data_base64":"MQ=="})")
                .find(R"("content":"1")"),
            std::string::npos);
}

TEST(CloudEventsTest, RefusesWhatIsNoEvent) {
  const std::string good = R"("specversion":"1.0","type":"t","source":"s","id":"1")";
  EXPECT_EQ(Structured("[]"), "SL4006: an event must be an object");
  EXPECT_EQ(Structured("{" + good + "} {}"), "SL4006: something follows the event");
  EXPECT_EQ(Structured(R"({"specversion":"1.0","type":"t","source":"s"})"),
            "SL4006: 'id' is missing");
  EXPECT_EQ(Structured(R"({"specversion":"0.3","type":"t","source":"s","id":"1"})"),
            "SL4006: 'specversion' must be 1.0");
  EXPECT_EQ(Structured(R"({"specversion":"1.0","type":"t","source":"","id":"1"})"),
            "SL4006: 'source' must be a text that is not empty");
  EXPECT_EQ(Structured(R"({"specversion":"1.0","type":"t","source":"a b","id":"1"})"),
            "SL4006: 'source' must be a URI-reference");
  EXPECT_EQ(Structured("{" + good + R"(,"my_name":"x"})"),
            "SL4006: names of attributes have only a-z and 0-9");
  EXPECT_EQ(Structured("{" + good + R"(,"\u0069d":"x"})"), "SL4006: 'id' comes twice");
  EXPECT_EQ(Structured("{" + good + R"(,"x":{}})"),
            "SL4006: an attribute must be a text, a whole number, true or false");
  EXPECT_EQ(Structured("{" + good + R"(,"data":1,"data_base64":"MQ=="})"),
            "SL4006: there are both 'data' and 'data_base64'");
  EXPECT_TRUE(Structured("{\"a\":").starts_with("SL4006: "));
  EXPECT_EQ(Batch("[{" + good + "},{}]"), "SL4006: event 1: 'specversion' is missing");
  EXPECT_EQ(Batch("{" + good + "}"), "SL4006: a batch must be an array of events");
}

TEST(CloudEventsTest, ABatchIsAnArrayOfThem) {
  EXPECT_EQ(Batch("[]"), "[]");
  EXPECT_EQ(Batch(R"([{"specversion":"1.0","type":"t","source":"s","id":"1","data":[1]},)"
                  R"({"specversion":"1.0","type":"u","source":"s","id":"2"}])"),
            R"([{"event":"t","event_id":"s 1","metadata":{"type":"t","source":"s","id":"1"},)"
            R"("content":[1]},{"event":"u","event_id":"s 2","metadata":{"type":"u","source":"s",)"
            R"("id":"2"}}])");
}

TEST(CloudEventsTest, BinaryReadsHeaders) {
  EXPECT_EQ(Binary({{"content-type", "application/json"},
                    {"ce-subject", "Euro%20%E2%82%AC%20%F0%9F%98%80"}},
                   R"({"a":1})"),
            R"({"event":"t","event_id":"/s 1","metadata":{"id":"1","source":"/s",)"
            "\"subject\":\"Euro \xE2\x82\xAC \xF0\x9F\x98\x80\","
            R"("type":"t",)"
            R"("datacontenttype":"application/json"},"content":{"a":1}})");
  EXPECT_NE(Binary({{"ce-subject", "\"a\\\"b\\\\c\""}}, "{}").find(R"("subject":"a\"b\\c")"),
            std::string::npos);
  EXPECT_NE(Binary({{"ce-subject", "50%25off%zz"}}, "{}").find(R"("subject":"50%off%zz")"),
            std::string::npos);
  EXPECT_EQ(Binary({{"ce-subject", "%C0%A0"}}, "{}"),
            "SL4006: the value of a ce- header is no UTF-8");
  EXPECT_EQ(Binary({{"ce-datacontenttype", "text/xml"}}, "{}"),
            "SL4006: 'ce-datacontenttype' is what Content-Type is for");
  EXPECT_NE(Binary({{"content-type", "application/json"}}, R"({},"event":"x")")
                .find(R"("content":"{},\"event\":\"x\"")"),
            std::string::npos);
}

}  // namespace
}  // namespace sluice::api::internal
