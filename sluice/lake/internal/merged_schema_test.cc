#include "sluice/lake/internal/merged_schema.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

namespace sluice::lake::internal {
namespace {

using arrow::field;

Result<MergedSchema::Merged> Merge(const std::vector<arrow::FieldVector>& files) {
  MergedSchema schemas;
  char name = 'a';
  for (const arrow::FieldVector& fields : files) {
    EXPECT_TRUE(schemas.Add(arrow::Schema(fields), std::string(1, name++)).ok());
  }
  return schemas.Merge();
}

TEST(MergedSchemaTest, HasTheColumnsOfAllFilesInTheOrderTheyCome) {
  const auto merged = Merge({{field("b", arrow::int64(), false), field("a", arrow::utf8())},
                             {field("c", arrow::null()), field("a", arrow::utf8())},
                             {field("d", arrow::struct_({field("x", arrow::boolean(), false)}))},
                             {field("d", arrow::struct_({field("y", arrow::date32())}))}});
  ASSERT_TRUE(merged.ok()) << merged.error().message();
  EXPECT_EQ(ToJson(merged->schema),
            R"({"type":"struct","fields":[)"
            R"({"name":"b","type":"long","nullable":true,"metadata":{}},)"
            R"({"name":"a","type":"string","nullable":true,"metadata":{}},)"
            R"({"name":"d","type":{"type":"struct","fields":[)"
            R"({"name":"x","type":"boolean","nullable":true,"metadata":{}},)"
            R"({"name":"y","type":"date","nullable":true,"metadata":{}}]},)"
            R"("nullable":true,"metadata":{}}]})");
  EXPECT_EQ(merged->left_out, std::vector<std::string>{"c"});
  EXPECT_TRUE(merged->widened.empty());
}

TEST(MergedSchemaTest, TakesTheWidestTypeWhateverComesFirst) {
  const std::vector<arrow::FieldVector> files = {{field("n", arrow::list(arrow::int16()))},
                                                 {field("n", arrow::list(arrow::float64()))},
                                                 {field("n", arrow::list(arrow::float32()))}};
  for (const auto& order : {std::vector<size_t>{0, 1, 2}, {2, 0, 1}, {1, 2, 0}}) {
    std::vector<arrow::FieldVector> ordered;
    for (const size_t i : order) ordered.push_back(files[i]);
    const auto merged = Merge(ordered);
    ASSERT_TRUE(merged.ok()) << merged.error().message();
    EXPECT_EQ(merged->widened, std::vector<std::string>{"n.element"});
    const std::string json = ToJson(merged->schema);
    EXPECT_NE(json.find(R"("elementType":"double")"), std::string::npos) << json;
    for (const char* const change :
         {R"({"toType":"double","fromType":"short","fieldPath":"element"})",
          R"({"toType":"double","fromType":"float","fieldPath":"element"})"}) {
      EXPECT_NE(json.find(change), std::string::npos) << json;
    }
  }
}

TEST(MergedSchemaTest, WhatDoesNotFitIsNamed) {
  const auto message = [](const std::vector<arrow::FieldVector>& files) {
    const auto merged = Merge(files);
    return merged.ok() ? "merged" : merged.error().message();
  };
  EXPECT_EQ(message({{field("n", arrow::int64())}, {field("n", arrow::list(arrow::int64()))}}),
            "file 'b': column 'n' is a list, but in file 'a' it is long");
  EXPECT_EQ(message({{field("n", arrow::int64())}, {field("n", arrow::null())}}),
            "file 'b': column 'n' is nothing but null, of no type, but in file 'a' it is long");
  EXPECT_EQ(message({{field("n", arrow::int64())},
                     {field("n", arrow::int32())},
                     {field("n", arrow::float32())}}),
            "file 'c': column 'n' is float, but in file 'a' it is long");
  EXPECT_EQ(message({{field("n", arrow::int64())}, {field("N", arrow::int64())}}),
            "file 'b': column 'N' differs from 'n', which is there too, by case alone");
}

}  // namespace
}  // namespace sluice::lake::internal
