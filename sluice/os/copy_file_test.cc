#include "sluice/os/copy_file.h"

#include <string>

#include <gtest/gtest.h>

#include "sluice/os/simulated_disk.h"

namespace sluice::os {
namespace {

TEST(CopyFileTest, HasTheBytesAskedForOrFails) {
  SimulatedDisk disk;
  std::string text(1 << 20, 'x');
  text += "the rest";
  ASSERT_TRUE(ReplaceFile(disk, "from", text).ok());
  const auto from = disk.Open("from", OpenMode::kRead);
  ASSERT_TRUE(from.ok());
  const auto copied = CopyToNewFile(**from, text.size() - 5, disk, "to");
  ASSERT_TRUE(copied.ok()) << copied.error().ToString();
  EXPECT_EQ(copied->bytes, text.size() - 5);
  EXPECT_EQ(disk.Look("to"), text.substr(0, text.size() - 5));
  EXPECT_EQ(SumOfFile(disk, "to")->crc32c, copied->crc32c);
  EXPECT_EQ(CopyToNewFile(**from, 3, disk, "to").error().code(), ErrorCode::kConflict);
  EXPECT_EQ(CopyToNewFile(**from, text.size() + 1, disk, "longer").error().code(),
            ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace sluice::os
