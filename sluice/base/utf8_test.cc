#include "sluice/base/utf8.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Utf8Test, KnowsItsForms) {
  for (const std::string_view good :
       {"", "a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsUtf8(good)) << good;
  }
  for (const std::string_view bad : {"\x80", "\xc0\x80", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80",
                                     "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5", "a\xff"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

TEST(Utf8Test, PrintableTextIsUtf8AndMovesNoCursor) {
  EXPECT_EQ(Printable("a \xc3\xa9\n\t"), "a \xc3\xa9\\n\\t");
  EXPECT_EQ(Printable("a\n\tb\x1b", LineBreaks::kKeep), "a\n\tb\\x1b");
  EXPECT_EQ(Printable("\x8a\xe2\x82 \x7f\xc2\x9b"), "\\x8a\\xe2\\x82 \\x7f\\x9b");
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const std::string printed = Printable(all);
  EXPECT_TRUE(IsUtf8(printed));
  for (const char c : printed) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
}

}  // namespace
}  // namespace sluice
