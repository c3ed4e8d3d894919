#pragma once
/// \file
/// For tests: a lander over one table, and what its readers see.

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sluice/columnar/parquet.h"
#include "sluice/decode/json_decoder.h"
#include "sluice/land/lander.h"
#include "sluice/land/table_schema.h"
#include "sluice/store/faulty_store.h"
#include "sluice/store/memory_store.h"

namespace sluice::land {

inline constexpr uint32_t kPartition = 7;
inline constexpr std::string_view kRoot = "default/bronze/clicks";

/// A lander over one table in memory, and what its readers see.
class LandingTable : public testing::Test {
 protected:
  LandingTable() { Restart("journal-1"); }

  static catalog::Topic TopicOf(int32_t version) {
    const std::string more = version > 1 ? "more @2 :Int64;" : "";
    event::Contract contract = event::CompileCapnp({{"c.capnp", R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Click $Sl.event("clicks") { page @0 :Text; at @1 :Text $Sl.eventTime; )" +
                                                                    more + "}\n"}},
                                                   "c.capnp")
                                   ->front();
    contract.version = version;
    catalog::Topic topic;
    topic.contract = std::make_shared<const event::Contract>(std::move(contract));
    topic.partition = kPartition;
    topic.table_path = kRoot;
    return topic;
  }

  /// Ends the lander, as a crash would, and makes another over the same store.
  void Restart(const std::string& journal, int32_t version = 1) {
    lander_.reset();
    lander_ =
        std::make_unique<Lander>(options_, store_, clock_, random_, threads_, metrics_, journal);
    topic_ = TopicOf(version);
    next_ = MustOpen();
  }

  journal::Offset MustOpen() {
    const auto next = lander_->Open(topic_);
    EXPECT_TRUE(next.ok()) << next.error().ToString();
    return next.ok() ? *next : -1;
  }

  /// Decodes one row for each day given, as the door would.
  columnar::Batch Rows(const std::vector<int>& days) {
    std::string body;
    for (const int day : days) {
      body += fmt::format(R"({{"page":"p","at":"2001-01-{:02}T00:00:00Z"}})", day) + "\n";
    }
    const size_t size = body.size();
    body.resize(size + decode::JsonDecoder::kPaddingBytes);
    decode::JsonDecoder decoder;
    const auto decoded = decoder.Decode(
        std::string_view(body).substr(0, size), decode::Framing::kNdjson, decode::Shape::kContent,
        "clicks", [this](std::string_view) { return topic_.contract; }, clock_.Now());
    EXPECT_TRUE(decoded.ok() && decoded->errors.empty());
    const columnar::Schema frame = FrameColumns(*topic_.contract);
    arrow::ArrayVector columns;
    for (const auto& field : frame->fields()) {
      columns.push_back(decoded->topics.front().batch->GetColumnByName(field->name()));
    }
    return arrow::RecordBatch::Make(frame, static_cast<int64_t>(days.size()), std::move(columns));
  }

  void Add(const std::vector<int>& days) {
    lander_->Add(kPartition, next_, clock_.Now(), Rows(days));
    next_ += static_cast<journal::Offset>(days.size());
  }

  TableStatus Table() { return lander_->Tables().front(); }

  /// The offsets that a reader sees, in files and tail; -1 for rows without one.
  std::multiset<int64_t> Seen() {
    std::multiset<int64_t> seen;
    const auto view = lander_->View("bronze", "clicks");
    if (!view.ok()) {
      ADD_FAILURE() << view.error().ToString();
      return seen;
    }
    const auto add = [&](const columnar::Batch& batch) {
      const auto offsets =
          std::static_pointer_cast<arrow::Int64Array>(batch->GetColumnByName("_offset"));
      for (int64_t i = 0; i < batch->num_rows(); ++i) {
        seen.insert(offsets == nullptr || offsets->IsNull(i) ? -1 : offsets->Value(i));
      }
    };
    for (const std::string& file : view->files) {
      const auto bytes = memory_.Get(file.substr(std::string_view("memory:").size()));
      if (!bytes.ok()) {
        ADD_FAILURE() << bytes.error().ToString();
        continue;
      }
      const auto batches = *columnar::ReadParquet(*bytes, {"_offset"});
      for (const auto& batch : batches) add(batch);
    }
    for (const auto& batch : view->tail) add(batch);
    return seen;
  }

  static std::multiset<int64_t> UpTo(int64_t end) {
    std::multiset<int64_t> all;
    for (int64_t i = 0; i < end; ++i) all.insert(i);
    return all;
  }

  lake::DeltaTable Other() { return {memory_, std::string(kRoot), clock_, other_random_}; }

  /// What another engine does beside us: rows of its own.
  void AppendForeignRow() {
    lake::DeltaTable other = Other();
    const auto snapshot = *other.Load();
    const columnar::Schema schema = arrow::schema({arrow::field("page", arrow::utf8())});
    arrow::StringBuilder pages;
    ASSERT_TRUE(pages.Append("theirs").ok());
    const std::vector<lake::NewFile> files = {
        {.partition_values = {{"event_date", "2001-01-01"}},
         .batches = {arrow::RecordBatch::Make(schema, 1, {*pages.Finish()})}}};
    const auto appended = other.Append(snapshot, files);
    ASSERT_TRUE(appended.ok()) << appended.error().ToString();
  }

  LandOptions options_{.every = std::chrono::seconds(10)};
  os::SimulatedClock clock_{os::Timestamp(std::chrono::sys_days(std::chrono::days(11'400)))};
  store::MemoryStore memory_{&clock_};
  store::FaultyStore store_{memory_};
  os::SimulatedRandom random_{1};
  os::SimulatedRandom other_random_{2};
  os::SystemThreads threads_;
  Metrics metrics_;
  catalog::Topic topic_;
  std::unique_ptr<Lander> lander_;
  journal::Offset next_ = 0;
};

}  // namespace sluice::land
