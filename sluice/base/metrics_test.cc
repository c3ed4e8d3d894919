#include "sluice/base/metrics.h"

#include <gtest/gtest.h>

#include <atomic>

#include "sluice/base/worker_pool.h"

namespace sluice {
namespace {

TEST(MetricsTest, RendersThePrometheusText) {
  Metrics metrics;
  metrics.GetCounter("sluice_x_total", "topic=\"a\"").Add(2);
  metrics.GetCounter("sluice_x_total", "topic=\"a\"").Add(1);
  metrics.GetHistogram("sluice_y_seconds").Observe(0.002);
  metrics.AddGauge("sluice_z", "", [] { return 1.5; });
  const std::string text = metrics.Render();
  EXPECT_NE(text.find("# TYPE sluice_x_total counter\nsluice_x_total{topic=\"a\"} 3\n"),
            std::string::npos);
  EXPECT_NE(text.find("sluice_y_seconds_bucket{le=\"0.001\"} 0\n"), std::string::npos);
  EXPECT_NE(text.find("sluice_y_seconds_bucket{le=\"0.003\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("sluice_y_seconds_count 1\n"), std::string::npos);
  EXPECT_NE(text.find("sluice_z 1.5\n"), std::string::npos);
}

TEST(WorkerPoolTest, RunsAllThatItTookAndRefusesTheRest) {
  std::atomic<int> ran{0};
  int taken = 0;
  {
    WorkerPool pool(2, 8);
    for (int i = 0; i < 100; ++i) taken += pool.TryRun([&] { ++ran; }) ? 1 : 0;
  }
  EXPECT_EQ(ran, taken);
  EXPECT_GE(taken, 8);
}

}  // namespace
}  // namespace sluice
