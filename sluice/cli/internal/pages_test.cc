#include "sluice/cli/internal/pages.h"

#include <gtest/gtest.h>

namespace sluice::cli::internal {
namespace {

TEST(PagesTest, EveryPageIsFoundByItsNameAndHasATitle) {
  ASSERT_GT(kPages.size(), 8u);
  for (const Page& page : kPages) {
    EXPECT_TRUE(page.text.starts_with("# ")) << page.name;
    EXPECT_FALSE(PageText(page.name).empty()) << page.name;
    EXPECT_NE(ListPages().find(page.name), std::string::npos);
  }
  EXPECT_EQ(PageText("send-events"), PageText("how-to/send-events"));
  EXPECT_EQ(PageText("nothing"), "");
}

TEST(PagesTest, LinksAreTheirTextsAndCodeIsLeftAlone) {
  const std::string text = PageText("how-to/send-events");
  EXPECT_EQ(text.find("```"), std::string::npos);
  EXPECT_EQ(text.find("]("), std::string::npos);
  EXPECT_NE(text.find("the script, which also sends"), std::string::npos) << text;
  EXPECT_NE(text.find("\n    rows = [{\"eventId\": \"p1\""), std::string::npos);
}

}  // namespace
}  // namespace sluice::cli::internal
