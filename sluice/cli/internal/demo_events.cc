#include "sluice/cli/internal/demo_events.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "sluice/lake/timestamps.h"

namespace sluice::cli::internal {
namespace {

constexpr std::string_view kPages[] = {"/home",     "/search",   "/p/lamp", "/p/chair",
                                       "/p/kettle", "/p/teapot", "/cart",   "/checkout"};
constexpr std::string_view kNames[] = {"Ada", "Grace", "Edsger", "Barbara", "Donald", "Radia"};
constexpr std::string_view kTables[] = {"crm/public/users", "crm/public/orders",
                                        "shop/public/carts", "erp/stock/items"};
constexpr std::pair<double, double> kButtons[] = {{0.71, 0.42}, {0.24, 0.18}, {0.52, 0.80}};

}  // namespace

DemoEvents::DemoEvents(const os::Clock& clock, uint64_t seed)
    : clock_(clock), random_(seed), producer_(fmt::format("demo-{:08x}", seed & 0xffffffff)) {}

std::string DemoEvents::Next() {
  const int64_t number = sequence_++;
  if (number > 0 && number % 200 == 0) return last_;
  const std::string now = lake::TimestampText(clock_.Now().time_since_epoch().count());
  last_ = number % 100 == 50 ? MakeBad(number, now) : MakeGood(number, now);
  return last_;
}

std::string DemoEvents::Head(std::string_view topic, int64_t number) const {
  return fmt::format(R"({{"event":"{}","producer":"{}","sequence":{})", topic, producer_, number);
}

std::string DemoEvents::MakeBad(int64_t number, const std::string& now) {
  const std::string id = fmt::format("bad-{}-{}", producer_, number);
  switch (number / 100 % 4) {
    case 0:
      return fmt::format(
          R"({{"event":"shop.user-events","content":{{"eventId":"{}","userId":"seven",)"
          R"("eventType":"click","page":"/cart","timestamp":"{}","source":"web"}}}})",
          id, now);
    case 1:
      return fmt::format(
          R"({{"event":"shop.user-events","content":{{"eventId":"{}","userId":7,)"
          R"("eventType":"teleport","page":"/cart","timestamp":"{}","source":"web"}}}})",
          id, now);
    case 2:
      return fmt::format(
          R"({{"event":"shop.carts","event_id":"{}","content":{{"cartId":"c-{}","items":{}}}}})",
          id, number, Below(9));
    default:
      return fmt::format(R"({},"content":{{"sensor":"s{}","celsius":{:.2f},"ok":true}}}})",
                         Head("plant.sensor-readings", number), Below(50), 15 + 10 * Unit());
  }
}

std::string DemoEvents::MakeGood(int64_t number, const std::string& now) {
  const uint64_t kind = Below(100);
  if (kind < 40) return MakePointer(number, now);
  if (kind < 65) {
    static constexpr std::string_view kTypes[] = {"login", "click", "click", "click", "logout"};
    const bool buys = Below(8) == 0;
    return fmt::format(
        R"({{"event":"shop.user-events","content":{{"eventId":"{:016x}","userId":{},)"
        R"("eventType":"{}","page":"{}","timestamp":"{}","source":"{}","amount":{}}}}})",
        random_(), Below(5000), buys ? "purchase" : kTypes[Below(5)], kPages[Below(8)], now,
        Below(3) == 0 ? "mobile" : "web",
        buys ? fmt::format("\"{:.2f}\"", 5 + 200 * Unit()) : "null");
  }
  if (kind < 85) {
    const uint64_t sensor = Below(50);
    const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(clock_.Now());
    return fmt::format(
        R"({},"content":{{"sensor":"s{:02}","measuredAt":{},"celsius":{:.2f},"ok":{}}}}})",
        Head("plant.sensor-readings", number), sensor, milliseconds.time_since_epoch().count(),
        15 + static_cast<double>(sensor) / 5 + Unit(), Below(50) != 0);
  }
  if (kind < 93) {
    const uint64_t person = random_();
    return fmt::format(
        R"({},"metadata":{{"published":"{}","domain":"user","entity":"identity","name":"created"}},)"
        R"("content":{{"userId":"{:08x}-{:04x}-4000-8000-{:012x}","email":"{}.{}@example.com",)"
        R"("name":"{} Example"}}}})",
        Head("user.identity.created", number), now, person >> 32, person >> 16 & 0xffff,
        person & 0xffffffff, kNames[person % 6], person % 9000, kNames[person % 6]);
  }
  const bool incident = Below(4) == 0;
  return fmt::format(
      R"({},"content":{{"qualifiedName":"pg://{}/c{}","assetType":"column","change":"{}",)"
      R"("tags":[{}],"incident":{},"at":"{}"}}}})",
      Head("metadata.changed", number), kTables[Below(4)], Below(20),
      incident ? "incident" : "tagged", Below(3) == 0 ? R"("PII","GDPR")" : R"("certified")",
      incident ? R"("freshness: 3 h late")" : "null", now);
}

std::string DemoEvents::MakePointer(int64_t number, const std::string& now) {
  // People point at buttons: half of the moves are around one.
  double x = Unit();
  double y = Unit();
  if (Below(2) == 0) {
    const auto& [at_x, at_y] = kButtons[Below(3)];
    x = std::clamp(at_x + (Unit() + Unit() - 1) * 0.06, 0.0, 1.0);
    y = std::clamp(at_y + (Unit() + Unit() - 1) * 0.06, 0.0, 1.0);
  }
  static constexpr int kWidths[] = {390, 820, 1280, 1920};
  return fmt::format(
      R"({{"event":"pointer.moved","event_id":"{}-{}",)"
      R"("content":{{"clientId":"c{}","screenId":"{}","eventTime":"{}","xNorm":{:.4f},)"
      R"("yNorm":{:.4f},"kind":"{}","viewportW":{}}}}})",
      producer_, number, Below(300), Below(3) == 0 ? "checkout" : "home", now, x, y,
      Below(10) == 0 ? "click" : "move", kWidths[Below(4)]);
}

}  // namespace sluice::cli::internal
