#include "sluice/os/disk.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace sluice::os {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

class SystemDiskTest : public testing::Test {
 protected:
  SystemDiskTest() {
    std::string name = testing::TempDir() + "/sluice_disk_XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~SystemDiskTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(std::string_view name) const { return folder_ + "/" + std::string(name); }

  SystemDisk disk_;
  std::string folder_;
};

TEST_F(SystemDiskTest, ReadsBackManyPieces) {
  auto file = disk_.Open(Path("a"), OpenMode::kCreateNew);
  ASSERT_TRUE(file.ok());
  std::vector<std::span<const std::byte>> pieces;
  std::string expected;
  for (int i = 0; i < 3000; ++i) {  // More than the kernel takes in one call; some are empty.
    const std::string_view piece = i % 7 == 0 ? "" : i % 2 == 0 ? "xy" : "z";
    pieces.push_back(Bytes(piece));
    expected += piece;
  }
  ASSERT_TRUE((*file)->Write(5, pieces).ok());
  ASSERT_TRUE((*file)->Sync().ok());
  EXPECT_EQ(*ReadFile(disk_, Path("a"), 10'000), std::string(5, '\0') + expected);
}

TEST_F(SystemDiskTest, ReadsFewerBytesOnlyAtTheEnd) {
  ASSERT_TRUE(ReplaceFile(disk_, Path("a"), "hello").ok());
  auto file = disk_.Open(Path("a"), OpenMode::kRead);
  ASSERT_TRUE(file.ok());
  std::string into(10, '-');
  EXPECT_EQ(*(*file)->Read(3, std::as_writable_bytes(std::span(into))), 2u);
  EXPECT_EQ(into, "lo--------");
  EXPECT_EQ(*(*file)->Read(99, std::as_writable_bytes(std::span(into))), 0u);
}

TEST_F(SystemDiskTest, SaysWhatTheCallerCanDo) {
  EXPECT_EQ(disk_.Open(Path("a"), OpenMode::kRead).error().ToString(),
            "cannot open '" + Path("a") + "': No such file or directory (not found)");
  ASSERT_TRUE(disk_.Open(Path("a"), OpenMode::kCreateNew).ok());
  EXPECT_EQ(disk_.Open(Path("a"), OpenMode::kCreateNew).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(disk_.Remove(Path("b")).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(disk_.MakeFolders(Path("a")).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(ReadFile(disk_, Path("a"), 0)->size(), 0u);
  EXPECT_FALSE(disk_.List(Path("a")).ok()) << "not an empty folder";
  EXPECT_EQ(disk_.SyncDirectory(Path("none")).error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE(disk_.SyncDirectory("/proc").ok()) << "the kernel refuses to";
}

TEST_F(SystemDiskTest, SetsSizes) {
  auto file = disk_.Open(Path("a"), OpenMode::kCreateNew);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Allocate(1 << 20).ok());
  EXPECT_EQ(*(*file)->Size(), 1u << 20);
  ASSERT_TRUE((*file)->Allocate(1000).ok());
  EXPECT_EQ(*(*file)->Size(), 1u << 20);
  ASSERT_TRUE((*file)->Truncate(7).ok());
  EXPECT_EQ(*(*file)->Size(), 7u);
  (*file)->DropCache();
  EXPECT_EQ(*ReadFile(disk_, Path("a"), 7), std::string(7, '\0'));
  EXPECT_EQ(ReadFile(disk_, Path("a"), 6).error().code(), ErrorCode::kInvalid);
}

TEST_F(SystemDiskTest, AFileAtItsLimitIsAFullDiskAndNotOurEnd) {
  const auto limited = [this] {
    const rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    std::signal(SIGXFSZ, SIG_IGN);
    auto file = disk_.Open(Path("a"), OpenMode::kCreateNew);
    if (!file.ok()) return 2;
    const auto piece = Bytes("x");
    const Status written = (*file)->Write(2 << 20, {&piece, 1});
    if (written.ok() || written.error().code() != ErrorCode::kUnavailable) return 3;
    const Status allocated = (*file)->Allocate(2 << 20);
    if (allocated.ok() || allocated.error().code() != ErrorCode::kUnavailable) return 4;
    return (*file)->Write(0, {&piece, 1}).ok() ? 0 : 5;
  };
  EXPECT_EXIT(std::_Exit(limited()), testing::ExitedWithCode(0), "");
}

// From here on the kernel answers this thread's fallocate() with `error`. False: it cannot be asked
// to.
bool FailAllocations(int error) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {.len = std::size(program), .filter = program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

TEST_F(SystemDiskTest, ALongFileIsAReservationOnlyWhereNoneCanBeHad) {
  constexpr int kNoSeccomp = 77;
  const auto allocate = [this](int error, uint64_t expected_size) {
    if (!FailAllocations(error)) return kNoSeccomp;
    auto file = disk_.Open(Path("a"), OpenMode::kCreateNew);
    if (!file.ok()) return 1;
    const Status allocated = (*file)->Allocate(1 << 20);
    if (*(*file)->Size() != expected_size) return 2;
    if (expected_size > 0) return allocated.ok() && (*file)->Allocate(1000).ok() ? 0 : 3;
    return !allocated.ok() && allocated.error().code() == ErrorCode::kUnavailable ? 0 : 4;
  };
  bool can = true;
  const auto ended_well = [&can](int status) {
    can = !WIFEXITED(status) || WEXITSTATUS(status) != kNoSeccomp;
    return !can || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
  };
  for (const int error : {ENOSPC, EDQUOT, EIO}) {
    EXPECT_EXIT(std::_Exit(allocate(error, 0)), ended_well, "") << error;
    if (!can) GTEST_SKIP() << "no seccomp here";
    ASSERT_TRUE(disk_.Remove(Path("a")).ok());
  }
  EXPECT_EXIT(std::_Exit(allocate(EOPNOTSUPP, 1 << 20)), ended_well, "");
  EXPECT_EQ(ReadFile(disk_, Path("a"), 1 << 20)->size(), 1u << 20);
}

TEST_F(SystemDiskTest, RenamesWithAndWithoutReplacing) {
  ASSERT_TRUE(ReplaceFile(disk_, Path("a"), "1").ok());
  ASSERT_TRUE(ReplaceFile(disk_, Path("b"), "2").ok());
  EXPECT_EQ(disk_.RenameNoReplace(Path("a"), Path("b")).error().code(), ErrorCode::kConflict);
  EXPECT_EQ(*ReadFile(disk_, Path("b"), 9), "2");
  ASSERT_TRUE(disk_.RenameNoReplace(Path("a"), Path("c")).ok());
  ASSERT_TRUE(disk_.Rename(Path("c"), Path("b")).ok());
  EXPECT_EQ(*ReadFile(disk_, Path("b"), 9), "1");
  EXPECT_FALSE(*disk_.Exists(Path("a")));
  EXPECT_TRUE(*disk_.Exists(Path("b")));
}

TEST_F(SystemDiskTest, ListsSortedWithFoldersMarked) {
  EXPECT_TRUE(disk_.List(Path("none"))->empty());
  ASSERT_TRUE(disk_.MakeFolders(Path("x/y/z/")).ok());
  ASSERT_TRUE(disk_.MakeFolders(Path("x/y/z")).ok());
  ASSERT_TRUE(ReplaceFile(disk_, Path("x/b"), "").ok());
  ASSERT_TRUE(ReplaceFile(disk_, Path("x/a"), "").ok());
  EXPECT_EQ(*disk_.List(Path("x")), (std::vector<std::string>{"a", "b", "y/"}));
  EXPECT_GT(*disk_.FreeBytes(folder_), 0u);
}

TEST_F(SystemDiskTest, ReplacesOverTheRestsOfAFailedTry) {
  ASSERT_TRUE(ReplaceFile(disk_, Path("a.new"), "rest of an earlier try").ok());
  ASSERT_TRUE(ReplaceFile(disk_, Path("a"), "new").ok());
  EXPECT_EQ(*ReadFile(disk_, Path("a"), 99), "new");
  EXPECT_EQ(*disk_.List(folder_), std::vector<std::string>{"a"});
}

TEST_F(SystemDiskTest, LocksOnce) {
  auto lock = disk_.Lock(Path("lock"));
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(disk_.Lock(Path("lock")).error().code(), ErrorCode::kConflict);
  lock->reset();
  EXPECT_TRUE(disk_.Lock(Path("lock")).ok());
}

TEST(FolderOfTest, CutsTheLastName) {
  EXPECT_EQ(FolderOf("a/b/c"), "a/b");
  EXPECT_EQ(FolderOf("a"), ".");
  EXPECT_EQ(FolderOf("/a"), "/");
}

TEST_F(SystemDiskTest, KeepsPrivateFilesPrivate) {
  ASSERT_TRUE(ReplaceFile(disk_, Path("open"), "1").ok());
  ASSERT_TRUE(ReplacePrivateFile(disk_, Path("private"), "2").ok());
  EXPECT_FALSE(*disk_.IsPrivate(Path("open")));
  EXPECT_TRUE(*disk_.IsPrivate(Path("private")));
  EXPECT_EQ(*ReadFile(disk_, Path("private"), 10), "2");
  EXPECT_EQ(disk_.IsPrivate(Path("none")).error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice::os
