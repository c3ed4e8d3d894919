#include "sluice/journal/internal/write_probe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <utility>

#include "sluice/os/forwarding_disk.h"
#include "sluice/os/simulated_disk.h"

namespace sluice::journal::internal {
namespace {

using std::chrono::microseconds;

/// How long durable writes take.
struct Speed {
  microseconds cached{};
  microseconds direct{};
  microseconds others{};  ///< Two of three direct writes wait so long for other users of the disk.
};

class SlowFile final : public os::ForwardingFile {
 public:
  SlowFile(std::unique_ptr<os::File> file, os::SimulatedClock& clock, microseconds write,
           microseconds sync, microseconds others)
      : ForwardingFile(std::move(file)),
        clock_(clock),
        write_(write),
        sync_(sync),
        others_(others) {}

  Status Write(uint64_t offset, std::span<const std::span<const std::byte>> pieces) override {
    clock_.Advance(write_);
    if (writes_++ % 3 != 0) clock_.Advance(others_);
    return ForwardingFile::Write(offset, pieces);
  }
  Status Sync() override {
    clock_.Advance(sync_);
    return ForwardingFile::Sync();
  }

 private:
  os::SimulatedClock& clock_;
  const microseconds write_;
  const microseconds sync_;
  const microseconds others_;
  int writes_ = 0;
};

/// A simulated disk on which durable writes take their time.
class SlowDisk final : public os::ForwardingDisk {
 public:
  SlowDisk(os::SimulatedDisk& disk, os::SimulatedClock& clock, Speed speed)
      : ForwardingDisk(disk), clock_(clock), speed_(speed) {}

  Result<std::unique_ptr<os::File>> Open(std::string_view path, os::OpenMode mode) override {
    SLUICE_ASSIGN_OR_RETURN(auto file, ForwardingDisk::Open(path, mode));
    const bool direct = mode == os::OpenMode::kWriteDirect;
    return std::unique_ptr<os::File>(std::make_unique<SlowFile>(
        std::move(file), clock_, direct ? speed_.direct : microseconds{},
        direct ? microseconds{} : speed_.cached, direct ? speed_.others : microseconds{}));
  }

 private:
  os::SimulatedClock& clock_;
  const Speed speed_;
};

WriteChoice Choose(Speed speed, Writes asked = Writes::kAuto) {
  os::SimulatedClock clock(os::Timestamp{});
  os::SimulatedDisk simulated;
  SlowDisk disk(simulated, clock, speed);
  EXPECT_TRUE(simulated.MakeFolders("journal").ok());
  const os::Monotonic begin = clock.Steady();
  WriteChoice choice = ChooseWrites(asked, disk, clock, "journal");
  EXPECT_LT(clock.Steady() - begin, std::chrono::seconds(1));
  EXPECT_TRUE(disk.List("journal")->empty()) << "nothing stays behind";
  return choice;
}

TEST(WriteProbeTest, TheFasterWayIsChosen) {
  EXPECT_EQ(Choose({.cached = microseconds(500), .direct = microseconds(300)}).writes,
            Writes::kDirect);
  EXPECT_EQ(Choose({.cached = microseconds(500), .direct = microseconds(1000)}).writes,
            Writes::kCached);
  EXPECT_EQ(Choose({.cached = microseconds(500), .direct = microseconds(600)}).writes,
            Writes::kDirect)
      << "not clearly slower, and less work";
}

TEST(WriteProbeTest, OthersOnTheDiskChangeNothing) {
  EXPECT_EQ(
      Choose(
          {.cached = microseconds(500), .direct = microseconds(300), .others = microseconds(5000)})
          .writes,
      Writes::kDirect);
}

TEST(WriteProbeTest, ADiskThatIsTooSlowToBeMeasuredIsWrittenAroundThePageCache) {
  const WriteChoice choice =
      Choose({.cached = microseconds(30'000), .direct = microseconds(40'000)});
  EXPECT_EQ(choice.writes, Writes::kDirect);
  EXPECT_NE(choice.reason.find("too slow to be measured"), std::string::npos) << choice.reason;
}

TEST(WriteProbeTest, WhatIsAskedForIsNotMeasured) {
  EXPECT_EQ(Choose({.cached = {}, .direct = microseconds(5000)}, Writes::kDirect).reason, "as set");
  EXPECT_EQ(Choose({.cached = {}, .direct = {}}, Writes::kCached).writes, Writes::kCached);
}

}  // namespace
}  // namespace sluice::journal::internal
