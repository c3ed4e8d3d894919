#include "sluice/journal/internal/write_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sluice/journal/internal/direct_file.h"
#include "sluice/journal/internal/format.h"

namespace sluice::journal::internal {

namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr std::chrono::milliseconds kTimeMax{100};
constexpr uint64_t kLargeBytes = 256u << 10;
constexpr int kSmallWrites = 9;
constexpr int kLargeWrites = 3;
constexpr uint64_t kFileBytes = kBlockBytes * kSmallWrites + kLargeBytes * kLargeWrites;
// As much slower around the cache may be: what is measured so shortly is not more exact.
constexpr double kSlowerMax = 1.1;

/// Medians of a durable write.
struct Times {
  Milliseconds small{};
  Milliseconds large{};
};

Milliseconds Median(std::vector<Milliseconds> times) {
  std::ranges::sort(times);
  return times[times.size() / 2];
}

/// `write` makes the bytes at a position durable. kUnavailable: it takes too long.
template <typename Write>
Result<Times> Measure(const os::Clock& clock, os::Monotonic deadline, const Write& write) {
  AlignedBuffer buffer;
  uint64_t position = 0;
  const auto measure = [&](uint64_t bytes, int count) -> Result<Milliseconds> {
    const std::span<std::byte> block = buffer.Get(bytes);
    std::ranges::fill(block, std::byte{1});
    std::vector<Milliseconds> times;
    for (int i = 0; i < count; ++i) {
      const os::Monotonic begin = clock.Steady();
      if (begin >= deadline) return Unavailable("the disk is too slow to be measured");
      SLUICE_RETURN_IF_ERROR(write(position, std::span<const std::byte>(block)));
      times.emplace_back(clock.Steady() - begin);
      position += bytes;
    }
    return Median(std::move(times));
  };
  Times times;
  SLUICE_ASSIGN_OR_RETURN(times.small, measure(kBlockBytes, kSmallWrites));
  SLUICE_ASSIGN_OR_RETURN(times.large, measure(kLargeBytes, kLargeWrites));
  return times;
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

Result<Times> MeasureCached(os::Disk& disk, const os::Clock& clock, os::Monotonic deadline,
                            const std::string& path) {
  ProbeFile probe(disk, path);
  SLUICE_RETURN_IF_ERROR(probe.Make());
  return Measure(clock, deadline,
                 [&](uint64_t position, std::span<const std::byte> bytes) -> Status {
                   SLUICE_RETURN_IF_ERROR(probe.file().Write(position, {&bytes, 1}));
                   return probe.file().Sync();
                 });
}

Result<Times> MeasureDirect(os::Disk& disk, const os::Clock& clock, os::Monotonic deadline,
                            const std::string& path, Writes asked) {
  ProbeFile probe(disk, path);
  SLUICE_RETURN_IF_ERROR(probe.Make());
  SLUICE_ASSIGN_OR_RETURN(const auto direct, DirectFile::Open(disk, path));
  direct->ZeroAhead(0, kBlockBytes, kFileBytes);
  const auto write = [&](uint64_t position, std::span<const std::byte> bytes) {
    return direct->Write(position, {&bytes, 1});
  };
  if (asked == Writes::kAuto) return Measure(clock, deadline, write);
  AlignedBuffer buffer;
  SLUICE_RETURN_IF_ERROR(write(0, buffer.Get(kBlockBytes)));
  return Times();
}

}  // namespace

WriteChoice ChooseWrites(Writes asked, os::Disk& disk, const os::Clock& clock,
                         std::string_view folder) {
  if (asked == Writes::kCached) return {.writes = Writes::kCached, .reason = "as set"};
  const std::string path = fmt::format("{}/probe", folder);
  const os::Monotonic deadline = clock.Steady() + kTimeMax;
  const auto direct = MeasureDirect(disk, clock, deadline, path, asked);
  if (!direct.ok()) return {.writes = Writes::kCached, .reason = direct.error().ToString()};
  if (asked == Writes::kDirect) return {.writes = Writes::kDirect, .reason = "as set"};
  const auto cached = MeasureCached(disk, clock, deadline, path);
  if (!cached.ok()) return {.writes = Writes::kCached, .reason = cached.error().ToString()};
  const bool chosen =
      direct->small <= cached->small * kSlowerMax && direct->large <= cached->large * kSlowerMax;
  return {.writes = chosen ? Writes::kDirect : Writes::kCached,
          .reason = fmt::format(
              "durable writes of 4 / 256 KiB take {:.2f} / {:.2f} ms around the page cache, {:.2f} "
              "/ {:.2f} ms through it",
              direct->small.count(), direct->large.count(), cached->small.count(),
              cached->large.count())};
}

}  // namespace sluice::journal::internal
