#include "sluice/base/hex.h"

#include <gtest/gtest.h>

#include <array>

namespace sluice {
namespace {

TEST(HexTest, WritesSmallLettersAndReadsThemBack) {
  const std::string bytes("\x00\x9f\xff", 3);
  EXPECT_EQ(ToHex(bytes), "009fff");
  std::array<std::byte, 3> read{};
  ASSERT_TRUE(FromHex("009fff", read));
  EXPECT_EQ(ToHex(read), "009fff");
  EXPECT_EQ(ToHex(std::string_view()), "");
}

TEST(HexTest, ReadsNothingElse) {
  std::array<std::byte, 2> read{};
  for (const std::string_view text :
       {"", "009", "00900", "009fff", "009F", "00 f", "0x9f", "009g"}) {
    EXPECT_FALSE(FromHex(text, read)) << text;
  }
}

}  // namespace
}  // namespace sluice
