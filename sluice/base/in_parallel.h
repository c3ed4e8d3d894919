#pragma once
/// \file
/// The same for many, at the same time.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace sluice {

/// Calls `run` for 0 to `count` - 1, on `threads` threads (at most 64, the caller's is one), until
/// one says false. Those that come after it may have begun, or not.
inline void InParallel(size_t count, int threads, const std::function<bool(size_t)>& run) {
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < count; i = next++) {
      if (!run(i)) next = count;
    }
  };
  std::vector<std::jthread> others;
  for (size_t i = 1; i < std::min(count, static_cast<size_t>(std::clamp(threads, 1, 64))); ++i) {
    others.emplace_back(work);
  }
  work();
}

}  // namespace sluice
