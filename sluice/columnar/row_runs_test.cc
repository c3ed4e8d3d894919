#include "sluice/columnar/row_runs.h"

#include <gtest/gtest.h>

namespace sluice::columnar {
namespace {

RowRuns MakeRuns(const std::vector<RowRuns::Run>& runs) {
  RowRuns result;
  for (const auto& run : runs) result.Add(run.first, run.count);
  return result;
}

TEST(RowRunsTest, JoinsNeighbours) {
  EXPECT_EQ(MakeRuns({{0, 1}, {1, 2}, {5, 1}, {6, 0}}).runs(),
            (std::vector<RowRuns::Run>{{0, 3}, {5, 1}}));
}

TEST(RowRunsTest, GivesTheOtherRows) {
  EXPECT_EQ(MakeRuns({{0, 3}, {5, 1}}).Others(10).runs(),
            (std::vector<RowRuns::Run>{{3, 2}, {6, 4}}));
  EXPECT_EQ(MakeRuns({}).Others(4).runs(), (std::vector<RowRuns::Run>{{0, 4}}));
  EXPECT_TRUE(MakeRuns({{0, 4}}).Others(4).empty());
}

TEST(RowRunsTest, SurvivesItsBytes) {
  for (const RowRuns& runs :
       {MakeRuns({}), MakeRuns({{0, 1}}), MakeRuns({{7, 1}, {200, 300}, {int64_t{1} << 40, 5}}),
        MakeRuns({{INT64_MAX - 1, 1}})}) {
    const auto read = RowRuns::Decode(runs.Encode());
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    EXPECT_EQ(read->runs(), runs.runs());
  }
}

TEST(RowRunsTest, RefusesOtherBytes) {
  for (const std::string& bytes :
       {std::string("\x01"), std::string("\x01\x00", 2), std::string("\x80\x80"),
        std::string(10, '\xFF') + "\x01", std::string(8, '\xFF') + "\x7F\x01"}) {
    EXPECT_FALSE(RowRuns::Decode(bytes).ok());
  }
}

}  // namespace
}  // namespace sluice::columnar
