#include "sluice/base/json.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::string Quote(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

TEST(JsonTest, EscapesWhatJsonWantsEscaped) {
  EXPECT_EQ(Quote(""), R"("")");
  EXPECT_EQ(Quote("plain text"), R"("plain text")");
  EXPECT_EQ(Quote("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(Quote("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"");
  EXPECT_EQ(Quote(std::string_view("a\0b", 3)), R"("a\u0000b")");
  EXPECT_EQ(Quote("é€😀"), "\"é€😀\"");
}

TEST(JsonTest, ReplacesBytesThatAreNotUtf8) {
  const std::string bad = "\"\xEF\xBF\xBD\"";
  const std::string bad2 = "\"\xEF\xBF\xBD\xEF\xBF\xBD\"";
  EXPECT_EQ(Quote("\x80"), bad);
  EXPECT_EQ(Quote("\xFF"), bad);
  EXPECT_EQ(Quote("\xC0\x80"), bad2);               // Overlong.
  EXPECT_EQ(Quote("\xC3"), bad);                    // Cut short.
  EXPECT_EQ(Quote("\xE2\x82"), bad2);               // Cut short.
  EXPECT_EQ(Quote("\xED\xA0\x80").size(), 2U + 9);  // A surrogate.
  EXPECT_EQ(Quote("\xF4\x90\x80\x80").size(), 2U + 12);
  EXPECT_EQ(Quote("\xF0\x80\x80\x80").size(), 2U + 12);
  EXPECT_EQ(Quote("a\xE9z"), "\"a\xEF\xBF\xBDz\"");
}

}  // namespace
}  // namespace sluice
