#include "sluice/cli/internal/demo_sender.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace sluice::cli::internal {
namespace {

constexpr int64_t kRowsMax = 1000;  // Of a request.
constexpr int64_t kWaitDefault = 1;
constexpr int64_t kWaitMax = 30;

/// Seconds after which the server wants to be asked again.
std::chrono::seconds RetryAfter(const api::Response& answer) {
  int64_t seconds = kWaitDefault;
  for (const auto& [name, value] : answer.headers) {
    if (name == "retry-after") {
      std::from_chars(value.data(), value.data() + value.size(), seconds);
    }
  }
  return std::chrono::seconds(std::clamp<int64_t>(seconds, 1, kWaitMax));
}

}  // namespace

DemoSender::DemoSender(std::function<std::string()> next, int64_t rate, Post post,
                       const os::Clock& clock)
    : next_(std::move(next)),
      rate_(rate),
      post_(std::move(post)),
      clock_(clock),
      start_(clock.Steady()),
      not_before_(start_) {}

void DemoSender::Wait(std::chrono::seconds time, std::string reason) {
  not_before_ = clock_.Steady() + time;
  waits_for_ = std::move(reason);
}

Status DemoSender::SendDue() {
  const os::Monotonic now = clock_.Steady();
  if (now < not_before_) return {};
  if (body_.empty()) {
    const auto elapsed = std::chrono::floor<std::chrono::milliseconds>(now - start_);
    const int64_t due = elapsed.count() * rate_ / 1000 + 1;
    const int64_t end = std::min(due, made_ + kRowsMax);
    for (; made_ < end; ++made_) body_ += next_() + "\n";
  }
  if (body_.empty()) return {};
  const Result<api::Response> answer = post_(body_);
  if (!answer.ok()) {
    ++totals_.answers_lost;
    Wait(std::chrono::seconds(kWaitDefault), answer.error().message());
    return {};
  }
  if (answer->status == 429 || answer->status >= 500) {
    Wait(RetryAfter(*answer), fmt::format("the server answered {}", answer->status));
    return {};
  }
  waits_for_.clear();
  SLUICE_RETURN_IF_ERROR(AddReceipt(*answer));
  body_.clear();
  return {};
}

Status DemoSender::AddReceipt(const api::Response& answer) {
  simdjson::dom::parser parser;
  simdjson::dom::element receipt;
  if (answer.status != 200 || parser.parse(answer.body).get(receipt) != simdjson::SUCCESS) {
    return Internal("the server answered {}: {}", answer.status, answer.body);
  }
  const std::pair<const char*, int64_t*> counts[] = {{"received", &totals_.received},
                                                     {"accepted", &totals_.accepted},
                                                     {"duplicate", &totals_.duplicate},
                                                     {"error", &totals_.error}};
  for (const auto& [name, total] : counts) {
    int64_t count = 0;
    if (receipt[name].get(count) == simdjson::SUCCESS) *total += count;
  }
  return {};
}

}  // namespace sluice::cli::internal
