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
// One round after the other, until it is known, or the time is over.
constexpr uint64_t kRoundsMax = 12;
constexpr uint64_t kRoundsMin = 2;
constexpr uint64_t kRoundsSlower = 6;  // So many say that one way is the slower one.
constexpr uint64_t kSmallWrites = 3;   // A round, and one large one.
// The small ones lie in front, where the space is zeroed ahead of them, as in a segment.
constexpr uint64_t kSmallSpace = kLargeBytes;
static_assert((kRoundsMax * kSmallWrites + 1) * kBlockBytes <= kSmallSpace);
constexpr uint64_t kFileBytes = kSmallSpace + kRoundsMax * kLargeBytes;
// As much slower around the cache may be: what is measured so shortly is not more exact.
constexpr double kSlowerMax = 1.25;

// What others do on the disk only adds to what a write takes by itself.
Milliseconds Least(const std::vector<Milliseconds>& times) {
  return *std::ranges::min_element(times);
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

  Status Measure(const os::Clock& clock, uint64_t position, std::span<const std::byte> bytes,
                 std::vector<Milliseconds>& times) {
    const os::Monotonic begin = clock.Steady();
    SLUICE_RETURN_IF_ERROR(Write(position, bytes));
    times.emplace_back(clock.Steady() - begin);
    return {};
  }

  std::vector<Milliseconds> small;
  std::vector<Milliseconds> large;

 private:
  virtual Status Write(uint64_t position, std::span<const std::byte> bytes) = 0;
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

/// Whether `a` is clearly slower than `b`.
bool IsSlower(const Way& a, const Way& b) {
  return Least(a.small) > Least(b.small) * kSlowerMax ||
         Least(a.large) > Least(b.large) * kSlowerMax;
}

/// Measures both in turns until `a` is not the slower one, or the deadline. Returns how many rounds
/// were whole.
Result<uint64_t> MeasureInTurns(const os::Clock& clock, os::Monotonic deadline, Way& a, Way& b) {
  AlignedBuffer buffer;
  const std::span<std::byte> bytes = buffer.Get(kLargeBytes);
  std::ranges::fill(bytes, std::byte{1});
  for (uint64_t round = 0; round < kRoundsMax; ++round) {
    for (uint64_t i = 0; i < kSmallWrites; ++i) {
      if (clock.Steady() >= deadline) return round;
      const uint64_t position = (round * kSmallWrites + i) * kBlockBytes;
      SLUICE_RETURN_IF_ERROR(a.Measure(clock, position, bytes.first(kBlockBytes), a.small));
      SLUICE_RETURN_IF_ERROR(b.Measure(clock, position, bytes.first(kBlockBytes), b.small));
    }
    if (clock.Steady() >= deadline) return round;
    const uint64_t position = kSmallSpace + round * kLargeBytes;
    SLUICE_RETURN_IF_ERROR(a.Measure(clock, position, bytes, a.large));
    SLUICE_RETURN_IF_ERROR(b.Measure(clock, position, bytes, b.large));
    if (round + 1 >= kRoundsMin && !IsSlower(a, b)) return round + 1;
  }
  return kRoundsMax;
}

/// Whether one write around the page cache works.
Status TryDirect(DirectWay& direct, const os::Clock& clock) {
  SLUICE_RETURN_IF_ERROR(direct.Make());
  AlignedBuffer buffer;
  const std::span<std::byte> block = buffer.Get(kBlockBytes);
  std::ranges::fill(block, std::byte{1});
  std::vector<Milliseconds> times;
  return direct.Measure(clock, kSmallSpace - kBlockBytes, block, times);
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
  const auto rounds = MeasureInTurns(clock, deadline, direct, cached);
  if (!rounds.ok()) return cached_because(rounds.error());
  if (*rounds < kRoundsMin || (*rounds < kRoundsSlower && IsSlower(direct, cached))) {
    return {.writes = Writes::kDirect,
            .reason =
                "the disk is too slow to be measured; writes around the page cache take less "
                "processor time"};
  }
  return {.writes = IsSlower(direct, cached) ? Writes::kCached : Writes::kDirect,
          .reason = fmt::format("durable writes of 4 / 256 KiB take {:.2f} / {:.2f} ms around the "
                                "page cache, {:.2f} / {:.2f} ms through it, at the least",
                                Least(direct.small).count(), Least(direct.large).count(),
                                Least(cached.small).count(), Least(cached.large).count())};
}

}  // namespace sluice::journal::internal
