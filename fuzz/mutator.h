#pragma once
/// \file
/// Inputs for parsers: known good ones, damaged.

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace sluice::fuzz {

/// Makes inputs from a corpus, all from one seed. Inputs that a target calls interesting join the
/// corpus, up to a limit.
///
/// Not thread-safe.
class Mutator {
 public:
  /// `words` are what the format is made of: they are put where bytes are.
  Mutator(uint64_t seed, std::vector<std::string> corpus, std::vector<std::string> words)
      : random_(seed), corpus_(std::move(corpus)), words_(std::move(words)) {}

  std::string Next();
  void Keep(std::string input);
  /// A number from 0 to `end` - 1.
  uint64_t Below(uint64_t end) { return end == 0 ? 0 : random_() % end; }

 private:
  void Damage(std::string& text);
  size_t Place(const std::string& text) { return static_cast<size_t>(Below(text.size() + 1)); }

  std::mt19937_64 random_;
  std::vector<std::string> corpus_;
  const std::vector<std::string> words_;
  size_t kept_ = 0;
};

}  // namespace sluice::fuzz
