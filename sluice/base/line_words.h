#pragma once
/// \file
/// The words of one line of a small text format.

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>

namespace sluice {

/// Takes words off the front of a line, each up to the next separator.
///
/// Not thread-safe. The line must outlive it, and the words taken from it.
class LineWords {
 public:
  LineWords(std::string_view line, char separator) : rest_(line), separator_(separator) {}

  std::string_view Text() {
    const size_t size = std::min(rest_.find(separator_), rest_.size());
    const std::string_view word = rest_.substr(0, size);
    rest_.remove_prefix(std::min(size + 1, rest_.size()));
    return word;
  }

  /// `value` is undefined where the word is no number of its type: see ok().
  template <typename T>
  LineWords& Number(T& value, int radix = 10) {
    const std::string_view word = Text();
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, radix);
    ok_ = ok_ && error == std::errc() && end == word.data() + word.size();
    return *this;
  }

  /// All that is left.
  std::string_view Rest() { return std::exchange(rest_, {}); }
  /// Whether all numbers were numbers.
  bool ok() const { return ok_; }
  /// Whether all numbers were numbers and nothing is left.
  bool Done() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  char separator_;
  bool ok_ = true;
};

}  // namespace sluice
