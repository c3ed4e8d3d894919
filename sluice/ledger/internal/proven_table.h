#pragma once
/// \file
/// For tests: a table that rows land in, and what others do to it.

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sluice/lake/delta_table.h"
#include "sluice/ledger/proof.h"
#include "sluice/store/memory_store.h"

namespace sluice::ledger {

inline const columnar::Schema kSchema =
    arrow::schema({arrow::field("n", arrow::int64()), arrow::field("_offset", arrow::int64()),
                   arrow::field("_received_at", arrow::timestamp(arrow::TimeUnit::MICRO, "UTC"))});
inline constexpr std::string_view kApp = "sluice/journal-1/7-1";

/// The table `t` in memory, with what each test needs to do to it and to prove.
class ProvenTable : public testing::Test {
 protected:
  ProvenTable() { EXPECT_TRUE(table_.Create(kSchema).ok()); }

  static columnar::Batch Rows(const std::vector<std::optional<int64_t>>& offsets) {
    arrow::Int64Builder numbers;
    arrow::Int64Builder column;
    arrow::TimestampBuilder times(kSchema->field(2)->type(), arrow::default_memory_pool());
    for (const auto& offset : offsets) {
      EXPECT_TRUE(numbers.Append(1).ok());
      EXPECT_TRUE((offset ? column.Append(*offset) : column.AppendNull()).ok());
      EXPECT_TRUE((offset ? times.Append(ReceivedAt(*offset)) : times.AppendNull()).ok());
    }
    return arrow::RecordBatch::Make(kSchema, static_cast<int64_t>(offsets.size()),
                                    {*numbers.Finish(), *column.Finish(), *times.Finish()});
  }
  /// Two offsets a second.
  static int64_t ReceivedAt(int64_t offset) {
    return 1'700'000'000'000'000 + offset / 2 * 1'000'000;
  }

  /// Appends a file with those offsets; returns its path in the log.
  std::string Append(const std::vector<std::optional<int64_t>>& offsets,
                     lake::AppendOptions options) {
    const lake::NewFile file{.batches = {Rows(offsets)}};
    const auto snapshot = Newest();
    std::set<std::string> before;
    for (const auto& known : snapshot->files()) before.insert(known.path);
    const auto appended = table_.Append(snapshot, {&file, 1}, options);
    EXPECT_TRUE(appended.ok()) << appended.error().ToString();
    for (const auto& known : (*appended)->files()) {
      if (!before.contains(known.path)) return known.path;
    }
    return {};
  }

  /// Lands [begin, end), but for those to be left out.
  std::string Land(int64_t begin, int64_t end, const std::set<int64_t>& without = {},
                   int64_t duplicates = 0) {
    std::vector<std::optional<int64_t>> offsets;
    for (int64_t offset = begin; offset < end; ++offset) {
      if (!without.contains(offset)) offsets.emplace_back(offset);
    }
    return Append(
        offsets,
        {.operation = "LAND",
         .transactions = {{.app_id = std::string(kApp), .version = end - 1},
                          {.app_id = std::string(kApp) + "#duplicate", .version = duplicates}}});
  }

  /// Commits as another engine would.
  void Commit(const std::string& operation, const std::vector<std::string>& actions) {
    std::string text = fmt::format(
        R"({{"commitInfo":{{"timestamp":1700000000000,"operation":"{}","engineInfo":"other/1"}}}})"
        "\n",
        operation);
    for (const std::string& action : actions) text += action + "\n";
    ASSERT_TRUE(
        memory_.PutIfAbsent(fmt::format("t/_delta_log/{:020}.json", Newest()->version() + 1), text)
            .ok());
  }
  static std::string Remove(const std::string& path, bool data_change = true) {
    return fmt::format(
        R"({{"remove":{{"path":"{}","deletionTimestamp":1,"dataChange":{},"partitionValues":{{}}}}}})",
        path, data_change);
  }
  /// An add of what lies there already, such as a file that was removed.
  std::string Add(const lake::DataFile& file, bool data_change = true) {
    return fmt::format(
        R"({{"add":{{"path":"{}","size":{},"modificationTime":1,"dataChange":{},"partitionValues":{{}}}}}})",
        file.path, file.size, data_change);
  }
  lake::DataFile FileOf(const std::string& path) {
    const auto snapshot = Newest();
    for (const lake::DataFile& file : snapshot->files()) {
      if (file.path == path) return file;
    }
    ADD_FAILURE() << path;
    return {};
  }
  static std::vector<std::string> Texts(const std::vector<lake::Transaction>& transactions) {
    std::vector<std::string> texts;
    for (const lake::Transaction& transaction : transactions) {
      texts.push_back(fmt::format(R"({{"txn":{{"appId":"{}","version":{}}}}})", transaction.app_id,
                                  transaction.version));
    }
    return texts;
  }

  std::shared_ptr<const lake::Snapshot> Newest() { return *table_.Load(); }

  Proof MustProve(ProofOptions options = {}) {
    auto proof = Prove(table_, Newest(), options);
    EXPECT_TRUE(proof.ok()) << proof.error().ToString();
    return proof.ok() ? *proof : Proof();
  }

  store::MemoryStore memory_;
  os::SimulatedClock clock_{os::Timestamp(std::chrono::seconds(1'700'000'000))};
  os::SimulatedRandom random_{1};
  lake::DeltaTable table_{memory_, "t", clock_, random_};
};

}  // namespace sluice::ledger
