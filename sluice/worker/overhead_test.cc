// What a process of its own costs a query: the same queries here and there, in turn.
// SLUICE_LONG=1 takes more samples and holds the bound.

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "sluice/columnar/parquet.h"
#include "sluice/os/clock.h"
#include "sluice/worker/internal/form_writer.h"
#include "sluice/worker/pool.h"

namespace sluice::worker {
namespace {

class Body final : public BodySink {
 public:
  Status Write(std::string_view bytes, std::optional<int64_t>, os::Monotonic) override {
    size += bytes.size();
    return {};
  }
  size_t size = 0;
};

columnar::Batch Rows(int64_t first, int64_t count) {
  arrow::Int64Builder numbers;
  arrow::StringBuilder texts;
  for (int64_t i = first; i < first + count; ++i) {
    EXPECT_TRUE(numbers.Append(i).ok());
    EXPECT_TRUE(texts.Append("text of row " + std::to_string(i % 1000)).ok());
  }
  return arrow::RecordBatch::Make(
      arrow::schema({arrow::field("n", arrow::int64()), arrow::field("t", arrow::utf8())}), count,
      {*numbers.Finish(), *texts.Finish()});
}

double Percentile(std::vector<double>& samples, double part) {
  std::ranges::sort(samples);
  return samples[static_cast<size_t>(static_cast<double>(samples.size() - 1) * part)];
}

TEST(OverheadTest, IsSmall) {
  const char* const value = std::getenv("SLUICE_LONG");
  const bool exact = value != nullptr && std::string_view(value) == "1";
  const int rounds = exact ? 2000 : 50;
  std::string folder = testing::TempDir() + "overhead_XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  std::filesystem::create_directories(folder + "/tables");

  duck::Relation relation;
  relation.schema_name = "bronze";
  relation.name = "t";
  for (int i = 0; i < 8; ++i) {
    const auto batch = Rows(i * 100'000, 100'000);
    relation.schema = batch->schema();
    const auto file = columnar::WriteParquet(batch->schema(), {batch});
    ASSERT_TRUE(file.ok());
    relation.files.push_back(folder + "/tables/" + std::to_string(i) + ".parquet");
    std::ofstream(relation.files.back(), std::ios::binary) << file->bytes;  // NOLINT: a test
  }
  for (int i = 0; i < 20; ++i) relation.batches.push_back(Rows(800'000 + i * 16'384, 16'384));
  const duck::RelationLookup lookup = [&](const duck::RelationName& name) {
    return Result<std::optional<duck::Relation>>(name.name == "t" ? std::optional(relation)
                                                                  : std::nullopt);
  };

  Metrics metrics;
  const Tenant tenant{.name = "a", .files_folders = {folder + "/tables"}};
  const auto pool = Pool::Start({.temporary_folder = folder + "/temporary"}, tenant, metrics);
  ASSERT_TRUE(pool.ok()) << pool.error().ToString();
  duck::EngineOptions engine_options;
  engine_options.files_folders = tenant.files_folders;
  engine_options.temporary_folder = folder + "/spill";
  engine_options.memory_bytes_max = 512u << 20;
  const auto engine = duck::Engine::Open(engine_options);
  ASSERT_TRUE(engine.ok());

  const os::SystemClock clock;
  for (const char* const sql :
       {"select 1", "select * from bronze.t where n between 700000 and 700100",
        "select count(*), max(n) from bronze.t where t like '%7'"}) {
    std::vector<double> here;
    std::vector<double> there;
    for (int round = 0; round < rounds; ++round) {
      os::Monotonic start = clock.Steady();
      size_t bytes = 0;
      const auto writer =
          internal::MakeFormWriter(Form::kJson, [&](std::string_view piece, auto) -> Status {
            bytes += piece.size();
            return {};
          });
      ASSERT_TRUE((*engine)->Query(sql, lookup, *writer).ok());
      ASSERT_TRUE(writer->Finish().ok());
      here.push_back(std::chrono::duration<double, std::milli>(clock.Steady() - start).count());

      start = clock.Steady();
      Body body;
      const auto outcome = (*pool)->Run(tenant, {.sql = sql}, lookup, body);
      ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
      there.push_back(std::chrono::duration<double, std::milli>(clock.Steady() - start).count());
      ASSERT_EQ(body.size, bytes);
    }
    const double added = Percentile(there, 0.5) - Percentile(here, 0.5);
    std::printf("%-60.60s here p50 %.2f p99 %.2f, there p50 %.2f p99 %.2f ms: %+.2f\n", sql,
                Percentile(here, 0.5), Percentile(here, 0.99), Percentile(there, 0.5),
                Percentile(there, 0.99), added);
    if (exact) {
      EXPECT_LT(added, 2.0);
    }
  }
  std::vector<double> starts;
  for (int i = 0; i < (exact ? 50 : 3); ++i) {
    const os::Monotonic start = clock.Steady();
    const auto other = Pool::Start({.temporary_folder = folder + "/other"}, tenant, metrics);
    ASSERT_TRUE(other.ok());
    starts.push_back(std::chrono::duration<double, std::milli>(clock.Steady() - start).count());
  }
  std::printf("start of a worker p50 %.1f p99 %.1f ms\n", Percentile(starts, 0.5),
              Percentile(starts, 0.99));
  std::filesystem::remove_all(folder);
}

TEST(OverheadTest, OfVeryManyFilesIsSmall) {
  const char* const value = std::getenv("SLUICE_LONG");
  const bool exact = value != nullptr && std::string_view(value) == "1";
  const int64_t files = exact ? 10'000 : 500;
  std::string folder = testing::TempDir() + "files_XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  std::filesystem::create_directories(folder + "/tables");
  const auto batch = Rows(0, 100);
  const auto file = columnar::WriteParquet(batch->schema(), {batch});
  ASSERT_TRUE(file.ok());
  const std::string first = folder + "/tables/first.parquet";
  std::ofstream(first, std::ios::binary) << file->bytes;  // NOLINT: a test, and quick to read
  arrow::StringBuilder paths;
  arrow::Int64Builder lows;
  arrow::Int64Builder highs;
  duck::Relation plain;
  for (int64_t i = 0; i < files; ++i) {
    plain.files.push_back(folder + "/tables/" + std::to_string(i) + ".parquet");
    std::filesystem::create_hard_link(first, plain.files.back());
    ASSERT_TRUE(paths.Append(plain.files.back()).ok() && lows.Append(i * 100).ok() &&
                highs.Append(i * 100 + 99).ok());
  }
  plain.schema_name = "bronze";
  plain.name = "t";
  plain.schema = batch->schema();
  duck::Relation indexed = plain;
  indexed.files.clear();
  indexed.indexed_files = arrow::RecordBatch::Make(
      arrow::schema({arrow::field("path", arrow::utf8()), arrow::field("min:n", arrow::int64()),
                     arrow::field("max:n", arrow::int64())}),
      files, {*paths.Finish(), *lows.Finish(), *highs.Finish()});

  Metrics metrics;
  const Tenant tenant{.name = "a", .files_folders = {folder + "/tables"}};
  const auto pool = Pool::Start({.temporary_folder = folder + "/temporary"}, tenant, metrics);
  ASSERT_TRUE(pool.ok()) << pool.error().ToString();
  const os::SystemClock clock;
  for (const bool with_index : {true, false}) {
    const duck::RelationLookup lookup = [&](const duck::RelationName&) {
      return Result<std::optional<duck::Relation>>(with_index ? indexed : plain);
    };
    std::vector<double> samples;
    for (int round = 0; round < (exact ? 20 : 3); ++round) {
      const os::Monotonic start = clock.Steady();
      Body body;
      const auto outcome =
          (*pool)->Run(tenant, {.sql = "select count(*) from bronze.t where n between 210 and 220"},
                       lookup, body);
      ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
      samples.push_back(std::chrono::duration<double, std::milli>(clock.Steady() - start).count());
    }
    std::printf("one of %lld files, %s index: p50 %.1f p99 %.1f ms\n",
                static_cast<long long>(files), with_index ? "with" : "without",
                Percentile(samples, 0.5), Percentile(samples, 0.99));
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sluice::worker
