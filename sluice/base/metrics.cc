#include "sluice/base/metrics.h"

#include <fmt/format.h>

namespace sluice {
namespace {

constexpr size_t kSeriesMax = 10'000;

template <typename T>
T& Find(std::map<std::string, std::map<std::string, std::unique_ptr<T>>>& family,
        std::string_view name, std::string_view labels) {
  auto& series = family[std::string(name)];
  std::string key(series.size() < kSeriesMax ? labels : std::string_view());
  if (const auto found = series.find(std::string(labels)); found != series.end()) {
    return *found->second;
  }
  auto& slot = series[key];
  if (slot == nullptr) slot = std::make_unique<T>();
  return *slot;
}

std::string Series(std::string_view name, std::string_view labels) {
  return labels.empty() ? std::string(name) : fmt::format("{}{{{}}}", name, labels);
}

}  // namespace

void Histogram::Observe(double seconds) {
  size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  microseconds_.fetch_add(static_cast<int64_t>(seconds * 1e6), std::memory_order_relaxed);
}

void Histogram::Render(std::string& out, std::string_view name, std::string_view labels) const {
  int64_t total = 0;
  const std::string_view comma = labels.empty() ? "" : ",";
  for (size_t i = 0; i <= kBounds.size(); ++i) {
    total += buckets_[i].load(std::memory_order_relaxed);
    const std::string bound = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
    out += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels, comma, bound, total);
  }
  const double sum = static_cast<double>(microseconds_.load(std::memory_order_relaxed)) / 1e6;
  out += fmt::format("{} {}\n", Series(fmt::format("{}_sum", name), labels), sum);
  out += fmt::format("{} {}\n", Series(fmt::format("{}_count", name), labels), total);
}

Counter& Metrics::GetCounter(std::string_view name, std::string_view labels) {
  const std::lock_guard lock(mutex_);
  return Find(counters_, name, labels);
}

Histogram& Metrics::GetHistogram(std::string_view name, std::string_view labels) {
  const std::lock_guard lock(mutex_);
  return Find(histograms_, name, labels);
}

void Metrics::AddGauge(std::string_view name, std::string_view labels,
                       std::function<double()> value) {
  const std::lock_guard lock(mutex_);
  gauges_[std::string(name)][std::string(labels)] = std::move(value);
}

std::string Metrics::Render() const {
  const std::lock_guard lock(mutex_);
  std::string out;
  for (const auto& [name, series] : counters_) {
    out += fmt::format("# TYPE {} counter\n", name);
    for (const auto& [labels, counter] : series) {
      out += fmt::format("{} {}\n", Series(name, labels), counter->value());
    }
  }
  for (const auto& [name, series] : histograms_) {
    out += fmt::format("# TYPE {} histogram\n", name);
    for (const auto& [labels, histogram] : series) histogram->Render(out, name, labels);
  }
  for (const auto& [name, series] : gauges_) {
    out += fmt::format("# TYPE {} gauge\n", name);
    for (const auto& [labels, value] : series) {
      out += fmt::format("{} {}\n", Series(name, labels), value());
    }
  }
  return out;
}

}  // namespace sluice
