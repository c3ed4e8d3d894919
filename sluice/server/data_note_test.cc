#include "sluice/server/data_note.h"

#include <gtest/gtest.h>

#include <string>

#include "sluice/os/simulated_disk.h"

namespace sluice::server {
namespace {

TEST(DataNoteTest, AFolderThatHadDataIsNotBegunAnew) {
  os::SimulatedDisk disk;
  ASSERT_TRUE(disk.MakeFolders("/keys").ok());
  ASSERT_TRUE(disk.MakeFolders("/shop/data/journal").ok());
  const auto check = [&](const std::string& data) {
    return CheckDataAreThere(disk, "/keys", data);
  };
  EXPECT_TRUE(check("/shop/data").ok()) << "a new one";
  ASSERT_TRUE(os::ReplaceFile(disk, "/shop/data/journal/manifest", "m").ok());
  ASSERT_TRUE(NoteData(disk, "/keys", "/shop/data").ok());
  ASSERT_TRUE(NoteData(disk, "/keys", "/shop/data2").ok());
  ASSERT_TRUE(NoteData(disk, "/keys", "/shop/data").ok());
  EXPECT_EQ(disk.Look("/keys/data-folders"), "/shop/data\n/shop/data2\n");
  EXPECT_TRUE(check("/shop/data").ok());
  ASSERT_TRUE(disk.Remove("/shop/data/journal/manifest").ok());
  const Status gone = check("/shop/data");
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(gone.error().ToString().find("not mounted"), std::string::npos);
  // Others of the same keys, and parts of names, are none of its business.
  EXPECT_TRUE(check("/shop/dat").ok());
  EXPECT_TRUE(check("/other/shop/data").ok());
  // The journal alone may be wiped, of which the tables tell.
  ASSERT_TRUE(disk.MakeFolders("/shop/data/control").ok());
  ASSERT_TRUE(os::ReplaceFile(disk, "/shop/data/control/topics", "t").ok());
  EXPECT_TRUE(check("/shop/data").ok());
  ASSERT_TRUE(disk.Remove("/shop/data/control/topics").ok());
  ASSERT_TRUE(disk.Remove("/keys/data-folders").ok());
  EXPECT_TRUE(check("/shop/data").ok());
}

}  // namespace
}  // namespace sluice::server
