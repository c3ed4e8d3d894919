#include "sluice/api/router.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace sluice::api {
namespace {

class RouterTest : public testing::Test {
 protected:
  RouterTest() {
    router_.Add(
        "GET", "/v1/things/{id}", Access::kOpen, [](const Call& call, const Respond& respond) {
          respond({.headers = {}, .body = "one " + call.Segment("id") + call.Parameter("also")});
        });
    router_.Add("DELETE", "/v1/things/{id}", Access::kOpen,
                [](const Call&, const Respond& respond) { respond({.headers = {}, .body = ""}); });
    router_.AddBlocking("GET", "/v1/things", Access::kOpen,
                        [](const Call&) -> Response { return {.headers = {}, .body = "all"}; });
  }

  Response Ask(std::string method, std::string path) {
    auto request = std::make_shared<Request>();
    request->method = std::move(method);
    request->path = std::move(path);
    request->query = {{"also", "!"}};
    std::promise<Response> answer;
    router_.Handle(request, [&](Response response) { answer.set_value(std::move(response)); });
    return answer.get_future().get();
  }

  WorkerPool workers_{1, 4};
  Router router_{workers_, [](const Request&) -> Result<govern::Principal> {
                   return govern::Principal{.id = "test",
                                            .scopes = {*govern::ParseScope("send:a")}};
                 }};
};

TEST_F(RouterTest, FindsByMethodAndPattern) {
  EXPECT_EQ(Ask("GET", "/v1/things/7").body, "one 7!");
  EXPECT_EQ(Ask("HEAD", "/v1/things/7").body, "one 7!");
  EXPECT_EQ(Ask("GET", "/v1/things").body, "all");
  EXPECT_EQ(Ask("GET", "/v1/things/").body, "all");
}

TEST_F(RouterTest, SaysWhatAnAddressTakes) {
  EXPECT_EQ(Ask("GET", "/v1").status, 404);
  EXPECT_EQ(Ask("GET", "/v1/things/7/8").status, 404);
  EXPECT_EQ(Ask("GET", "").status, 404);
  const Response response = Ask("PUT", "/v1/things/7");
  EXPECT_EQ(response.status, 405);
  ASSERT_EQ(response.headers.size(), 1u);
  EXPECT_EQ(response.headers[0].second, "GET, DELETE");
}

TEST_F(RouterTest, AnswersThatItIsBusy) {
  std::promise<void> begun;
  std::promise<void> free;
  router_.AddBlocking("GET", "/slow", Access::kOpen, [&](const Call&) -> Response {
    begun.set_value();
    free.get_future().wait();
    return {.headers = {}, .body = ""};
  });
  std::promise<Response> slow;
  auto request = std::make_shared<Request>();
  request->method = "GET";
  request->path = "/slow";
  router_.Handle(request, [&](Response response) { slow.set_value(std::move(response)); });
  begun.get_future().wait();
  const auto refused = std::make_shared<std::atomic<int>>(0);
  auto other = std::make_shared<Request>();
  other->method = "GET";
  other->path = "/v1/things";
  for (int i = 0; i < 5; ++i) {
    router_.Handle(other,
                   [refused](const Response& response) { *refused += response.status == 503; });
  }
  EXPECT_EQ(*refused, 1);  // Four wait.
  free.set_value();
  EXPECT_EQ(slow.get_future().get().status, 200);
}

}  // namespace
}  // namespace sluice::api
