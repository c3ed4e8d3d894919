#include "sluice/lake/internal/variant.h"

#include <arrow/api.h>
#include <arrow/json/from_string.h>

#include "sluice/lake/internal/convert_array.h"
#include "sluice/lake/internal/schema_json.h"

namespace sluice::lake::internal {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;

class VariantTest : public testing::Test {
 protected:
  VariantTest() {
    auto parsed = ParseSchema(
        R"({"type":"struct","fields":[{"name":"v","type":"variant","nullable":true,"metadata":{}}]})");
    SLUICE_CHECK(parsed.ok());
    field_ = parsed->annotated->field(0);
  }

  static ArrayPtr File(arrow::FieldVector more, const std::string& json) {
    arrow::FieldVector fields = {arrow::field("metadata", arrow::binary()),
                                 arrow::field("value", arrow::binary())};
    fields.insert(fields.end(), more.begin(), more.end());
    return arrow::json::ArrayFromJSONString(arrow::struct_(std::move(fields)), json).ValueOrDie();
  }

  std::shared_ptr<arrow::Field> field_;
};

TEST_F(VariantTest, KeepsTheNullsOfASlice) {
  const ArrayPtr whole =
      File({}, R"([["m", "a"], null, ["m", "b"], ["m", "c"], null, null, ["m", "d"]])");
  for (int64_t begin = 0; begin < whole->length(); ++begin) {
    const auto read = ConvertArray(whole->Slice(begin), *field_, {});
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    ASSERT_TRUE((*read)->ValidateFull().ok());
    EXPECT_EQ((*read)->null_count(), whole->Slice(begin)->null_count());
    EXPECT_EQ((*read)->ToString(), whole->Slice(begin)->ToString());
  }
}

TEST_F(VariantTest, OfWhichPartsAreTypedColumnsIsRefusedByTheFeature) {
  const arrow::FieldVector typed = {arrow::field("typed_value", arrow::int64())};
  const auto shredded = AssembleVariant(File(typed, R"([["m", null, 5]])"), *field_);
  ASSERT_FALSE(shredded.ok());
  EXPECT_EQ(shredded.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(shredded.error().message().find("variantShredding"), std::string::npos);
  // Where no value is, the other one has them all.
  EXPECT_TRUE(AssembleVariant(File(typed, R"([["m", "a", null], null])"), *field_).ok());
}

TEST_F(VariantTest, ThatIsNoneIsRefused) {
  const auto number = arrow::json::ArrayFromJSONString(arrow::int64(), "[1]").ValueOrDie();
  EXPECT_EQ(AssembleVariant(number, *field_).error().code(), ErrorCode::kCorrupt);
  const auto half = arrow::json::ArrayFromJSONString(
                        arrow::struct_({arrow::field("metadata", arrow::binary())}), R"([["m"]])")
                        .ValueOrDie();
  EXPECT_EQ(AssembleVariant(half, *field_).error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::lake::internal
