#include "sluice/land/table_schema.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace sluice::land {
namespace {

constexpr int64_t kDay = 86'400'000'000;
const auto kMicros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");

event::Contract Clicks() {
  return event::CompileCapnp({{"c.capnp", R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Click $Sl.event("clicks") { page @0 :Text; at @1 :Text $Sl.eventTime; }
)"}},
                             "c.capnp")
      ->front();
}

columnar::Batch Frame(const std::vector<int64_t>& times) {
  const columnar::Schema schema =
      arrow::schema({arrow::field("page", arrow::utf8()), arrow::field("event_time", kMicros),
                     arrow::field("_id", arrow::fixed_size_binary(16))});
  arrow::StringBuilder pages;
  arrow::TimestampBuilder at(kMicros, arrow::default_memory_pool());
  arrow::FixedSizeBinaryBuilder ids(schema->field(2)->type());
  for (size_t i = 0; i < times.size(); ++i) {
    EXPECT_TRUE(pages.Append("p" + std::to_string(i)).ok());
    EXPECT_TRUE(at.Append(times[i]).ok());
    EXPECT_TRUE((i % 2 == 0 ? ids.Append("0123456789abcdef") : ids.AppendNull()).ok());
  }
  return arrow::RecordBatch::Make(schema, static_cast<int64_t>(times.size()),
                                  {*pages.Finish(), *at.Finish(), *ids.Finish()});
}

columnar::Batch TableRows(const std::vector<int64_t>& times, journal::Offset base = 0) {
  const ReceivedRows received{.rows = static_cast<int64_t>(times.size()),
                              .at = os::Timestamp(std::chrono::seconds(7))};
  auto rows = ToTableRows(TableSchema(Clicks()), Frame(times), 3, base, {&received, 1}, "acme");
  EXPECT_TRUE(rows.ok()) << rows.error().ToString();
  return *rows;
}

std::string Text(const columnar::Batch& rows, const std::string& column, int64_t row) {
  return (*rows->GetColumnByName(column)->GetScalar(row))->ToString();
}

TEST(TableSchemaTest, HasTheContractsFieldsThenTheColumnsOfEveryTable) {
  std::string names;
  const columnar::Schema schema = TableSchema(Clicks());
  for (const auto& field : schema->fields()) names += field->name() + " ";
  EXPECT_EQ(names,
            "page at event_time event_date _id _partition _offset _received_at _published_at "
            "_producer _sequence _domain _entity _name _metadata _schema_version _tenant _extra ");
}

TEST(TableSchemaTest, FramesDoNotKeepWhatOnlyMadeTheIdentity) {
  const columnar::Schema frame = FrameColumns(Clicks());
  EXPECT_EQ(frame->GetFieldIndex("_epoch"), -1);
  EXPECT_EQ(frame->GetFieldIndex("_event_id"), -1);
  EXPECT_GE(frame->GetFieldIndex("_sequence"), 0);
}

TEST(TableSchemaTest, GivesEachRowItsPlaceAndItsUtcDate) {
  const columnar::Batch rows = TableRows({kDay - 1, kDay, -1}, 41);
  EXPECT_EQ(Text(rows, "_partition", 2), "3");
  EXPECT_EQ(Text(rows, "_offset", 0), "41");
  EXPECT_EQ(Text(rows, "_offset", 2), "43");
  EXPECT_EQ(Text(rows, "_tenant", 1), "acme");
  EXPECT_EQ(Text(rows, "_received_at", 1), "1970-01-01 00:00:07.000000Z");
  EXPECT_EQ(Text(rows, "event_date", 0), "1970-01-01");
  EXPECT_EQ(Text(rows, "event_date", 1), "1970-01-02");
  EXPECT_EQ(Text(rows, "event_date", 2), "1969-12-31");
  EXPECT_EQ(rows->GetColumnByName("_id")->type_id(), arrow::Type::BINARY);
  EXPECT_TRUE(rows->GetColumnByName("_id")->IsNull(1));
  EXPECT_EQ(rows->GetColumnByName("_domain")->null_count(), 3) << "the frame has no such column";
}

// Its column stays in the table, with what earlier versions stored.
TEST(TableSchemaTest, AFieldThatIsRetiredIsPrivateStill) {
  event::Contract contract = event::CompileCapnp({{"c.capnp", R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct Click $Sl.event("clicks") {
  page @0 :Text;
  at @1 :Text $Sl.eventTime;
  email @2 :Text $Sl.tokenize;
}
)"}},
                                                 "c.capnp")
                                 ->front();
  const auto is_private = [&] {
    const std::vector<std::string> columns = PrivateColumns(contract);
    EXPECT_EQ(std::ranges::count(columns, "page"), 0);
    return std::ranges::count(columns, "email") == 1;
  };
  EXPECT_TRUE(is_private());
  contract.retired.push_back(contract.fields.back());
  contract.fields.pop_back();
  EXPECT_TRUE(is_private());
}

TEST(TableSchemaTest, RefusesAFrameWhoseColumnHasAnotherType) {
  const columnar::Batch frame = Frame({0});
  const auto numbers = arrow::json::ArrayFromJSONString(arrow::int64(), "[1]").ValueOrDie();
  const auto wrong =
      frame->SetColumn(0, arrow::field("page", arrow::int64()), numbers).ValueOrDie();
  const std::vector<ReceivedRows> received = {{.rows = 1}};
  const auto rows = ToTableRows(TableSchema(Clicks()), wrong, 1, 0, received, "acme");
  EXPECT_EQ(rows.error().ToString(),
            "column 'page' of a frame is int64, expected string (corrupt)");
}

TEST(TableSchemaTest, SplitsByDateAndKeepsTheOrderWithinEach) {
  const auto split = *SplitByDate({TableRows({kDay, 0, kDay + 1}), TableRows({1, 5 * kDay}, 3)});
  ASSERT_EQ(split.size(), 3u);
  EXPECT_EQ(split[0].date, 0);
  const columnar::Batch first = *columnar::Concatenate(split[0].batches);
  const columnar::Batch second = *columnar::Concatenate(split[1].batches);
  EXPECT_EQ(first->num_rows(), 2);
  EXPECT_EQ(Text(first, "_offset", 0), "1");
  EXPECT_EQ(Text(first, "_offset", 1), "3");
  EXPECT_EQ(split[1].date, 1);
  EXPECT_EQ(Text(second, "_offset", 1), "2");
  EXPECT_EQ(split[2].date, 5);
  EXPECT_EQ(first->GetColumnByName("event_date"), nullptr);
}

TEST(TableSchemaTest, CountsTheLeadingRowsOfAFewDates) {
  const std::vector<columnar::Batch> rows = {TableRows({0, 0, kDay}), TableRows({0, 2 * kDay, 0})};
  EXPECT_EQ(*RowsWithinDates(rows, 1), 2);
  EXPECT_EQ(*RowsWithinDates(rows, 2), 4);
  EXPECT_EQ(*RowsWithinDates(rows, 3), 6);
}

TEST(TableSchemaTest, WritesDatesAsHivePathsHaveThem) {
  EXPECT_EQ(DateText(0), "1970-01-01");
  EXPECT_EQ(DateText(11'504), "2001-07-01");
  EXPECT_EQ(DateText(-719'162), "0001-01-01");
}

TEST(SplitByDateTest, KeepsTheOrderOfEachDateHoweverOftenItChanges) {
  std::vector<int64_t> times;
  for (int64_t i = 0; i < 30; ++i) times.push_back((i % 2 + 1) * kDay + i);
  const auto split = *SplitByDate(
      {TableRows({kDay, kDay, 2 * kDay}), TableRows(times, 3), TableRows({0, kDay}, 33)->Slice(1)});
  ASSERT_EQ(split.size(), 2u);
  const columnar::Batch odd = *columnar::Concatenate(split[0].batches);
  ASSERT_EQ(odd->num_rows(), 18);
  EXPECT_EQ(Text(odd, "_offset", 1), "1");
  for (int64_t i = 0; i < 15; ++i) {
    EXPECT_EQ(Text(odd, "_offset", 2 + i), std::to_string(3 + 2 * i));
  }
  EXPECT_EQ(Text(odd, "_offset", 17), "34");
  EXPECT_EQ(split[1].date, 2);
}

TEST(TableSchemaTest, GivenValuesAreThoseThatMayBeGiven) {
  const event::Contract contract = event::CompileCapnp({{"c.capnp", R"(@0x9a41c6de07b35f19;
using Sl = import "sluice.capnp";
struct Click $Sl.event("clicks") { page @0 :Text; mail @1 :Text $Sl.hash(hmacSha256); }
)"}},
                                                       "c.capnp")
                                       ->front();
  const os::Timestamp now{std::chrono::days(20'000)};
  const auto rows = [](const std::string& column, std::shared_ptr<arrow::DataType> type,
                       const std::string& json) {
    const auto array = *arrow::json::ArrayFromJSONString(type, json);
    return arrow::RecordBatch::Make(arrow::schema({arrow::field(column, std::move(type))}),
                                    array->length(), {array});
  };
  const auto check = [&](const columnar::Batch& values, bool new_rows = false) {
    const auto checked = CheckGiven(contract, values, new_rows, now);
    return checked.ok() ? std::string("ok") : checked.error().message();
  };
  EXPECT_EQ(check(rows("page", arrow::utf8(), R"(["a", null])")), "ok");
  EXPECT_EQ(check(rows("mail", arrow::utf8(), "[null, null]")), "ok");
  EXPECT_NE(check(rows("mail", arrow::utf8(), R"([null, "clear"])")).find("private"),
            std::string::npos);
  EXPECT_EQ(check(rows("mail", arrow::utf8(), R"(["clear"])")).find("clear"), std::string::npos);
  for (const char* name : {"_id", "_offset", "_received_at", "_extra", "event_date", "nope"}) {
    EXPECT_NE(check(rows(name, arrow::utf8(), "[null]")), "ok") << name;
  }
  EXPECT_NE(check(rows("page", arrow::utf8(), R"(["a"])"), /*new_rows=*/true), "ok");
  const auto at = [&](int64_t micros) {
    return rows("event_time", kMicros, fmt::format("[{}]", micros));
  };
  EXPECT_NE(check(rows("event_time", kMicros, "[null]")), "ok");
  EXPECT_NE(check(rows("event_time", arrow::int64(), "[1]")), "ok");
  EXPECT_NE(check(at(-1)), "ok");
  EXPECT_NE(check(at(20'001 * kDay + 1)), "ok");
  EXPECT_EQ(check(at(20'001 * kDay)), "ok");
  const auto dated = CheckGiven(contract, at(3 * kDay - 1), /*new_rows=*/true, now);
  ASSERT_TRUE(dated.ok());
  EXPECT_EQ(Text(*dated, "event_date", 0), "1970-01-03");
}

}  // namespace
}  // namespace sluice::land
