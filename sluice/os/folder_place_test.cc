#include "sluice/os/folder_place.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace sluice::os {
namespace {

class FolderPlaceTest : public testing::Test {
 protected:
  FolderPlaceTest() {
    std::string name = testing::TempDir() + "/sluice-place-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~FolderPlaceTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(FolderPlaceTest, TellsMountsAndLinksFromFolders) {
  std::filesystem::create_directory(folder_ + "/plain");
  std::filesystem::create_directory_symlink("plain", folder_ + "/link");
  EXPECT_FALSE(IsMountOrLink(folder_ + "/plain"));
  EXPECT_FALSE(IsMountOrLink(folder_ + "/nothing"));
  EXPECT_TRUE(IsMountOrLink(folder_ + "/link"));
  EXPECT_TRUE(IsMountOrLink("/proc"));
}

TEST_F(FolderPlaceTest, AFileMadeAnewIsAnother) {
  const std::string path = folder_ + "/file";
  std::ofstream(path) << "one";
  const auto first = IdentityOf(path);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*IdentityOf(path), *first);
  std::filesystem::rename(path, folder_ + "/moved");
  EXPECT_EQ(IdentityOf(path).error().code(), ErrorCode::kNotFound);
  std::ofstream(path) << "another";
  EXPECT_NE(*IdentityOf(path), *first);
  EXPECT_EQ(*IdentityOf(folder_ + "/moved"), *first);
}

}  // namespace
}  // namespace sluice::os
