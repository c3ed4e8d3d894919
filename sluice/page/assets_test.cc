#include "sluice/page/assets.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace sluice::page {
namespace {

TEST(AssetsTest, HaveAPageAndEachPathOnce) {
  std::set<std::string> paths;
  for (const Asset& asset : Assets()) {
    EXPECT_TRUE(paths.emplace(asset.path).second) << asset.path;
    EXPECT_TRUE(asset.gzip.starts_with("\x1f\x8b")) << asset.path;
    EXPECT_EQ(asset.immutable, asset.path.starts_with("/assets/")) << asset.path;
  }
  EXPECT_TRUE(paths.contains("/"));
}

// What a browser fetches before it shows anything; the editor comes later.
TEST(AssetsTest, AreWithinTheirBudget) {
  size_t first = 0;
  size_t all = 0;
  for (const Asset& asset : Assets()) {
    all += asset.gzip.size();
    if (asset.path == "/" || asset.path == "/theme.js" ||
        asset.path.starts_with("/assets/index-")) {
      first += asset.gzip.size();
    }
  }
  EXPECT_GT(first, 10'000u);
  EXPECT_LE(first, 60'000u);
  EXPECT_LE(all, 450'000u);
}

}  // namespace
}  // namespace sluice::page
