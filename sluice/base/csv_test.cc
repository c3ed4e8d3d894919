#include "sluice/base/csv.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(CsvTest, QuotesWhatNeedsItAndWhatIsEmpty) {
  const auto field = [](std::string_view text) {
    std::string out = "a,";
    AppendCsvField(out, text);
    return out;
  };
  EXPECT_EQ(field("plain text"), "a,plain text");
  EXPECT_EQ(field(""), "a,\"\"");
  EXPECT_EQ(field("x,y"), "a,\"x,y\"");
  EXPECT_EQ(field("say \"hi\""), "a,\"say \"\"hi\"\"\"");
  EXPECT_EQ(field("two\nlines"), "a,\"two\nlines\"");
  EXPECT_EQ(field("\r"), "a,\"\r\"");
}

}  // namespace
}  // namespace sluice
