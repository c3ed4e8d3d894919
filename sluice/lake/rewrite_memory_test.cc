#include <arrow/api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "sluice/lake/cluster_files.h"
#include "sluice/lake/compact_files.h"
#include "sluice/lake/delta_table.h"
#include "sluice/lake/scan.h"
#include "sluice/os/clock.h"
#include "sluice/os/random.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {
namespace {

constexpr int64_t kMebibyte = int64_t{1} << 20;

/// Looks, at each call, how much memory batches have, and how much is read at once.
class WatchedStore final : public store::ObjectStore {
 public:
  explicit WatchedStore(store::ObjectStore& inner) : inner_(inner) {}

  Result<std::string> Get(std::string_view path) override { return inner_.Get(path); }
  Result<std::string> GetRange(std::string_view path, uint64_t offset, uint64_t size) override {
    Look();
    largest_ = std::max(largest_, static_cast<int64_t>(size));
    return inner_.GetRange(path, offset, size);
  }
  Result<store::ObjectInfo> Head(std::string_view path) override { return inner_.Head(path); }
  Status Put(std::string_view path, std::string_view bytes) override {
    return inner_.Put(path, bytes);
  }
  Status PutIfAbsent(std::string_view path, std::string_view bytes) override {
    return inner_.PutIfAbsent(path, bytes);
  }
  Result<std::vector<store::ObjectInfo>> List(std::string_view prefix,
                                              std::string_view after) override {
    return inner_.List(prefix, after);
  }
  Result<std::unique_ptr<store::ObjectWriter>> StartPut(std::string_view path) override {
    SLUICE_ASSIGN_OR_RETURN(auto writer, inner_.StartPut(path));
    return std::unique_ptr<store::ObjectWriter>(std::make_unique<Writer>(*this, std::move(writer)));
  }
  Status Delete(std::string_view path) override { return inner_.Delete(path); }
  std::string Location(std::string_view path) const override { return inner_.Location(path); }

  void Begin() {
    before_ = arrow::default_memory_pool()->bytes_allocated();
    most_ = largest_ = 0;
  }
  void Look() {
    most_ = std::max(most_, arrow::default_memory_pool()->bytes_allocated() - before_);
  }
  int64_t most() const { return most_; }
  int64_t largest() const { return largest_; }

 private:
  class Writer final : public store::ObjectWriter {
   public:
    Writer(WatchedStore& store, std::unique_ptr<store::ObjectWriter> inner)
        : store_(store), inner_(std::move(inner)) {}
    Status Write(std::string_view bytes) override {
      store_.Look();
      return inner_->Write(bytes);
    }
    Status Finish() override { return inner_->Finish(); }

   private:
    WatchedStore& store_;
    const std::unique_ptr<store::ObjectWriter> inner_;
  };

  store::ObjectStore& inner_;
  int64_t before_ = 0;
  int64_t most_ = 0;
  int64_t largest_ = 0;
};

class RewriteMemoryTest : public ::testing::Test {
 protected:
  RewriteMemoryTest() {
    const auto created = table_.Create(schema_, {});
    EXPECT_TRUE(created.ok()) << created.error().message();
  }

  /// A file of so many rows with a text of so many random bytes each.
  void Append(int64_t rows, size_t text_bytes) {
    arrow::Int64Builder ids;
    arrow::StringBuilder texts;
    std::string text(text_bytes, ' ');
    for (int64_t row = 0; row < rows; ++row) {
      for (char& byte : text) byte = static_cast<char>(32 + generator_() % 95);
      ASSERT_TRUE(ids.Append(next_ * 7919 % 10'007).ok());
      ASSERT_TRUE(texts.Append(text).ok());
      ++next_;
    }
    const NewFile file{
        .partition_values = {},
        .batches = {arrow::RecordBatch::Make(schema_, rows, {*ids.Finish(), *texts.Finish()})}};
    const auto appended = table_.Append(nullptr, std::vector<NewFile>{file});
    ASSERT_TRUE(appended.ok()) << appended.error().message();
  }

  /// The limit for a rewriting whose figures are looked at from now on.
  RewriteMemory Limited(int64_t bytes) {
    watched_.Begin();
    told_most_ = told_ = 0;
    return {.bytes_max = bytes, .tell = [this](int64_t now) {
              told_ = now;
              told_most_ = std::max(told_most_, now);
            }};
  }

  void ExpectWithin(int64_t bytes) {
    EXPECT_LE(watched_.most(), bytes + bytes / 8) << "about";
    EXPECT_LE(watched_.largest(), bytes / 2) << "read at once";
    EXPECT_LE(told_most_, bytes);
    EXPECT_GE(told_most_, bytes / 8);
    EXPECT_EQ(told_, 0) << "nothing in the end";
  }

  int64_t Rows() {
    const auto scan = Scan::Open(table_, *table_.Load(), {.columns = {{"id"}}});
    EXPECT_TRUE(scan.ok()) << scan.error().message();
    int64_t rows = 0;
    while (true) {
      const auto batch = (*scan)->Next();
      EXPECT_TRUE(batch.ok());
      if (!batch.ok() || *batch == nullptr) return rows;
      rows += (*batch)->num_rows();
    }
  }

  const std::shared_ptr<arrow::Schema> schema_ =
      arrow::schema({arrow::field("id", arrow::int64()), arrow::field("text", arrow::utf8())});
  os::SimulatedClock clock_{os::Timestamp(std::chrono::seconds(1'700'000'000))};
  store::MemoryStore memory_{&clock_};
  WatchedStore watched_{memory_};
  os::SimulatedRandom random_{7};
  std::mt19937_64 generator_{11};
  DeltaTable table_{watched_, "t", clock_, random_};
  int64_t next_ = 0;
  int64_t told_ = 0;
  int64_t told_most_ = 0;
};

TEST_F(RewriteMemoryTest, ManyFilesOfLargeRowsAreJoinedWithinIt) {
  for (int file = 0; file < 24; ++file) Append(16, 100'000);
  const auto report = CompactFiles(table_, {.memory = Limited(8 * kMebibyte)});
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_added, 1);
  ExpectWithin(8 * kMebibyte);
  EXPECT_EQ(Rows(), next_);
}

TEST_F(RewriteMemoryTest, ALargeRowGroupIsReadInPieces) {
  Append(100'000, 500);  // Each of 48 MiB.
  Append(500, 100'000);
  const auto report =
      CompactFiles(table_, {.file_bytes = 1 << 30, .memory = Limited(8 * kMebibyte)});
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_removed, 2);
  ExpectWithin(8 * kMebibyte);
  EXPECT_EQ(Rows(), next_);
}

TEST_F(RewriteMemoryTest, RowsAreClusteredWithinIt) {
  Append(100'000, 300);
  Append(200, 100'000);
  const auto report =
      ClusterFiles(table_, {.columns = {"id", "text"}, .memory = Limited(8 * kMebibyte)});
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->files_removed, 2);
  EXPECT_GE(report->files_added, 2);
  ExpectWithin(8 * kMebibyte);
  EXPECT_EQ(Rows(), next_);
}

}  // namespace
}  // namespace sluice::lake
