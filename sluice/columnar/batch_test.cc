#include "sluice/columnar/batch.h"

#include <arrow/api.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/json/from_string.h>
#include <gtest/gtest.h>

#include <set>

#include <algorithm>
#include <random>

namespace sluice::columnar {
namespace {

std::shared_ptr<arrow::Array> Array(const std::shared_ptr<arrow::DataType>& type,
                                    const std::string& json) {
  return arrow::json::ArrayFromJSONString(type, json).ValueOrDie();
}

Batch MakeBatch(const arrow::FieldVector& fields, const arrow::ArrayVector& columns) {
  return arrow::RecordBatch::Make(arrow::schema(fields), columns.front()->length(), columns);
}

Batch Sample() {
  const auto at = arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
  return MakeBatch(
      {arrow::field("n", arrow::int64()), arrow::field("s", arrow::utf8()), arrow::field("at", at),
       arrow::field("ok", arrow::boolean()), arrow::field("d", arrow::float64()),
       arrow::field("id", arrow::fixed_size_binary(4))},
      {Array(arrow::int64(), "[1, null, -3]"), Array(arrow::utf8(), R"(["a", "", null])"),
       Array(at, "[0, 1, null]"), Array(arrow::boolean(), "[true, false, null]"),
       Array(arrow::float64(), "[1.5, null, -0.0]"),
       Array(arrow::fixed_size_binary(4), R"(["abcd", null, "efgh"])")});
}

TEST(BatchTest, ComesBackFromItsBytes) {
  const Batch batch = Sample();
  const auto schema = DeserializeSchema(*SerializeSchema(*batch->schema()));
  ASSERT_TRUE(schema.ok()) << schema.error().ToString();
  ASSERT_TRUE((*schema)->Equals(*batch->schema()));
  std::string bytes = *SerializeBatch(*batch);
  const auto read = DeserializeBatch(*schema, bytes);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  bytes.assign(bytes.size(), 'x');  // The batch owns its memory.
  EXPECT_TRUE((*read)->Equals(*batch));
  // A slice writes its own rows alone.
  const auto slice = DeserializeBatch(*schema, *SerializeBatch(*batch->Slice(1, 2)));
  ASSERT_TRUE(slice.ok());
  EXPECT_TRUE((*slice)->Equals(*batch->Slice(1, 2)));
}

/// As Arrow itself reads and writes it.
Batch ThroughArrow(const Batch& batch) {
  const auto bytes =
      arrow::ipc::SerializeRecordBatch(*batch, arrow::ipc::IpcWriteOptions::Defaults());
  const arrow::ipc::DictionaryMemo none;
  arrow::io::BufferReader stream(*bytes);
  return *arrow::ipc::ReadRecordBatch(batch->schema(), &none,
                                      arrow::ipc::IpcReadOptions::Defaults(), &stream);
}

// Columns of all types with rows of all kinds, whole and as parts of others.
TEST(BatchTest, WritesWhatArrowReads) {
  const auto lists = arrow::list(arrow::field("element", arrow::list(arrow::utf8())));
  const auto structs =
      arrow::struct_({arrow::field("a", arrow::int16()), arrow::field("b", lists),
                      arrow::field("c", arrow::struct_({arrow::field("d", arrow::boolean())}))});
  const auto decimal = arrow::decimal128(20, 2);
  const auto flags = R"([true, null, false, null, true, true, false, null, true])";
  const arrow::FieldVector fields = {
      arrow::field("i8", arrow::int8()),         arrow::field("i32", arrow::int32()),
      arrow::field("f32", arrow::float32()),     arrow::field("day", arrow::date32()),
      arrow::field("text", arrow::utf8()),       arrow::field("bytes", arrow::binary()),
      arrow::field("decimal", decimal),          arrow::field("flag", arrow::boolean()),
      arrow::field("none", arrow::utf8()),       arrow::field("lists", lists),
      arrow::field("structs", structs),          arrow::field("empty", lists),
      arrow::field("large", arrow::large_utf8())};
  const auto row_lists =
      R"([[["a"], []], null, [], [null], [["b", null, "cc"], ["d"]], [], [[]], null, [["e"]]])";
  const auto row_structs =
      R"([{"a": 1, "b": [["x"]], "c": {"d": true}}, null, {"a": null, "b": [], "c": null},
          {"a": 2, "b": null, "c": {"d": null}}, null, null, {"a": 3, "b": [[]], "c": {"d": false}},
          {"a": 4, "b": [["y", "z"], null], "c": null}, {"a": 5, "b": [], "c": {"d": true}}])";
  const auto numbers = "[1, null, 3, -4, 5, 6, null, 8, 9]";
  const auto texts = R"(["", null, "a", "bb", "ccc", null, "dddd", "", "e"])";
  arrow::ArrayVector columns;
  for (const auto& field : fields) {
    const auto& type = field->type();
    const char* json = numbers;
    if (arrow::is_base_binary_like(type->id())) json = texts;
    if (type->id() == arrow::Type::BOOL) json = flags;
    if (type->id() == arrow::Type::LIST) json = row_lists;
    if (type->id() == arrow::Type::STRUCT) json = row_structs;
    if (type->id() == arrow::Type::DECIMAL128) {
      json = R"(["1.00", null, "-2.50", "3.00", null, "4.00", "5.00", "6.00", "7.00"])";
    }
    if (field->name() == "none") json = "[null, null, null, null, null, null, null, null, null]";
    if (field->name() == "empty") json = "[[], [], [], [], [], [], [], [], []]";
    columns.push_back(Array(type, json));
  }
  for (size_t left_out = 0; left_out <= fields.size(); ++left_out) {
    for (int64_t rows = 0; rows <= 9; ++rows) {
      auto some_fields = fields;
      arrow::ArrayVector some;
      for (const auto& column : columns) some.push_back(column->Slice(0, rows));
      if (left_out < fields.size()) {
        some_fields.erase(some_fields.begin() + static_cast<ptrdiff_t>(left_out));
        some.erase(some.begin() + static_cast<ptrdiff_t>(left_out));
      }
      const Batch slice = MakeBatch(some_fields, some);
      for (const Batch& batch : {slice, ThroughArrow(slice)}) {
        const auto read = DeserializeBatch(batch->schema(), *SerializeBatch(*batch));
        ASSERT_TRUE(read.ok()) << read.error().ToString();
        ASSERT_TRUE((*read)->Equals(*slice)) << (*read)->ToString();
      }
    }
  }
}

TEST(BatchTest, CountsMemoryOnce) {
  const auto text = Array(arrow::utf8(), R"(["abcd", "efgh", null])");
  const Batch one = MakeBatch({arrow::field("a", arrow::utf8())}, {text});
  const Batch same =
      MakeBatch({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::utf8())}, {text, text});
  EXPECT_GE(MemoryBytes(*one), 8 + 4 * 4 + 1);
  EXPECT_EQ(MemoryBytes(*same), MemoryBytes(*one));
}

TEST(BatchTest, RefusesBytesThatAreNotABatchOfTheSchema) {
  const Batch batch = Sample();
  const std::string bytes = *SerializeBatch(*batch);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto read = DeserializeBatch(batch->schema(), std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(read.ok()) << size;
    EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt) << read.error().ToString();
  }
  EXPECT_EQ(DeserializeBatch(batch->schema(), bytes + "12345678").error().code(),
            ErrorCode::kCorrupt);
  EXPECT_EQ(DeserializeBatch(batch->schema(), *SerializeSchema(*batch->schema())).error().code(),
            ErrorCode::kCorrupt);
  const auto other = arrow::schema({arrow::field("n", arrow::utf8())});
  EXPECT_FALSE(DeserializeBatch(other, bytes).ok());
  EXPECT_EQ(DeserializeSchema("nonsense").error().code(), ErrorCode::kCorrupt);
}

TEST(BatchTest, SurvivesDamagedBytes) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const Batch batch = Sample();
  const std::string bytes = *SerializeBatch(*batch);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = bytes;
    for (int flips = 0; flips < 3; ++flips) {
      damaged[random() % damaged.size()] ^= static_cast<char>(1U << (random() % 8));
    }
    const auto read = DeserializeBatch(batch->schema(), damaged);
    EXPECT_TRUE(!read.ok() || (*read)->ValidateFull().ok());
  }
}

TEST(BatchTest, RefusesDictionaries) {
  const auto type = arrow::dictionary(arrow::int32(), arrow::utf8());
  const Batch batch = MakeBatch({arrow::field("s", type)}, {Array(type, R"(["a", "b"])")});
  EXPECT_EQ(SerializeBatch(*batch).error().ToString(),
            "column 's' is dictionary-encoded; decode it first (unsupported)");
}

TEST(BatchTest, JoinsAndTakes) {
  const Batch batch = Sample();
  const auto joined = Concatenate({batch, batch->Slice(2, 1)});
  ASSERT_TRUE(joined.ok());
  EXPECT_EQ((*joined)->num_rows(), 4);
  EXPECT_TRUE((*joined)->Slice(3, 1)->Equals(*batch->Slice(2, 1)));
  EXPECT_EQ(Concatenate({}).error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(Concatenate({batch, *batch->RemoveColumn(0)}).error().code(), ErrorCode::kInvalid);

  const std::vector<int64_t> rows = {3, 0, 0};
  const auto taken = Take(**joined, rows);
  ASSERT_TRUE(taken.ok()) << taken.error().ToString();
  EXPECT_TRUE((*taken)->Slice(0, 1)->Equals(*batch->Slice(2, 1)));
  EXPECT_TRUE((*taken)->Slice(2, 1)->Equals(*batch->Slice(0, 1)));
  EXPECT_EQ(Take(*batch, std::vector<int64_t>{3}).error().code(), ErrorCode::kInvalid);
  EXPECT_GT(MemoryBytes(*batch), 0);
}

// These values are stored beside rows. A change here means that every stored hash is lost.
TEST(HashRowsTest, IsStableForEver) {
  const Batch batch = Sample();
  const auto hashes = HashRows(*batch, {"n", "s", "at", "ok", "d", "id"});
  ASSERT_TRUE(hashes.ok());
  EXPECT_EQ(*hashes, (std::vector<uint64_t>{8482044226518412234U, 9220770969464175235U,
                                            12085897066069257093U}));
  EXPECT_EQ(
      *HashRows(*batch, {"n"}),
      (std::vector<uint64_t>{18301276618617665846U, 11400714819323198485U, 11913846728532616253U}));
  EXPECT_EQ(
      *HashRows(*batch, {"s"}),
      (std::vector<uint64_t>{16205272487439237008U, 6109933149544222626U, 11400714819323198485U}));
  EXPECT_EQ(HashRows(*batch, {"x"}).error().code(), ErrorCode::kNotFound);
}

TEST(HashRowsTest, DependsOnValuesAlone) {
  const Batch batch = Sample();
  const std::vector<std::string> names = {"n", "s", "at", "ok", "d", "id"};
  const auto whole = *HashRows(*batch, names);
  for (int64_t row = 0; row < batch->num_rows(); ++row) {
    EXPECT_EQ((*HashRows(*batch->Slice(row, 1), names))[0], whole[static_cast<size_t>(row)]);
  }
  const auto type = arrow::dictionary(arrow::int32(), arrow::utf8());
  const std::string json = R"(["b", "a", null, "b"])";
  EXPECT_EQ(*HashRows(*MakeBatch({arrow::field("s", type)}, {Array(type, json)}), {"s"}),
            *HashRows(*MakeBatch({arrow::field("s", arrow::utf8())}, {Array(arrow::utf8(), json)}),
                      {"s"}));
}

TEST(HashRowsTest, TellsNullFromValuesAndColumnsApart) {
  const Batch batch =
      MakeBatch({arrow::field("a", arrow::utf8()), arrow::field("b", arrow::utf8())},
                {Array(arrow::utf8(), R"(["", null, "x", "", "xy", null])"),
                 Array(arrow::utf8(), R"([null, "", "", "x", "", null])")});
  auto hashes = *HashRows(*batch, {"a", "b"});
  std::sort(hashes.begin(), hashes.end());
  EXPECT_EQ(std::unique(hashes.begin(), hashes.end()), hashes.end());
}

TEST(HashRowsTest, AddedColumnOfNullsChangesNothing) {
  const Batch before =
      MakeBatch({arrow::field("a", arrow::int64())}, {Array(arrow::int64(), "[1, null]")});
  const Batch after =
      MakeBatch({arrow::field("b", arrow::utf8()), arrow::field("a", arrow::int64())},
                {Array(arrow::utf8(), "[null, null]"), Array(arrow::int64(), "[1, null]")});
  EXPECT_EQ(*HashRows(*before, {"a"}), *HashRows(*after, {"b", "a"}));
  EXPECT_EQ(*HashRows(*before, {"a"}), *HashRows(*after, {"a", "b"}));
}

TEST(HashRowsTest, TellsNestedValuesApart) {
  const auto lists = arrow::list(arrow::list(arrow::int32()));
  const auto structs = arrow::struct_(
      {arrow::field("a", arrow::utf8()), arrow::field("b", arrow::list(arrow::int32()))});
  for (const auto& [type, json] :
       {std::pair{lists, R"([null, [], [null], [[]], [[1, 2]], [[1], [2]], [[1], [2], []]])"},
        std::pair{structs, R"([null, {"a": null, "b": null}, {"a": "x", "b": null},
                               {"a": "x", "b": []}, {"a": "x", "b": [1]}, {"a": null, "b": [1]}])"}}) {
    const auto batch = MakeBatch({arrow::field("v", type)}, {Array(type, json)});
    const auto whole = *HashRows(*batch, {"v"});
    EXPECT_EQ(std::set<uint64_t>(whole.begin(), whole.end()).size(), whole.size()) << json;
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      EXPECT_EQ((*HashRows(*batch->Slice(row, 1), {"v"}))[0], whole[static_cast<size_t>(row)]);
    }
  }
}

}  // namespace
}  // namespace sluice::columnar
