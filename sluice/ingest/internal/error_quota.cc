#include "sluice/ingest/internal/error_quota.h"

#include <algorithm>
#include <chrono>
#include <ratio>
#include <utility>

namespace sluice::ingest::internal {

ErrorQuota::Verdict ErrorQuota::Take(std::string_view sender, std::string_view topic, int64_t bytes,
                                     os::Monotonic now) {
  if (bytes_a_day_ == 0) return Verdict::kKeep;
  const std::lock_guard lock(mutex_);
  std::pair<std::string, std::string> key{sender, topic};
  if (quotas_.size() >= kQuotasMax && !quotas_.contains(key)) key = {};
  const auto all = static_cast<double>(bytes_a_day_);
  Quota& quota = quotas_.try_emplace(std::move(key), Quota{all, now}).first->second;
  const std::chrono::duration<double, std::ratio<86'400>> days = now - quota.filled;
  quota.left = std::min(all, quota.left + days.count() * all);
  quota.filled = now;
  const auto cost = static_cast<double>(bytes + kRowBytes);
  if (quota.left >= cost) {
    quota.left -= cost;
    return Verdict::kKeep;
  }
  if (quota.left - kRowBytes < -all) return Verdict::kRefuse;
  quota.left -= kRowBytes;
  return Verdict::kKeepWithoutEvent;
}

}  // namespace sluice::ingest::internal
