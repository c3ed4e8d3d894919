#include "sluice/journal/internal/write_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sluice/journal/internal/direct_file.h"
#include "sluice/journal/internal/format.h"

namespace sluice::journal::internal {

namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr std::chrono::milliseconds kTimeMax{100};
constexpr uint64_t kLargeBytes = 256u << 10;
constexpr size_t kSmallWrites = 9;
constexpr size_t kLargeWrites = 3;
constexpr uint64_t kFileBytes = kBlockBytes * (kSmallWrites + 1) + kLargeBytes * kLargeWrites;
// Fewer say nothing of a disk that has other users.
constexpr size_t kSmallWritesMin = 5;
constexpr size_t kLargeWritesMin = 2;
// As much slower around the cache may be: what is measured so shortly is not more exact.
constexpr double kSlowerMax = 1.25;

Milliseconds Median(std::vector<Milliseconds> times) {
  std::ranges::sort(times);
  return times[times.size() / 2];
}

/// A file of reserved space, as a segment has it. It goes with the object.
class ProbeFile {
 public:
  ProbeFile(os::Disk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  ~ProbeFile() {
    file_.reset();
    (void)disk_.Remove(path_);
  }
  ProbeFile(const ProbeFile&) = delete;
  ProbeFile& operator=(const ProbeFile&) = delete;

  Status Make() {
    (void)disk_.Remove(path_);  // Of a start that was cut short.
    SLUICE_ASSIGN_OR_RETURN(file_, disk_.Open(path_, os::OpenMode::kCreateNew));
    SLUICE_RETURN_IF_ERROR(file_->Allocate(kFileBytes));
    return file_->Sync();
  }
  os::File& file() { return *file_; }
  const std::string& path() const { return path_; }

 private:
  os::Disk& disk_;
  const std::string path_;
  std::unique_ptr<os::File> file_;
};

/// One way of durable writes, and how long they took.
class Way {
 public:
  virtual ~Way() = default;

  Status Measure(const os::Clock& clock, std::span<const std::byte> bytes,
                 std::vector<Milliseconds>& times) {
    const os::Monotonic begin = clock.Steady();
    SLUICE_RETURN_IF_ERROR(Write(position_, bytes));
    times.emplace_back(clock.Steady() - begin);
    position_ += bytes.size();
    return {};
  }

  std::vector<Milliseconds> small;
  std::vector<Milliseconds> large;

 private:
  virtual Status Write(uint64_t position, std::span<const std::byte> bytes) = 0;

  uint64_t position_ = 0;
};

class CachedWay final : public Way {
 public:
  CachedWay(os::Disk& disk, std::string path) : probe_(disk, std::move(path)) {}
  Status Make() { return probe_.Make(); }

 private:
  Status Write(uint64_t position, std::span<const std::byte> bytes) override {
    SLUICE_RETURN_IF_ERROR(probe_.file().Write(position, {&bytes, 1}));
    return probe_.file().Sync();
  }

  ProbeFile probe_;
};

class DirectWay final : public Way {
 public:
  DirectWay(os::Disk& disk, std::string path) : disk_(disk), probe_(disk, std::move(path)) {}
  Status Make() {
    SLUICE_RETURN_IF_ERROR(probe_.Make());
    SLUICE_ASSIGN_OR_RETURN(file_, DirectFile::Open(disk_, probe_.path()));
    file_->ZeroAhead(0, kBlockBytes, kFileBytes);
    return {};
  }

 private:
  Status Write(uint64_t position, std::span<const std::byte> bytes) override {
    return file_->Write(position, {&bytes, 1});
  }

  os::Disk& disk_;
  ProbeFile probe_;
  std::unique_ptr<DirectFile> file_;
};

/// Measures both in turns, so that other users of the disk slow down both, until the deadline.
Status MeasureInTurns(const os::Clock& clock, os::Monotonic deadline, Way& a, Way& b) {
  AlignedBuffer buffer;
  const std::span<std::byte> block = buffer.Get(kLargeBytes);
  std::ranges::fill(block, std::byte{1});
  for (size_t i = 0; i < kSmallWrites && clock.Steady() < deadline; ++i) {
    SLUICE_RETURN_IF_ERROR(a.Measure(clock, block.first(kBlockBytes), a.small));
    SLUICE_RETURN_IF_ERROR(b.Measure(clock, block.first(kBlockBytes), b.small));
  }
  for (size_t i = 0; i < kLargeWrites && clock.Steady() < deadline; ++i) {
    SLUICE_RETURN_IF_ERROR(a.Measure(clock, block, a.large));
    SLUICE_RETURN_IF_ERROR(b.Measure(clock, block, b.large));
  }
  return {};
}

/// Whether one write around the page cache works.
Status TryDirect(DirectWay& direct, const os::Clock& clock) {
  SLUICE_RETURN_IF_ERROR(direct.Make());
  AlignedBuffer buffer;
  const std::span<std::byte> block = buffer.Get(kBlockBytes);
  std::ranges::fill(block, std::byte{1});
  std::vector<Milliseconds> times;
  return direct.Measure(clock, block, times);
}

}  // namespace

WriteChoice ChooseWrites(Writes asked, os::Disk& disk, const os::Clock& clock,
                         std::string_view folder) {
  if (asked == Writes::kCached) return {.writes = Writes::kCached, .reason = "as set"};
  const os::Monotonic deadline = clock.Steady() + kTimeMax;
  DirectWay direct(disk, fmt::format("{}/probe", folder));
  const auto cached_because = [](const Status& failure) {
    return WriteChoice{.writes = Writes::kCached, .reason = failure.error().ToString()};
  };
  if (const Status works = TryDirect(direct, clock); !works.ok()) return cached_because(works);
  if (asked == Writes::kDirect) return {.writes = Writes::kDirect, .reason = "as set"};
  CachedWay cached(disk, fmt::format("{}/probe-cached", folder));
  if (const Status made = cached.Make(); !made.ok()) return cached_because(made);
  const Status measured = MeasureInTurns(clock, deadline, direct, cached);
  if (!measured.ok()) return cached_because(measured);
  if (cached.small.size() < kSmallWritesMin || cached.large.size() < kLargeWritesMin) {
    return {.writes = Writes::kDirect,
            .reason =
                "the disk is too slow to be measured; writes around the page cache take less "
                "processor time"};
  }
  const Milliseconds direct_small = Median(direct.small);
  const Milliseconds direct_large = Median(direct.large);
  const Milliseconds cached_small = Median(cached.small);
  const Milliseconds cached_large = Median(cached.large);
  const bool chosen =
      direct_small <= cached_small * kSlowerMax && direct_large <= cached_large * kSlowerMax;
  return {
      .writes = chosen ? Writes::kDirect : Writes::kCached,
      .reason = fmt::format(
          "durable writes of 4 / 256 KiB take {:.2f} / {:.2f} ms around the page cache, {:.2f} "
          "/ {:.2f} ms through it",
          direct_small.count(), direct_large.count(), cached_small.count(), cached_large.count())};
}

}  // namespace sluice::journal::internal
