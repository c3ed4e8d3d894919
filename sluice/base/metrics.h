#pragma once
/// \file
/// Counters, gauges and histograms in the Prometheus text format.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

/// A count that only grows. Thread-safe.
class Counter {
 public:
  void Add(int64_t by = 1) { value_.fetch_add(by, std::memory_order_relaxed); }
  int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> value_{0};
};

/// Durations in seconds, in buckets from 100 µs to 100 s. Thread-safe.
class Histogram {
 public:
  static constexpr std::array<double, 13> kBounds = {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1,
                                                     0.3,    1,      3,     10,    30,   100};
  void Observe(double seconds);
  void Render(std::string& out, std::string_view name, std::string_view labels) const;

 private:
  std::array<std::atomic<int64_t>, kBounds.size() + 1> buckets_{};
  std::atomic<int64_t> microseconds_{0};
};

/// All metrics of a process. Thread-safe; what it returns lives as long as it does.
class Metrics {
 public:
  /// `labels` as in the text format, such as `topic="flights",outcome="accepted"`; at most 10,000
  /// series a name, beyond which one series with no labels takes the rest.
  Counter& GetCounter(std::string_view name, std::string_view labels = {});
  Histogram& GetHistogram(std::string_view name, std::string_view labels = {});
  /// Asks `value` at each Render().
  void AddGauge(std::string_view name, std::string_view labels, std::function<double()> value);

  std::string Render() const;

 private:
  template <typename T>
  using Family = std::map<std::string, std::map<std::string, std::unique_ptr<T>>>;

  mutable std::mutex mutex_;  // Guards the maps, not the values.
  Family<Counter> counters_;
  Family<Histogram> histograms_;
  std::map<std::string, std::map<std::string, std::function<double()>>> gauges_;
};

}  // namespace sluice
