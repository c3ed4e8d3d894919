#include "sluice/base/byte_budget.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ByteBudgetTest, GrantsWhatThereIsAndTakesItBack) {
  const auto budget = std::make_shared<ByteBudget>(100);
  ByteLease first(budget);
  ByteLease second(budget);
  EXPECT_TRUE(first.Grow(60));
  EXPECT_TRUE(second.Grow(40));
  EXPECT_FALSE(second.Grow(1));
  EXPECT_FALSE(budget->HasRoom(1));
  first.Shrink(20);
  EXPECT_EQ(budget->taken(), 60u);
  EXPECT_TRUE(budget->HasRoom(40));
  EXPECT_FALSE(budget->HasRoom(41));
  {
    ByteLease third(budget);
    EXPECT_TRUE(third.Grow(40));
  }
  EXPECT_EQ(budget->taken(), 60u);
}

TEST(ByteBudgetTest, WhoIsAloneMayHaveMoreThanThereIs) {
  const auto budget = std::make_shared<ByteBudget>(100);
  EXPECT_TRUE(budget->HasRoom(500));
  ByteLease first(budget);
  ByteLease second(budget);
  EXPECT_TRUE(first.Grow(80));
  EXPECT_TRUE(first.Grow(80));
  EXPECT_FALSE(second.Grow(1));
  first.Shrink(0);
  EXPECT_TRUE(second.Grow(1));
  EXPECT_FALSE(first.Grow(100));
}

TEST(ByteBudgetTest, WithoutABudgetEverythingIsGranted) {
  ByteLease lease(nullptr);
  EXPECT_TRUE(lease.Grow(1ull << 60));
  lease.Shrink(0);
}

}  // namespace
}  // namespace sluice
