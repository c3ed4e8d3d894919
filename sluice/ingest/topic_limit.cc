// Ingest: how many topics there may be.

#include <algorithm>
#include <set>
#include <string>

#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/topic_state.h"

namespace sluice::ingest {

Status Ingest::CheckTopicsMax(std::span<const event::Contract> contracts) const {
  const auto counts = [](std::string_view topic) {
    return !topic.starts_with(catalog::kSystemPrefix);
  };
  const std::shared_lock lock(mutex_);
  std::set<std::string_view> added;
  for (const event::Contract& contract : contracts) {
    if (counts(contract.topic) && !topics_.contains(contract.topic)) added.insert(contract.topic);
  }
  if (added.empty()) return {};
  const auto present = static_cast<size_t>(
      std::ranges::count_if(topics_, [&](const auto& topic) { return counts(topic.first); }));
  if (present + added.size() <= options_.topics_max) return {};
  return Error(ErrorCode::kUnsupported,
               fmt::format("SL4221: there are {} topics and would be {} more, but limits.topics is "
                           "{}: delete some (`sluice topic delete`), or raise the limit",
                           present, added.size(), options_.topics_max));
}

}  // namespace sluice::ingest
