#include "sluice/land/pace.h"

#include <algorithm>

namespace sluice::land {

namespace {

using std::chrono::microseconds;

constexpr microseconds kBusyWait{100'000};

}  // namespace

Pace::Pace(const PaceOptions& options, const os::Clock& clock)
    : options_(options),
      clock_(clock),
      began_(clock.Steady()),
      used_before_(options.processor_time()) {}

bool Pace::Keep(int64_t bytes) {
  bytes_ += bytes;
  while (options_.busy && options_.busy()) {
    if (!options_.wait(kBusyWait)) return false;
  }
  const double by_processor = static_cast<double>(processor().count()) / options_.processor_share;
  const double by_bytes =
      static_cast<double>(bytes_) * 1e6 / static_cast<double>(options_.bytes_per_second);
  const microseconds least(static_cast<int64_t>(std::max(by_processor, by_bytes)));
  return options_.wait(std::max(microseconds(0), least - taken()));
}

}  // namespace sluice::land
