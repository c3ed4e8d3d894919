#include "sluice/os/confine.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "sluice/os/channel.h"
#include "sluice/os/process.h"
#include "sluice/os/shared_memory.h"

namespace sluice::os {
namespace {

/// Runs `work` in a child that is confined to two folders; returns what it returned, 99 if the
/// confinement failed, and 100 + the signal that ended it.
int RunConfined(const std::string& folder, const std::function<int()>& work) {
  const pid_t child = fork();
  if (child == 0) {
    Confinement confinement;
    confinement.read_only = {folder + "/read"};
    confinement.read_write = {folder + "/write"};
    confinement.address_bytes_max = 4ull << 30;
    confinement.data_bytes_max = 256ull << 20;
    confinement.file_bytes_max = 1 << 20;
    confinement.processor_seconds_max = 2;
    const auto confined = ConfineThisProcess(confinement);
    _exit(confined.ok() && confined->seccomp ? work() : 99);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/// Returns 0 if the call gave what was expected, else its errno (or 98 for success).
int Expect(int64_t result, int expected) {
  if (expected == 0) return result >= 0 ? 0 : errno;
  if (result >= 0) return 98;
  return errno == expected ? 0 : errno;
}

class ConfineTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "sanitizers need more memory and more calls than the confined may have";
#endif
  }

  ConfineTest() {
    std::string pattern = testing::TempDir() + "confine_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    for (const char* name : {"/read", "/write", "/other"}) {
      std::filesystem::create_directory(folder_ + name);
      std::ofstream(folder_ + name + "/file") << "x";  // NOLINT: a test, and quick to make
    }
  }
  ~ConfineTest() override { std::filesystem::remove_all(folder_); }

  int Opens(const std::string& path, int flags, int expected) {
    return RunConfined(folder_, [&] { return Expect(open(path.c_str(), flags, 0600), expected); });
  }

  std::string folder_;
};

TEST_F(ConfineTest, LeavesTheFilesNamedAndNoOthers) {
  if (RunConfined(folder_, [] { return 0; }) == 99) GTEST_SKIP() << "no seccomp here";
  const bool landlock = Opens("/etc/passwd", O_RDONLY, EACCES) == 0;
  if (!landlock) GTEST_SKIP() << "no landlock here";
  EXPECT_EQ(Opens(folder_ + "/read/file", O_RDONLY, 0), 0);
  EXPECT_EQ(Opens(folder_ + "/read/file", O_WRONLY, EACCES), 0);
  EXPECT_EQ(Opens(folder_ + "/read/new", O_WRONLY | O_CREAT, EACCES), 0);
  EXPECT_EQ(Opens(folder_ + "/read/file", O_RDONLY | O_TRUNC, EACCES), 0);
  EXPECT_EQ(Opens(folder_ + "/read/../other/file", O_RDONLY, EACCES), 0);
  EXPECT_EQ(Opens(folder_ + "/other/file", O_RDONLY, EACCES), 0);
  EXPECT_EQ(Opens(folder_ + "/write/file", O_RDWR, 0), 0);
  EXPECT_EQ(Opens(folder_ + "/write/new", O_RDWR | O_CREAT, 0), 0);
  EXPECT_EQ(Opens("/proc/self/environ", O_RDONLY, EACCES), 0);
  EXPECT_EQ(Opens("/dev/tcp", O_RDONLY, ENOENT), 0);
  EXPECT_EQ(RunConfined(folder_,
                        [&] {
                          return Expect(rename((folder_ + "/read/file").c_str(),
                                               (folder_ + "/write/moved").c_str()),
                                        EACCES);
                        }),
            0);
  // Threads begun later are confined, too.
  EXPECT_EQ(RunConfined(folder_,
                        [] {
                          int found = 0;
                          std::thread([&] {
                            found = Expect(open("/etc/passwd", O_RDONLY), EACCES);
                          }).join();
                          return found;
                        }),
            0);
}

TEST_F(ConfineTest, LeavesNoWayToOthers) {
  if (RunConfined(folder_, [] { return 0; }) == 99) GTEST_SKIP() << "no seccomp here";
  const auto refused = [&](const std::function<int64_t()>& call) {
    return RunConfined(folder_, [&] { return Expect(call(), EPERM); });
  };
  EXPECT_EQ(refused([] { return socket(AF_INET, SOCK_STREAM, 0); }), 0);
  EXPECT_EQ(refused([] { return socket(AF_UNIX, SOCK_DGRAM, 0); }), 0);
  EXPECT_EQ(refused([] { return fork(); }), 0);
  EXPECT_EQ(refused([] { return kill(getppid(), 0); }), 0);
  EXPECT_EQ(refused([] { return ptrace(PTRACE_ATTACH, getppid(), 0, 0); }), 0);
  EXPECT_EQ(refused([] {
              char name[] = "/bin/true";
              char* const arguments[] = {name, nullptr};
              return execv(name, arguments);
            }),
            0);
  EXPECT_EQ(refused([] { return memfd_create("x", 0); }), 0);
  EXPECT_EQ(refused([this] { return chmod((folder_ + "/write/file").c_str(), 0777); }), 0);
  EXPECT_EQ(refused([this] { return symlink("/etc/passwd", (folder_ + "/write/link").c_str()); }),
            0);
}

TEST_F(ConfineTest, BoundsMemoryTimeAndFiles) {
  if (RunConfined(folder_, [] { return 0; }) == 99) GTEST_SKIP() << "no seccomp here";
  const auto map = [](size_t bytes) {
    return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  };
  EXPECT_EQ(RunConfined(folder_, [&] { return map(64u << 20) == MAP_FAILED ? 1 : 0; }), 0);
  EXPECT_EQ(RunConfined(folder_, [&] { return map(512u << 20) == MAP_FAILED ? 0 : 1; }), 0);
  EXPECT_EQ(RunConfined(folder_,
                        [] {
                          for (std::atomic<uint64_t> i = 1; i > 0;) ++i;
                          return 0;
                        }),
            100 + SIGKILL);
  EXPECT_EQ(RunConfined(folder_,
                        [this] {
                          const int file = open((folder_ + "/write/file").c_str(), O_RDWR);
                          return Expect(pwrite(file, "x", 1, 2 << 20), EFBIG);
                        }),
            0);
  EXPECT_EQ(RunConfined(folder_,
                        [] {
                          abort();
                          return 0;
                        }),
            100 + SIGABRT);
}

TEST(ChannelTest, CarriesMessagesAndDescriptors) {
  auto ends = MakeSocketPair();
  ASSERT_TRUE(ends.ok());
  Channel here(std::move(ends->first));
  Channel there(std::move(ends->second));
  const SystemClock clock;
  const auto soon = [&clock] { return clock.Steady() + std::chrono::milliseconds(20); };
  EXPECT_FALSE(there.Receive(soon())->has_value());
  auto memory = SharedMemory::Make(1000);
  ASSERT_TRUE(memory.ok());
  ASSERT_TRUE((*memory)->Write(5, "hello").ok());
  const std::array shared = {(*memory)->reader()};
  ASSERT_TRUE(here.Send(7, "first", shared).ok());
  ASSERT_TRUE(here.Send(8, {}).ok());
  const std::string large(3u << 20, 'x');
  std::thread sender([&] { EXPECT_TRUE(here.Send(9, large).ok()); });
  auto first = there.Receive();
  ASSERT_TRUE(first.ok() && first->has_value());
  EXPECT_EQ((*first)->type, 7);
  EXPECT_EQ((*first)->body, "first");
  ASSERT_EQ((*first)->descriptors.size(), 1u);
  const auto mapping = Mapping::Map((*first)->descriptors[0], 1000);
  ASSERT_TRUE(mapping.ok());
  EXPECT_EQ((*mapping)->bytes().substr(5, 5), "hello");
  // What others have cannot be written.
  EXPECT_EQ(pwrite((*first)->descriptors[0].number(), "x", 1, 0), -1);
  EXPECT_EQ(mmap(nullptr, 1000, PROT_WRITE, MAP_SHARED, (*first)->descriptors[0].number(), 0),
            MAP_FAILED);
  EXPECT_EQ((*there.Receive())->type, 8);
  EXPECT_EQ((*there.Receive())->body, large);
  sender.join();
  // Nobody reads: the sender does not wait for ever.
  Status status;
  for (int i = 0; i < 100 && status.ok(); ++i) status = here.Send(9, large, {}, soon());
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(here.Send(9, std::string(17u << 20, 'x')).ok());
}

TEST(ChannelTest, RefusesWhatIsNoMessage) {
  auto ends = MakeSocketPair();
  ASSERT_TRUE(ends.ok());
  const int raw = ends->first.number();
  Channel there(std::move(ends->second));
  const std::string junk = "GET / HTTP/1.1\r\n";
  ASSERT_EQ(write(raw, junk.data(), junk.size()), static_cast<ssize_t>(junk.size()));
  const auto received = there.Receive();
  ASSERT_FALSE(received.ok());
  EXPECT_EQ(received.error().code(), ErrorCode::kCorrupt);
}

TEST(ProcessTest, EndsWithItsObject) {
  Descriptor socket;
  auto process = Process::Spawn(
      {.program = "/bin/sleep", .arguments = {"sleep", "60"}, .environment = {}}, socket);
  ASSERT_TRUE(process.ok()) << process.error().ToString();
  const int pid = (*process)->pid();
  EXPECT_EQ(kill(pid, 0), 0);
  EXPECT_EQ((*process)->Kill(), "signal 9");
  EXPECT_EQ(kill(pid, 0), -1);
  process =
      Process::Spawn({.program = "/bin/false", .arguments = {"false"}, .environment = {}}, socket);
  ASSERT_TRUE(process.ok());
  std::array<char, 1> byte{};
  EXPECT_EQ(read(socket.number(), byte.data(), 1), 0);  // Its end of the socket is gone.
  EXPECT_EQ((*process)->Kill(), "exit code 1");
  EXPECT_FALSE(
      Process::Spawn({.program = "/nowhere", .arguments = {"x"}, .environment = {}}, socket).ok());
}

}  // namespace
}  // namespace sluice::os
