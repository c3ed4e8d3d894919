#include "sluice/base/line_words.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace sluice {
namespace {

TEST(LineWordsTest, TakesTextsAndNumbersInTheirOrder) {
  LineWords words("segment 7 ff last one", ' ');
  EXPECT_EQ(words.Text(), "segment");
  int64_t number = 0;
  uint32_t hex = 0;
  words.Number(number).Number(hex, 16);
  EXPECT_EQ(number, 7);
  EXPECT_EQ(hex, 255U);
  EXPECT_TRUE(words.ok());
  EXPECT_FALSE(words.Done());
  EXPECT_EQ(words.Rest(), "last one");
  EXPECT_TRUE(words.Done());
}

TEST(LineWordsTest, WhatIsNoNumberIsRemembered) {
  for (const char* line : {"x", "", "7x", "99999999999", "-1"}) {
    LineWords words(line, '\t');
    uint32_t number = 0;
    EXPECT_FALSE(words.Number(number).ok()) << line;
    EXPECT_FALSE(words.Done()) << line;
  }
}

}  // namespace
}  // namespace sluice
