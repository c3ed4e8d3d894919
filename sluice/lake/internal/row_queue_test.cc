#include "sluice/lake/internal/row_queue.h"

#include <arrow/api.h>
#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace sluice::lake::internal {
namespace {

columnar::Batch Number(int64_t number, int64_t rows = 1) {
  arrow::Int64Builder builder;
  for (int64_t row = 0; row < rows; ++row) EXPECT_TRUE(builder.Append(number).ok());
  return arrow::RecordBatch::Make(arrow::schema({arrow::field("n", arrow::int64())}), rows,
                                  {builder.Finish().ValueOrDie()});
}

int64_t NumberOf(const columnar::Batch& rows) {
  return static_cast<const arrow::Int64Array&>(*rows->column(0)).Value(0);
}

TEST(RowQueueTest, UsesRowsInTheirOrder) {
  std::vector<int64_t> used;
  RowQueue queue([&](const columnar::Batch& rows) -> Status {
    used.push_back(NumberOf(rows));
    return {};
  });
  std::vector<int64_t> put;
  for (int64_t number = 0; number < 500; ++number) {
    // More than may wait, now and then.
    ASSERT_TRUE(queue.Put(Number(number, number % 100 == 0 ? 3'000'000 : 10)).ok());
    put.push_back(number);
  }
  EXPECT_TRUE(queue.Finish().ok());
  EXPECT_EQ(used, put);
}

TEST(RowQueueTest, TellsTheFirstErrorAndUsesNoMore) {
  std::atomic<int> used = 0;
  RowQueue queue([&](const columnar::Batch&) -> Status {
    if (++used == 3) return Invalid("third");
    return {};
  });
  Status put;
  for (int64_t number = 0; number < 10 || put.ok(); ++number) put = queue.Put(Number(number));
  EXPECT_EQ(put.error().message(), "third");
  EXPECT_EQ(queue.Finish().error().message(), "third");
  EXPECT_EQ(used, 3);
}

}  // namespace
}  // namespace sluice::lake::internal
