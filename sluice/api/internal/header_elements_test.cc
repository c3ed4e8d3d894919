#include "sluice/api/internal/header_elements.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::api::internal {
namespace {

std::vector<std::string> Split(std::string_view list) {
  std::vector<std::string> elements;
  ForEachElement(list,
                 [&](const HeaderElement& element) { elements.emplace_back(element.text()); });
  return elements;
}

using Texts = std::vector<std::string>;

TEST(HeaderElementsTest, SplitsAtCommasOutsideOfQuotedStrings) {
  EXPECT_EQ(Split(""), Texts{});
  EXPECT_EQ(Split(" ,\t, "), Texts{});
  EXPECT_EQ(Split("gzip"), Texts{"gzip"});
  EXPECT_EQ(Split(" gzip;q=0.5\t,,br "), (Texts{"gzip;q=0.5", "br"}));
  EXPECT_EQ(Split(R"(a;x="1,2", b;y="\",\\",c)"), (Texts{R"(a;x="1,2")", R"(b;y="\",\\")", "c"}));
  EXPECT_EQ(Split(R"(a, b;x="1, c)"), (Texts{"a", R"(b;x="1, c)"})) << "it does not end";
  EXPECT_EQ(Split(R"(a;x="\)"), Texts{R"(a;x="\)"});
}

TEST(HeaderElementsTest, NamesHaveNoCaseAndNoParameters) {
  EXPECT_EQ(MediaType(" Text/CSV \t; header=present"), "text/csv");
  EXPECT_EQ(MediaType("application/json"), "application/json");
  EXPECT_EQ(MediaType(""), "");
  EXPECT_EQ(MediaType("; q=1"), "");
  EXPECT_EQ(MediaType("text/csv, text/html"), "text/csv, text/html") << "is no list";
}

TEST(HeaderElementsTest, FindsParameters) {
  const HeaderElement element(
      R"(a/b;one=1 ; TWO = "x;y=3, \"z\"" ;three;four=;five="";six=6;six=7; q="0.25)");
  EXPECT_EQ(element.Parameter("one"), "1");
  EXPECT_EQ(element.Parameter("two"), R"(x;y=3, "z")");
  EXPECT_EQ(element.Parameter("Two"), R"(x;y=3, "z")");
  EXPECT_EQ(element.Parameter("y"), std::nullopt) << "is in a quoted string";
  EXPECT_EQ(element.Parameter("three"), "");
  EXPECT_EQ(element.Parameter("four"), "");
  EXPECT_EQ(element.Parameter("five"), "");
  EXPECT_EQ(element.Parameter("six"), "6");
  EXPECT_EQ(element.Parameter("seven"), std::nullopt);
  EXPECT_EQ(element.Parameter("a/b"), std::nullopt);
  EXPECT_EQ(element.Parameter("q"), "0.25");
  EXPECT_EQ(HeaderElement("a;b=CaSe").Parameter("B"), "CaSe");
}

TEST(HeaderElementsTest, WeighsFromNotAcceptableToLiked) {
  const auto weight = [](const char* text) { return HeaderElement(text).Weight(); };
  for (const char* const none :
       {"a;q=0", "a; Q=0", "a;q=0.000", "a;x=1;q=0", "a;q=\"0\"", "a;q=0."}) {
    EXPECT_EQ(weight(none), 0) << none;
  }
  for (const char* const whole :
       {"a", "a;q=1", "a;q=1.000", "a;q=2", "a;q=", "a;q", "a;q=nonsense", "a;q=-1", "a;q=nan",
        "a;q=inf", "a;q=0x1", "a;q=0 1", "a;x=\"1;q=0\"", "a;xq=0"}) {
    EXPECT_EQ(weight(whole), 1) << whole;
  }
  EXPECT_EQ(weight("a;q=0.5"), 0.5);
  EXPECT_EQ(weight("a;q=.2"), 0.2) << "as programs in Java have it";
  EXPECT_EQ(weight("a ; x=\"q=0\" ; q=0.125 ; q=0"), 0.125);
}

}  // namespace
}  // namespace sluice::api::internal
