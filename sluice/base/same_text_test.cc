#include "sluice/base/same_text.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

TEST(SameTextTest, SeesEachBitOfEachByte) {
  for (size_t size = 0; size <= 40; ++size) {
    std::string text(size, 'x');
    const std::string same = text;
    EXPECT_TRUE(SameText(text, same)) << size;
    EXPECT_FALSE(SameText(text, same + 'x')) << size;
    for (size_t i = 0; i < size; ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        text[i] = static_cast<char>(text[i] ^ (1 << bit));
        EXPECT_FALSE(SameText(text, same)) << size << " bytes, byte " << i;
        text[i] = same[i];
      }
    }
  }
  EXPECT_TRUE(SameText({}, ""));
}

}  // namespace
}  // namespace sluice
