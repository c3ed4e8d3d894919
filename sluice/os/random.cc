#include "sluice/os/random.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "sluice/base/check.h"

namespace sluice::os {

uint64_t Random::Next() {
  std::array<std::byte, sizeof(uint64_t)> bytes;
  Fill(bytes);
  uint64_t value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

std::string Random::Uuid() {
  uint64_t high = Next();
  uint64_t low = Next();
  high = (high & 0xffff'ffff'ffff'0fffu) | 0x4000u;               // Version 4.
  low = (low & 0x3fff'ffff'ffff'ffffu) | 0x8000'0000'0000'0000u;  // The RFC's variant.
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffffu,
                     high & 0xffffu, low >> 48, low & 0xffff'ffff'ffffu);
}

void SystemRandom::Fill(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    // The call has no other failure that a program could answer with anything but weak keys.
    SLUICE_CHECK(got > 0);
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
}

void SimulatedRandom::Fill(std::span<std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  while (!bytes.empty()) {
    const uint64_t value = engine_();
    const size_t size = std::min(bytes.size(), sizeof(value));
    std::memcpy(bytes.data(), &value, size);
    bytes = bytes.subspan(size);
  }
}

}  // namespace sluice::os
