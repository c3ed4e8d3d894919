#include "sluice/duck/internal/diagnosis.h"

#include <gtest/gtest.h>

namespace sluice::duck::internal {
namespace {

// Where malloc has nothing left, the error for it cannot be written down either, and another comes.
TEST(DiagnosisTest, KnowsOutOfMemoryByWhateverNameItComes) {
  for (const duckdb::ErrorData& error :
       {duckdb::ErrorData(duckdb::ExceptionType::SERIALIZATION,
                          "Failed to write JSON string: memory allocation failed"),
        duckdb::ErrorData(std::bad_alloc()),
        duckdb::ErrorData(duckdb::ExceptionType::IO, "cannot map: Cannot allocate memory"),
        duckdb::ErrorData(duckdb::ExceptionType::OUT_OF_MEMORY, "out of memory")}) {
    EXPECT_EQ(Diagnose(error, "select 1").code, "SL2202") << error.Message();
    EXPECT_EQ(FromDuck(error).code(), ErrorCode::kUnavailable) << error.Message();
  }
  const duckdb::ErrorData other(duckdb::ExceptionType::SERIALIZATION, "no such field");
  EXPECT_EQ(Diagnose(other, "select 1").code, "SL2110");
}

}  // namespace
}  // namespace sluice::duck::internal
