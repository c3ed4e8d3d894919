#include "sluice/backup/contents.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <span>
#include <string>

#include "sluice/base/crc32c.h"
#include "sluice/os/simulated_disk.h"

namespace sluice::backup {
namespace {

Contents Example() {
  return {.made = os::Timestamp(std::chrono::seconds(1'700'000'000)),
          .program = "0.1.0",
          .project = "shop",
          .journal = "uuid",
          .keys = KeysInBackup::kSealed,
          .tables_at = "",
          .tables = {{.topic = "shop.clicks",
                      .path = "default/bronze/shop_clicks",
                      .version = 3,
                      .landed = 29,
                      .next = 70},
                     {.topic = "", .path = "default/bronze/gone"}},
          .files = {{.path = "data/journal/a b\tc", .content = {.bytes = 3, .crc32c = 0xabcdef}},
                    {.path = "keys/tokens", .content = {.bytes = 0, .crc32c = 0}}}};
}

class ContentsTest : public testing::Test {
 protected:
  std::string Read() { return *os::ReadFile(disk_, "b/backup", 1 << 20); }
  void Write(const std::string& text) {
    ASSERT_TRUE(os::ReplaceFile(disk_, "b/backup", text).ok());
  }

  os::SimulatedDisk disk_;
};

TEST_F(ContentsTest, AreReadBackAsTheyWereWritten) {
  ASSERT_TRUE(disk_.MakeFolders("b").ok());
  ASSERT_TRUE(WriteContents(disk_, "b", Example()).ok());
  const auto read = ReadContents(disk_, "b");
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(read->made, Example().made);
  EXPECT_EQ(read->project, "shop");
  EXPECT_EQ(read->keys, KeysInBackup::kSealed);
  ASSERT_EQ(read->tables.size(), 2u);
  EXPECT_EQ(read->tables[0].topic, "shop.clicks");
  EXPECT_EQ(read->tables[0].next, 70);
  EXPECT_EQ(read->tables[1].path, "default/bronze/gone");
  ASSERT_EQ(read->files.size(), 2u);
  EXPECT_EQ(read->files[0].path, "data/journal/a b\tc");
  EXPECT_EQ(read->files[0].content.crc32c, 0xabcdefu);
  EXPECT_EQ(read->Bytes(), 3u);
}

TEST_F(ContentsTest, OfAFolderWithoutTheListAreNone) {
  ASSERT_TRUE(disk_.MakeFolders("b").ok());
  const auto read = ReadContents(disk_, "b");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::kNotFound);
}

TEST_F(ContentsTest, NameNoFileOutside) {
  ASSERT_TRUE(disk_.MakeFolders("b").ok());
  for (const char* const path : {"../x", "/etc/x", "data/../../x", "data/..", "other/x"}) {
    Contents contents = Example();
    contents.files[0].path = path;
    ASSERT_TRUE(WriteContents(disk_, "b", contents).ok());
    const auto read = ReadContents(disk_, "b");
    ASSERT_FALSE(read.ok()) << path;
    EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt) << path;
  }
  Contents contents = Example();
  contents.files[0].path = "data/a\nb";
  EXPECT_EQ(WriteContents(disk_, "b", contents).error().code(), ErrorCode::kUnsupported);
}

// Its checksum fits: it was found by trying such lists, and went on for ever.
TEST_F(ContentsTest, WhoseLastLineHasNoEndAreRefused) {
  ASSERT_TRUE(disk_.MakeFolders("b").ok());
  const std::string text = "sluice backup 1\nfile\t5\t00000abc\tdata/j";
  Write(fmt::format("{}sum\t{:08x}\n", text, Crc32c(std::as_bytes(std::span(text)))));
  const auto read = ReadContents(disk_, "b");
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::kCorrupt);
}

TEST_F(ContentsTest, ThatAreDamagedAnywhereAreRefused) {
  ASSERT_TRUE(disk_.MakeFolders("b").ok());
  ASSERT_TRUE(WriteContents(disk_, "b", Example()).ok());
  const std::string sound = Read();
  for (size_t i = 0; i < sound.size(); ++i) {
    for (const int bit : {0, 3, 7}) {
      std::string damaged = sound;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      Write(damaged);
      EXPECT_FALSE(ReadContents(disk_, "b").ok()) << "byte " << i;
    }
    Write(sound.substr(0, i));
    EXPECT_FALSE(ReadContents(disk_, "b").ok()) << "cut at " << i;
  }
}

TEST_F(ContentsTest, NameTheFilesThatAreDamaged) {
  ASSERT_TRUE(disk_.MakeFolders("b/data").ok());
  ASSERT_TRUE(os::ReplaceFile(disk_, "b/data/short", "12345").ok());
  ASSERT_TRUE(os::ReplaceFile(disk_, "b/data/sound", "12345").ok());
  const auto sum = os::SumOfFile(disk_, "b/data/sound");
  ASSERT_TRUE(sum.ok());
  Contents contents;
  contents.files = {{.path = "data/sound", .content = *sum}};
  EXPECT_TRUE(CheckFiles(disk_, "b", contents).ok());
  contents.files = {{.path = "data/sound", .content = {.bytes = 5, .crc32c = sum->crc32c ^ 1}}};
  EXPECT_EQ(CheckFiles(disk_, "b", contents).error().code(), ErrorCode::kCorrupt);
  contents.files = {{.path = "data/sound", .content = *sum}};
  contents.files.push_back({.path = "data/short", .content = {.bytes = 6, .crc32c = sum->crc32c}});
  contents.files.push_back({.path = "data/none", .content = *sum});
  const Status checked = CheckFiles(disk_, "b", contents);
  ASSERT_FALSE(checked.ok());
  EXPECT_EQ(checked.error().ToString(),
            "2 of 3 files of the backup 'b' are damaged: 'data/short': 5 bytes, expected 6; "
            "'data/none': missing; use another backup (corrupt)");
}

}  // namespace
}  // namespace sluice::backup
