#include "sluice/os/expiry_clock.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <span>
#include <string_view>
#include <utility>

#include "sluice/base/check.h"
#include "sluice/base/crc32c.h"
#include "sluice/base/trace.h"

namespace sluice::os {

namespace {

using std::chrono::microseconds;

constexpr std::string_view kHead = "sluice expiry 2 ";
constexpr std::string_view kOldHead = "sluice expiry 1 ";  // Without a checksum.
constexpr std::string_view kAsks = " asks";
constexpr uint64_t kBytesMax = 100;

int64_t Seconds(microseconds time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

/// What is written, without its end of line: the time, whether it asks, and a checksum of both.
std::string LineOf(Timestamp trusted, bool asks) {
  std::string line(kHead);
  line += std::to_string(trusted.time_since_epoch().count());
  if (asks) line += kAsks;
  return fmt::format("{} {:08x}", line, Crc32c(std::as_bytes(std::span(line))));
}

}  // namespace

Monotonic SinceBoot() {
  timespec now{};
  SLUICE_CHECK(clock_gettime(CLOCK_BOOTTIME, &now) == 0);
  return Monotonic(std::chrono::seconds(now.tv_sec) + microseconds(now.tv_nsec / 1000));
}

ExpiryClock::ExpiryClock(const Clock& clock, std::function<Monotonic()> elapsed)
    : clock_(clock),
      elapsed_(elapsed ? std::move(elapsed) : [&clock] { return clock.Steady(); }),
      began_(elapsed_()),
      state_{.trusted = clock.Now()},
      advanced_(began_),
      counted_from_(state_.trusted) {}

Status ExpiryClock::Open(Disk& disk, std::string path) {
  disk_ = &disk;
  path_ = std::move(path);
  const auto text = ReadFile(disk, path_, kBytesMax);
  if (!text.ok() && text.error().code() == ErrorCode::kNotFound) return {};
  if (!text.ok() && text.error().code() != ErrorCode::kInvalid) return text.status();
  State kept;  // Of 1970, if there is nothing better: then nothing is old.
  std::string_view rest = text.ok() ? std::string_view(*text) : std::string_view();
  int64_t trusted_us = 0;
  if (rest.ends_with('\n') && (rest.starts_with(kHead) || rest.starts_with(kOldHead))) {
    const bool is_old = rest.starts_with(kOldHead);
    const std::string_view line = rest.substr(0, rest.size() - 1);
    rest = line.substr(kHead.size());
    const auto [end, bad] = std::from_chars(rest.data(), rest.data() + rest.size(), trusted_us);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    const bool asks = rest.starts_with(kAsks);
    const Timestamp trusted{microseconds(trusted_us)};
    const bool is_whole = is_old ? rest.empty() || rest == kAsks : line == LineOf(trusted, asks);
    if (bad == std::errc() && is_whole) {
      kept.trusted = trusted;
      kept.away = !asks;
    }
  }
  found_ = true;
  Begin(kept);
  return {};
}

void ExpiryClock::BeginAt(Timestamp known) {
  if (!found_) Begin({.trusted = known, .away = true});
}

void ExpiryClock::Begin(const State& state) {
  const std::lock_guard lock(mutex_);
  state_ = state;
  Advance();
  counted_from_ = std::min(clock_.Now(), state_.trusted);
}

void ExpiryClock::Advance() const {
  const Monotonic at = elapsed_();
  const microseconds passed = std::max(at - std::exchange(advanced_, at), microseconds(0));
  const Timestamp wall = clock_.Now();
  const microseconds ahead = wall - (state_.trusted + passed);
  const bool may_be_away =
      state_.away && at - began_ >= kSeenAfter && std::chrono::abs(ahead) <= kAwayMax;
  if (may_be_away) {
    state_ = {.trusted = wall};
  } else if (std::chrono::abs(ahead) > kJumpMax) {
    // What jumped while the process ran was not the time in which none did.
    const bool again = std::chrono::abs(ahead - state_.jump) > kJumpMax;
    if (again && state_.jump != microseconds(0)) state_.away = false;
    state_.trusted += passed;
    state_.jump = ahead;
  } else {
    // No faster than twice: many small jumps would add up to a large one.
    state_ = {.trusted = std::clamp(wall, state_.trusted, state_.trusted + 2 * passed)};
  }
}

Timestamp ExpiryClock::Now() const {
  const std::lock_guard lock(mutex_);
  Advance();
  return std::min(clock_.Now(), state_.trusted);
}

Timestamp ExpiryClock::Stamp() const {
  const std::lock_guard lock(mutex_);
  Advance();
  return std::max(clock_.Now(), state_.trusted - kJumpMax);
}

Timestamp ExpiryClock::Trusted() const {
  const std::lock_guard lock(mutex_);
  Advance();
  return state_.trusted;
}

Timestamp ExpiryClock::Counted() const {
  const microseconds passed = elapsed_() - began_;
  const std::lock_guard lock(mutex_);
  return counted_from_ + passed;
}

microseconds ExpiryClock::Jump() const {
  const std::lock_guard lock(mutex_);
  Advance();
  return state_.jump;
}

Status ExpiryClock::Keep() {
  State state;
  bool told = false;
  {
    const std::lock_guard lock(mutex_);
    Advance();
    state = state_;
    told = std::exchange(told_, state.jump != microseconds(0));
  }
  if (state.jump != microseconds(0) && !told) {
    const bool by_itself = state.away && std::chrono::abs(state.jump) <= kAwayMax;
    trace::Warning("the clock is not where it is expected: nothing expires because of that",
                   {{"ahead_seconds", Seconds(state.jump)},
                    {"ends", by_itself ? "in an hour, or when it is trusted or set right"
                                       : "when it is trusted or set right"}});
  } else if (state.jump == microseconds(0) && told) {
    trace::Info("the clock is trusted again");
  }
  return Write(state);
}

Status ExpiryClock::Trust() {
  {
    const std::lock_guard lock(mutex_);
    Advance();
    state_ = {.trusted = clock_.Now()};
  }
  return Keep();
}

Status ExpiryClock::Write(const State& state) {
  if (disk_ == nullptr) return {};
  const bool asks = state.jump != microseconds(0) && !state.away;
  const std::lock_guard lock(write_mutex_);
  return ReplaceFile(*disk_, path_, LineOf(state.trusted, asks) + "\n");
}

Timestamp StampOf(const ExpiryClock* expiry, const Clock& clock) {
  return expiry != nullptr ? expiry->Stamp() : clock.Now();
}

}  // namespace sluice::os
