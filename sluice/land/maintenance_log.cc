#include "sluice/land/maintenance_log.h"

#include <algorithm>
#include <utility>

namespace sluice::land {

void MaintenanceLog::Add(MaintenanceRun run) {
  const std::lock_guard lock(mutex_);
  if (runs_.size() == kRunsMax) runs_.pop_front();
  runs_.push_back(std::move(run));
}

std::vector<MaintenanceRun> MaintenanceLog::List() const {
  const std::lock_guard lock(mutex_);
  return {runs_.begin(), runs_.end()};
}

std::optional<MaintenanceRun> MaintenanceLog::Last(std::string_view topic) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(runs_.rbegin(), runs_.rend(),
                                  [&](const MaintenanceRun& run) { return run.topic == topic; });
  if (found == runs_.rend()) return std::nullopt;
  return *found;
}

}  // namespace sluice::land
