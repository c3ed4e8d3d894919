#include "sluice/cli/internal/demo_sender.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace sluice::cli::internal {
namespace {

api::Response Answer(int status, std::string body, const std::string& retry_after = {}) {
  api::Response answer;
  answer.status = status;
  answer.body = std::move(body);
  if (!retry_after.empty()) answer.headers.emplace_back("retry-after", retry_after);
  return answer;
}

class DemoSenderTest : public ::testing::Test {
 protected:
  /// Answers as `answers_` say, then with receipts of what came.
  Result<api::Response> Take(std::string_view body) {
    bodies_.emplace_back(body);
    if (!answers_.empty()) {
      Result<api::Response> answer = std::move(answers_.front());
      answers_.erase(answers_.begin());
      return answer;
    }
    const auto rows = std::ranges::count(body, '\n');
    return Answer(200, fmt::format(R"({{"received":{0},"accepted":{0}}})", rows));
  }

  void Send(int tenths) {
    for (int i = 0; i < tenths; ++i) {
      clock_.Advance(std::chrono::milliseconds(100));
      ASSERT_TRUE(sender_.SendDue().ok());
    }
  }

  os::SimulatedClock clock_{os::Timestamp{}};
  std::vector<Result<api::Response>> answers_;
  std::vector<std::string> bodies_;
  int made_ = 0;
  DemoSender sender_{[this] { return std::to_string(made_++); }, 100,
                     [this](std::string_view body) { return Take(body); }, clock_};
};

TEST_F(DemoSenderTest, SendsAtItsRate) {
  Send(10);
  EXPECT_EQ(sender_.totals().received, 101);
  EXPECT_EQ(sender_.totals().accepted, 101);
  EXPECT_EQ(bodies_.size(), 10u);
  EXPECT_EQ(sender_.waits_for(), "");
}

TEST_F(DemoSenderTest, SendsTheSameAgainWhenTheServerAsksForIt) {
  for (const int status : {429, 503, 507}) {
    bodies_.clear();
    const int64_t before = sender_.totals().received;
    answers_.emplace_back(Answer(status, "full", "2"));
    Send(1);
    EXPECT_EQ(sender_.waits_for(), fmt::format("the server answered {}", status));
    Send(19);
    EXPECT_EQ(bodies_.size(), 1u) << "before its time";
    Send(2);
    ASSERT_EQ(bodies_.size(), 3u);
    EXPECT_EQ(bodies_[0], bodies_[1]);
    EXPECT_EQ(sender_.waits_for(), "");
    // What was due meanwhile comes, too, and nothing is counted twice.
    EXPECT_EQ(sender_.totals().received, before == 0 ? 221 : before + 220);
    EXPECT_EQ(sender_.totals().received, made_);
  }
  EXPECT_EQ(sender_.totals().answers_lost, 0);
}

TEST_F(DemoSenderTest, CountsAnswersThatDidNotCome) {
  answers_.emplace_back(Unavailable("gone"));
  Send(1);
  EXPECT_EQ(sender_.waits_for(), "gone");
  Send(11);
  EXPECT_EQ(bodies_[0], bodies_[1]);
  EXPECT_EQ(sender_.totals().answers_lost, 1);
  EXPECT_EQ(sender_.totals().received, made_);
}

TEST_F(DemoSenderTest, EndsWhenTheServerWillNeverTakeIt) {
  answers_.emplace_back(Answer(401, "no token"));
  clock_.Advance(std::chrono::seconds(1));
  const Status sent = sender_.SendDue();
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().message(), "the server answered 401: no token");
}

}  // namespace
}  // namespace sluice::cli::internal
