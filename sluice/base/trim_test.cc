#include "sluice/base/trim.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(TrimTest, TakesSpaceOffBothEndsAlone) {
  EXPECT_EQ(Trim(""), "");
  EXPECT_EQ(Trim(" \t\r\n"), "");
  EXPECT_EQ(Trim("a"), "a");
  EXPECT_EQ(Trim("\r\n a \t b\n"), "a \t b");
  EXPECT_EQ(Trim("\va\v"), "\va\v");  // No space that our formats know.
}

}  // namespace
}  // namespace sluice
