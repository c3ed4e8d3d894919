#pragma once
/// \file
/// Texts with something done to them, for tests of parsers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace sluice {

/// Makes texts that are nearly like samples: one to four changes each. The same seed makes the same
/// texts.
///
/// Not thread-safe.
class TextMutator {
 public:
  /// A change of the language itself, at a byte of a text that is not empty.
  using Change = std::function<void(TextMutator& mutator, std::string& text, size_t at)>;

  /// `pieces` are words of the language and what else may stand where it should not; `own`, where
  /// it is given, is made as often as each other kind of change.
  TextMutator(uint32_t seed, std::vector<std::string> samples, std::vector<std::string> pieces,
              Change own = nullptr)
      : random_(seed),
        samples_(std::move(samples)),
        pieces_(std::move(pieces)),
        own_(std::move(own)) {}

  /// Returns a number below `n`, which must not be 0.
  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  std::string Next() {
    std::string text = samples_[Below(samples_.size())];
    for (size_t count = 1 + Below(4); count > 0; --count) Mutate(text);
    return text;
  }

 private:
  const std::string& AnyPiece() { return pieces_[Below(pieces_.size())]; }

  void Mutate(std::string& text) {
    if (text.empty()) text = " ";
    const size_t at = Below(text.size());
    const size_t size = std::min(text.size() - at, 1 + Below(12));
    switch (Below(own_ ? 7 : 6)) {
      case 0:
        text.erase(at, size);
        break;
      case 1:
        text.insert(at, text.substr(Below(text.size()), 1 + Below(40)));
        break;
      case 2:
        text[at] = static_cast<char>(Below(256));
        break;
      case 3:
        text.resize(at);
        break;
      case 4:
        text.insert(at, AnyPiece());
        break;
      case 5:
        text.replace(at, size, AnyPiece());
        break;
      default:
        own_(*this, text, at);
        break;
    }
  }

  std::mt19937 random_;
  const std::vector<std::string> samples_;
  const std::vector<std::string> pieces_;
  const Change own_;
};

}  // namespace sluice
