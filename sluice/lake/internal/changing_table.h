#pragma once
/// \file
/// For tests: a table of a few columns, and what it holds as plain rows.

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sluice/lake/change_feed.h"
#include "sluice/lake/row_changes.h"
#include "sluice/lake/scan.h"
#include "sluice/os/clock.h"
#include "sluice/os/random.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/memory_store.h"

namespace sluice::lake {

struct Row {
  std::optional<int64_t> amount;
  std::string country;
  int64_t row_id = -1;

  bool operator==(const Row&) const = default;
};
using Rows = std::map<int64_t, Row>;  // By id.

inline Expression Parse(const std::string& text) {
  auto expression = Expression::Parse(text);
  EXPECT_TRUE(expression.ok()) << text;
  return *expression;
}

class ChangingTable : public ::testing::Test {
 protected:
  void Create(std::map<std::string, std::string> properties, bool partitioned) {
    const auto schema = arrow::schema({arrow::field("id", arrow::int64(), false),
                                       arrow::field("amount", arrow::int64()),
                                       arrow::field("country", arrow::utf8())});
    tracked_ = properties.contains("delta.enableRowTracking");
    CreateOptions options{.properties = std::move(properties)};
    if (partitioned) options.partition_columns = {"country"};
    partitioned_ = partitioned;
    table_ = std::make_unique<DeltaTable>(faulty_, fmt::format("t{}", ++tables_), clock_, random_);
    const auto created = table_->Create(schema, options);
    ASSERT_TRUE(created.ok()) << created.error().message();
  }

  // Rows with the amounts that Append() gives them.
  static columnar::Batch Batch(const std::vector<int64_t>& row_ids, const std::string& country) {
    arrow::Int64Builder ids;
    arrow::Int64Builder amounts;
    arrow::StringBuilder countries;
    for (const int64_t id : row_ids) {
      EXPECT_TRUE(ids.Append(id).ok());
      EXPECT_TRUE((id % 7 == 0 ? amounts.AppendNull() : amounts.Append(id * 10)).ok());
      EXPECT_TRUE(countries.Append(country).ok());
    }
    return arrow::RecordBatch::Make(
        arrow::schema({arrow::field("id", arrow::int64()), arrow::field("amount", arrow::int64()),
                       arrow::field("country", arrow::utf8())}),
        static_cast<int64_t>(row_ids.size()),
        {ids.Finish().ValueOrDie(), amounts.Finish().ValueOrDie(),
         countries.Finish().ValueOrDie()});
  }

  void Append(int64_t first, int64_t count, const std::string& country) {
    std::vector<int64_t> ids;
    for (int64_t id = first; id < first + count; ++id) ids.push_back(id);
    const columnar::Batch batch = Batch(ids, country);
    NewFile file{.partition_values = {}, .batches = {batch}};
    if (partitioned_) file.partition_values = {{"country", country}};
    const auto appended = table_->Append(nullptr, std::vector<NewFile>{file});
    ASSERT_TRUE(appended.ok()) << appended.error().message();
  }

  Rows Read() {
    const auto snapshot = table_->Load();
    EXPECT_TRUE(snapshot.ok());
    const auto scan = Scan::Open(*table_, *snapshot, {.row_ids = tracked_});
    EXPECT_TRUE(scan.ok()) << scan.error().message();
    Rows rows;
    while (true) {
      const auto batch = (*scan)->Next();
      EXPECT_TRUE(batch.ok()) << batch.error().message();
      if (!batch.ok() || *batch == nullptr) return rows;
      const auto& ids = static_cast<const arrow::Int64Array&>(*(*batch)->column(0));
      const auto& amounts = static_cast<const arrow::Int64Array&>(*(*batch)->column(1));
      const auto& countries = static_cast<const arrow::StringArray&>(*(*batch)->column(2));
      for (int64_t i = 0; i < (*batch)->num_rows(); ++i) {
        Row row{.amount = {}, .country = countries.GetString(i)};
        if (amounts.IsValid(i)) row.amount = amounts.Value(i);
        if (tracked_) {
          row.row_id = static_cast<const arrow::Int64Array&>(*(*batch)->column(3)).Value(i);
        }
        EXPECT_TRUE(rows.emplace(ids.Value(i), row).second) << "twice: " << ids.Value(i);
      }
    }
  }

  // Changes since `from`: `insert` and so on, with the id and amount of each row.
  std::multiset<std::string> Changes(Version from) {
    const auto feed = ChangeFeed::Open(*table_, {.from = from});
    EXPECT_TRUE(feed.ok()) << feed.error().message();
    std::multiset<std::string> changes;
    while (true) {
      const auto batch = (*feed)->Next();
      EXPECT_TRUE(batch.ok()) << batch.error().message();
      if (!batch.ok() || *batch == nullptr) return changes;
      for (int64_t i = 0; i < (*batch)->num_rows(); ++i) {
        changes.insert(
            (*batch)->GetColumnByName("_change_type")->GetScalar(i).ValueOrDie()->ToString() + " " +
            (*batch)->column(0)->GetScalar(i).ValueOrDie()->ToString() + " " +
            (*batch)->column(1)->GetScalar(i).ValueOrDie()->ToString());
      }
    }
  }

  os::SimulatedClock clock_{os::Timestamp(std::chrono::seconds(1'700'000'000))};
  store::MemoryStore store_{&clock_};
  os::SimulatedRandom random_{7};
  store::FaultyStore faulty_{store_};
  int tables_ = 0;
  std::unique_ptr<DeltaTable> table_;
  bool partitioned_ = false;
  bool tracked_ = false;
};

}  // namespace sluice::lake
