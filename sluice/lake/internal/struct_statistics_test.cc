#include "sluice/lake/internal/struct_statistics.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>

#include "sluice/lake/internal/checkpoint.h"

namespace sluice::lake::internal {
namespace {

std::shared_ptr<arrow::Array> One(const std::shared_ptr<arrow::Scalar>& scalar) {
  return *arrow::MakeArrayFromScalar(*scalar, 1);
}

std::shared_ptr<arrow::Array> Struct(
    const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>& members) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : members) {
    fields.push_back(arrow::field(name, array->type()));
    arrays.push_back(array);
  }
  return *arrow::StructArray::Make(arrays, fields);
}

std::shared_ptr<arrow::Array> Nanoseconds(int64_t value) {
  return One(std::make_shared<arrow::TimestampScalar>(
      value, arrow::timestamp(arrow::TimeUnit::NANO, "UTC")));
}

std::shared_ptr<arrow::Array> Statistics() {
  const auto number = [](int64_t value) { return One(arrow::MakeScalar(value)); };
  const auto text = [](const char* value) { return One(arrow::MakeScalar(value)); };
  const auto decimal = One(
      std::make_shared<arrow::Decimal128Scalar>(arrow::Decimal128(1234), arrow::decimal128(10, 2)));
  return Struct({{"numRecords", number(3)},
                 {"minValues",
                  Struct({{"n", number(-5)},
                          {"s", text("a\"b")},
                          {"d", One(std::make_shared<arrow::Date32Scalar>(19'000))},
                          {"t", Nanoseconds(-1)},
                          {"x", decimal},
                          {"nan", One(arrow::MakeScalar(std::numeric_limits<double>::quiet_NaN()))},
                          {"deep", Struct({{"n", number(1)}})}})},
                 {"maxValues", Struct({{"n", number(7)},
                                       {"s", *arrow::MakeArrayOfNull(arrow::utf8(), 1)},
                                       {"t", Nanoseconds(1'001)}})},
                 {"nullCount", Struct({{"n", number(0)}, {"deep", Struct({{"n", number(2)}})}})},
                 {"tightBounds", One(arrow::MakeScalar(true))}});
}

constexpr std::string_view kText =
    R"({"numRecords":3,"minValues":{"n":-5,"s":"a\"b","d":"2022-01-08",)"
    R"("t":"1969-12-31T23:59:59.999999Z","x":12.34,"deep":{"n":1}},)"
    R"("maxValues":{"n":7,"t":"1970-01-01T00:00:00.000002Z"},)"
    R"("nullCount":{"n":0,"deep":{"n":2}},"tightBounds":true})";

TEST(StructStatisticsTest, BecomeTheTextThatCommitsHave) {
  const auto statistics = Statistics();
  EXPECT_EQ(StatisticsText(static_cast<const arrow::StructArray&>(*statistics), 0), kText);
  const auto none = *arrow::MakeArrayOfNull(statistics->type(), 1);
  EXPECT_EQ(StatisticsText(static_cast<const arrow::StructArray&>(*none), 0), "");
}

std::string Checkpoint(const std::shared_ptr<arrow::Array>& add) {
  const auto table = arrow::Table::Make(arrow::schema({arrow::field("add", add->type())}), {add});
  const auto output = *arrow::io::BufferOutputStream::Create();
  SLUICE_CHECK(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), output, 1024).ok());
  return (*output->Finish())->ToString();
}

TEST(StructStatisticsTest, AreReadWhereACheckpointHasNoOthers) {
  const auto path = One(arrow::MakeScalar("f"));
  const auto no_text = *arrow::MakeArrayOfNull(arrow::utf8(), 1);
  const auto text = One(arrow::MakeScalar("{}"));
  using Members = std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>;
  const std::vector<std::pair<Members, std::string_view>> cases = {
      {{{"path", path}, {"stats_parsed", Statistics()}}, kText},
      {{{"path", path}, {"stats", no_text}, {"stats_parsed", Statistics()}}, kText},
      {{{"path", path}, {"stats", text}, {"stats_parsed", Statistics()}}, "{}"},
      {{{"path", path}, {"stats", no_text}}, ""},
  };
  for (const auto& [members, expected] : cases) {
    std::vector<std::string> found;
    const Status read = ReadCheckpoint(Checkpoint(Struct(members)), [&](const Actions& actions) {
      found.emplace_back(actions.files->stats(0));
    });
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    EXPECT_EQ(found, std::vector<std::string>{std::string(expected)});
  }
}

}  // namespace
}  // namespace sluice::lake::internal
