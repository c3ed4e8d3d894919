#include "fuzz/mutator.h"

#include <algorithm>

namespace sluice::fuzz {

namespace {

constexpr size_t kInputBytesMax = 1u << 20;
constexpr size_t kKeptMax = 2000;

}  // namespace

std::string Mutator::Next() {
  std::string text = corpus_[Below(corpus_.size())];
  // Most are damaged a little, some beyond recognition; one in fifty is as it was.
  if (Below(50) == 0) return text;
  const uint64_t times = 1 + (Below(4) == 0 ? Below(40) : Below(4));
  for (uint64_t i = 0; i < times; ++i) Damage(text);
  if (text.size() > kInputBytesMax) text.resize(kInputBytesMax);
  return text;
}

void Mutator::Keep(std::string input) {
  if (kept_++ < kKeptMax) corpus_.push_back(std::move(input));
}

void Mutator::Damage(std::string& text) {
  const size_t at = Place(text);
  const size_t length = std::min<size_t>(text.size() - at, 1 + Below(Below(8) == 0 ? 4096 : 16));
  switch (Below(9)) {
    case 0:  // A bit.
      if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << Below(8)));
      break;
    case 1:  // A byte of no meaning, or of much.
      if (at < text.size()) {
        constexpr unsigned char kBytes[] = {0, 1, 0x7F, 0x80, 0xFF, '"', '\\', '{', '}', '-', '9'};
        text[at] = static_cast<char>(Below(2) == 0 ? Below(256) : kBytes[Below(sizeof(kBytes))]);
      }
      break;
    case 2:
      text.erase(at, length);
      break;
    case 3:  // The same again, here or elsewhere.
      text.insert(Place(text), text.substr(at, length));
      break;
    case 4:
      if (!words_.empty()) text.insert(at, words_[Below(words_.size())]);
      break;
    case 5:
      if (!words_.empty()) text.replace(at, length, words_[Below(words_.size())]);
      break;
    case 6:
      text.resize(at);
      break;
    case 7: {  // The front of one, the end of another.
      const std::string& other = corpus_[Below(corpus_.size())];
      text = text.substr(0, at) + other.substr(Below(other.size() + 1));
      break;
    }
    default: {  // A number somewhere, little-endian.
      const size_t width = size_t{1} << Below(4);
      if (text.size() < width) break;
      const size_t place = static_cast<size_t>(Below(text.size() - width + 1));
      constexpr uint64_t kNumbers[] = {0, 1, 0x7FFFFFFF, 0x80000000, ~uint64_t{0}, 0xFFFF, 65536};
      uint64_t number = Below(2) == 0 ? random_() : kNumbers[Below(std::size(kNumbers))];
      for (size_t i = 0; i < width; ++i, number >>= 8) {
        text[place + i] = static_cast<char>(number & 0xFF);
      }
    }
  }
}

}  // namespace sluice::fuzz
