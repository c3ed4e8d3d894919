#include "sluice/base/percent.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(PercentTest, EscapesAllButTheUnreservedAndWhatIsKept) {
  EXPECT_EQ(PercentEncode("aZ09-_.~"), "aZ09-_.~");
  EXPECT_EQ(PercentEncode("a/b c%\xc3\xa9"), "a%2Fb%20c%25%C3%A9");
  EXPECT_EQ(PercentEncode("a/b=c", "/"), "a/b%3Dc");
}

TEST(PercentTest, ResolvesEscapesAndLeavesWhatIsNone) {
  EXPECT_EQ(PercentDecode("a%2Fb%2fc"), "a/b/c");
  EXPECT_EQ(PercentDecode("100%"), "100%");
  EXPECT_EQ(PercentDecode("%4"), "%4");
  EXPECT_EQ(PercentDecode("%zz%41"), "%zzA");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(PercentDecode(PercentEncode(all)), all);
}

}  // namespace
}  // namespace sluice
