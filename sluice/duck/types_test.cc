#include <arrow/api.h>
#include <arrow/compute/cast.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <random>

#include "sluice/columnar/batch.h"
#include "sluice/duck/internal/engine_fixture.h"

namespace sluice::duck {
namespace {

using TypesTest = internal::EngineFixture;

/// Keeps all batches of a result.
class BatchSink final : public ResultSink {
 public:
  Status Begin(const columnar::Schema&) override { return {}; }
  Status Add(const columnar::Batch& batch) override {
    batches.push_back(batch);
    return {};
  }
  std::vector<columnar::Batch> batches;
};

/// Makes up JSON for values of a type.
class Inventor {
 public:
  explicit Inventor(uint64_t seed) : random_(seed) {}

  size_t Below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, limit - 1)(random_);
  }

  std::string Value(const arrow::DataType& type) {
    if (Below(6) == 0) return "null";
    switch (type.id()) {
      case arrow::Type::BOOL:
        return Below(2) ? "true" : "false";
      case arrow::Type::FLOAT:
      case arrow::Type::DOUBLE:
        return std::to_string(Below(1000)) + ".25";
      case arrow::Type::STRING:
      case arrow::Type::LARGE_STRING:
      case arrow::Type::BINARY:
      case arrow::Type::DICTIONARY:
        return '"' + Text(Below(30)) + '"';
      case arrow::Type::FIXED_SIZE_BINARY:
        return '"' + Text(16) + '"';
      case arrow::Type::DECIMAL128:
        return '"' + std::to_string(Below(100000)) + ".1234\"";
      case arrow::Type::STRUCT: {
        std::string out = "[";
        for (const auto& field : type.fields()) {
          out += (out.size() > 1 ? "," : "") + Value(*field->type());
        }
        return out + "]";
      }
      case arrow::Type::LIST:
        return Repeat(*type.field(0)->type(), Below(5));
      case arrow::Type::FIXED_SIZE_LIST:
        return Repeat(*type.field(0)->type(), 3);
      case arrow::Type::MAP: {
        std::string out = "[";
        const size_t count = Below(4);
        for (size_t i = 0; i < count; ++i) {
          out += (i ? ",[\"k" : "[\"k") + std::to_string(i) + "\"," +
                 Value(*static_cast<const arrow::MapType&>(type).item_type()) + "]";
        }
        return out + "]";
      }
      default:
        return std::to_string(Below(100));
    }
  }

  std::string Repeat(const arrow::DataType& type, size_t count) {
    std::string out = "[";
    for (size_t i = 0; i < count; ++i) out += (i ? "," : "") + Value(type);
    return out + "]";
  }

 private:
  std::string Text(size_t length) {
    std::string out;
    for (size_t i = 0; i < length; ++i) out.push_back(static_cast<char>('a' + Below(26)));
    return out;
  }

  std::mt19937_64 random_;
};

std::shared_ptr<arrow::DataType> Plain(const std::shared_ptr<arrow::DataType>& type) {
  return type->id() == arrow::Type::DICTIONARY ? arrow::utf8() : type;
}

TEST_F(TypesTest, BatchesComeBackAsTheyWere) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Inventor inventor(seed);
  const auto micros = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  const std::vector<std::shared_ptr<arrow::DataType>> types = {
      arrow::boolean(),
      arrow::int8(),
      arrow::int16(),
      arrow::int32(),
      arrow::int64(),
      arrow::uint8(),
      arrow::uint16(),
      arrow::uint32(),
      arrow::uint64(),
      arrow::float32(),
      arrow::float64(),
      arrow::utf8(),
      arrow::large_utf8(),
      arrow::binary(),
      arrow::fixed_size_binary(16),
      arrow::date32(),
      micros,
      arrow::timestamp(arrow::TimeUnit::MICRO),
      arrow::decimal128(20, 4),
      arrow::dictionary(arrow::int32(), arrow::utf8()),
      arrow::list(arrow::int32()),
      arrow::list(arrow::utf8()),
      arrow::list(arrow::list(arrow::int64())),
      arrow::struct_({arrow::field("a", arrow::int64()), arrow::field("b", arrow::utf8())}),
      arrow::list(arrow::struct_(
          {arrow::field("a", arrow::boolean()), arrow::field("b", arrow::list(arrow::utf8()))})),
      arrow::struct_({arrow::field("s", arrow::struct_({arrow::field("t", micros)}))}),
      arrow::map(arrow::utf8(), arrow::int64()),
      arrow::map(arrow::utf8(), arrow::list(arrow::utf8())),
      arrow::fixed_size_list(arrow::int32(), 3)};
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  constexpr size_t kRows = 5'000;
  for (size_t i = 0; i < types.size(); ++i) {
    fields.push_back(arrow::field("c" + std::to_string(i), types[i]));
    auto array =
        arrow::json::ArrayFromJSONString(Plain(types[i]), inventor.Repeat(*types[i], kRows));
    ASSERT_TRUE(array.ok()) << array.status().ToString();
    if (types[i]->id() == arrow::Type::DICTIONARY) {
      arrow::StringDictionary32Builder builder;
      ASSERT_TRUE(builder.AppendArray(**array).ok());
      ASSERT_TRUE(builder.Finish(&*array).ok());
    }
    arrays.push_back(*array);
  }
  fields.push_back(arrow::field("row", arrow::int64()));
  std::vector<int64_t> rows(kRows);
  for (size_t i = 0; i < kRows; ++i) rows[i] = static_cast<int64_t>(i);
  arrays.push_back(internal::Integers(rows));
  const auto whole = arrow::RecordBatch::Make(arrow::schema(fields), kRows, arrays);

  Relation& relation = relations_[{"", "t"}];
  relation.schema = whole->schema();
  for (size_t start = 0; start < kRows;) {  // Slices of any length, so that nothing starts at zero.
    const size_t length = std::min(inventor.Below(700), kRows - start);
    relation.batches.push_back(
        whole->Slice(static_cast<int64_t>(start), static_cast<int64_t>(length)));
    start += length;
  }
  const auto check = [&](const std::string& column, const arrow::Array& expected,
                         const std::string& where) {
    BatchSink sink;
    const Status status = engine_->Query(
        "SELECT \"" + column + "\" FROM t WHERE " + where + " ORDER BY row", Lookup(), sink);
    ASSERT_TRUE(status.ok()) << column << ": " << status.error().ToString();
    ASSERT_FALSE(sink.batches.empty());
    const auto got = columnar::Concatenate(sink.batches);
    ASSERT_TRUE(got.ok()) << got.error().ToString();
    const auto type = Plain(expected.type());
    const auto cast = arrow::compute::Cast(*(*got)->column(0), type);
    ASSERT_TRUE(cast.ok()) << type->ToString() << ": " << cast.status().ToString();
    const auto plain = arrow::compute::Cast(expected, type);
    ASSERT_TRUE(plain.ok()) << plain.status().ToString();
    EXPECT_TRUE((*cast)->Equals(**plain)) << type->ToString() << (*cast)->Diff(**plain);
  };
  for (int i = 0; i < whole->num_columns() - 1; ++i) {
    const std::string& name = whole->schema()->field(i)->name();
    check(name, *whole->column(i), "true");
    check(name, *whole->column(i)->Slice(1000, 2500), "row BETWEEN 1000 AND 3499");
  }
}

TEST_F(TypesTest, SkipsRowGroupsByFilter) {
  std::vector<int64_t> ids(100'000);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i);
  Relation& relation = relations_[{"", "t"}];
  const auto batch = internal::MakeBatch({{"id", internal::Integers(ids)}});
  relation.schema = batch->schema();
  relation.files = {WriteFile("a.parquet", batch->Slice(0, 50'000)),
                    WriteFile("b.parquet", batch->Slice(50'000))};
  relation.batches = {batch->Slice(0, 10)};
  EXPECT_EQ(Run("SELECT count(*) FROM t WHERE id >= 99999 OR id = 5"), "3\n");
  const std::string plan = Run("EXPLAIN SELECT id FROM t WHERE id = 77777");
  EXPECT_NE(plan.find("Filters:"), std::string::npos) << plan;  // In the scan of files.
  EXPECT_NE(plan.find("FILTER"), std::string::npos) << plan;    // Above the scan of batches.
}

TEST_F(TypesTest, SaysWhichFileIsMissingOrBroken) {
  Relation& relation = relations_[{"", "t"}];
  const auto batch = internal::MakeBatch({{"id", internal::Integers({1})}});
  relation.schema = batch->schema();
  relation.files = {folder_ + "/files/gone.parquet"};
  const std::string gone = Run("FROM t");
  EXPECT_NE(gone.find("gone.parquet"), std::string::npos) << gone;
  EXPECT_TRUE(gone.ends_with("(unavailable)")) << gone;
  relation.files = {WriteFile("broken.parquet", batch)};
  std::filesystem::resize_file(relation.files[0], 20);
  EXPECT_NE(Run("FROM t").find("broken.parquet"), std::string::npos) << Run("FROM t");
  EXPECT_EQ(Run("SELECT 1"), "1\n");
}

TEST_F(TypesTest, CountsTimeInUtc) {
  EXPECT_EQ(Run("SELECT current_setting('TimeZone')"), "UTC\n");
  EXPECT_EQ(Run("SELECT TIMESTAMPTZ '2026-01-01 00:30:00+02'::DATE::VARCHAR"), "2025-12-31\n");
}

TEST_F(TypesTest, GivesResultsOfAllTypes) {
  EXPECT_EQ(
      Run("SELECT sum(range), avg(range), 1.50, 'a'::BLOB, NULL, [1, 2], {'a': 1}, MAP {'k': 1}, "
          "INTERVAL 1 DAY, uuid() IS NOT NULL, 170141183460469231731687303715884105727 > 0, "
          "TIME '01:02:03', '[1]'::JSON FROM range(10)")
          .find("(invalid)"),
      std::string::npos);
  EXPECT_EQ(Run("SELECT sum(range) FROM range(10)"), "45\n");
  EXPECT_EQ(Run("SELECT 'a'::ENUM('a', 'b')::VARCHAR"), "a\n");
}

}  // namespace
}  // namespace sluice::duck
