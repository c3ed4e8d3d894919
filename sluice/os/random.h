#pragma once
/// \file
/// Randomness, as the rest of Sluice sees it.

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <random>
#include <span>
#include <string>

namespace sluice::os {

/// The only source of randomness outside this module.
///
/// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual void Fill(std::span<std::byte> bytes) = 0;

  uint64_t Next();
  /// Returns a random (version 4) UUID in its text form.
  std::string Uuid();
};

/// The kernel's generator; fit for keys.
class SystemRandom final : public Random {
 public:
  void Fill(std::span<std::byte> bytes) override;
};

/// A generator that repeats itself for the same seed, for tests.
class SimulatedRandom final : public Random {
 public:
  explicit SimulatedRandom(uint64_t seed) : engine_(seed) {}
  void Fill(std::span<std::byte> bytes) override;

 private:
  std::mutex mutex_;  // Guards what follows.
  std::mt19937_64 engine_;
};

}  // namespace sluice::os
