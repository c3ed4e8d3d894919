#include "sluice/decode/internal/json_syntax.h"

#include <cstring>

namespace sluice::decode::internal {

namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Reads the four digits behind "\u"; -1 if they are not.
int CodeUnit(const char* p, const char* end) {
  if (end - p < 4) return -1;
  int unit = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = HexDigit(p[i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

// Bytes of the well-formed UTF-8 sequence at `p`, which begins beyond ASCII; 0 if it is none.
int SequenceLength(const char* p, const char* end) {
  const auto byte = [&](int i) { return static_cast<uint8_t>(p[i]); };
  const auto follows = [&](int i) { return (byte(i) & 0xC0) == 0x80; };
  const auto left = end - p;
  const uint8_t first = byte(0);
  if (first >= 0xC2 && first <= 0xDF) return left >= 2 && follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (left < 3 || !follows(1) || !follows(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;   // Overlong.
    if (first == 0xED && byte(1) >= 0xA0) return 0;  // A surrogate.
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (left < 4 || !follows(1) || !follows(2) || !follows(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;   // Overlong.
    if (first == 0xF4 && byte(1) >= 0x90) return 0;  // Beyond U+10FFFF.
    return 4;
  }
  return 0;
}

// Bytes from `p` on, eight at a time, that need no look: ASCII, neither quote, backslash nor
// control.
const char* SkipPlain(const char* p, const char* end) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  constexpr uint64_t kHighs = 0x8080808080808080u;
  while (end - p >= 8) {
    uint64_t word;
    std::memcpy(&word, p, sizeof(word));
    const uint64_t quote = word ^ (kOnes * '"');
    const uint64_t backslash = word ^ (kOnes * '\\');
    // A byte below its subtrahend borrows into its high bit. False alarms only stop the skip early.
    const uint64_t odd = (quote - kOnes) | (backslash - kOnes) | (word - kOnes * 0x20) | word;
    if (odd & kHighs) break;
    p += 8;
  }
  return p;
}

Verdict Wrong(const char* at, const char* what) { return {at, what, 0}; }

// Checks the string whose opening quote is at `p`.
Verdict CheckString(const char* p, const char* end) {
  ++p;
  for (;;) {
    p = SkipPlain(p, end);
    if (p == end) return Wrong(p, "the text ends inside a string");
    const auto c = static_cast<uint8_t>(*p);
    if (c == '"') return {p + 1, nullptr, 0};
    if (c < 0x20) return Wrong(p, "control characters in strings must be escaped");
    if (c >= 0x80) {
      const int length = SequenceLength(p, end);
      if (length == 0) return Wrong(p, "not UTF-8");
      p += length;
      continue;
    }
    if (c != '\\') {
      ++p;
      continue;
    }
    if (end - p < 2) return Wrong(end, "the text ends inside a string");
    if (std::strchr("\"\\/bfnrt", p[1]) != nullptr && p[1] != '\0') {
      p += 2;
      continue;
    }
    if (p[1] != 'u') return Wrong(p + 1, "not an escape");
    const int unit = CodeUnit(p + 2, end);
    if (unit < 0) return Wrong(p, "expected four hexadecimal digits after \\u");
    if (unit >= 0xDC00 && unit <= 0xDFFF) return Wrong(p, "half of a surrogate pair");
    p += 6;
    if (unit < 0xD800 || unit > 0xDFFF) continue;
    const int second = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? CodeUnit(p + 2, end) : -1;
    if (second < 0xDC00 || second > 0xDFFF) return Wrong(p - 6, "half of a surrogate pair");
    p += 6;
  }
}

Verdict CheckNumber(const char* p, const char* end) {
  const auto digits = [&] {
    const char* first = p;
    while (p != end && IsDigit(*p)) ++p;
    return p != first;
  };
  if (*p == '-') ++p;
  if (p != end && *p == '0') {
    ++p;
  } else if (!digits()) {
    return Wrong(p, "expected a digit");
  }
  if (p != end && *p == '.') {
    ++p;
    if (!digits()) return Wrong(p, "expected a digit after the point");
  }
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p != end && (*p == '+' || *p == '-')) ++p;
    if (!digits()) return Wrong(p, "expected a digit in the exponent");
  }
  return {p, nullptr, 0};
}

Verdict CheckScalar(const char* p, const char* end) {
  const auto word = [&](std::string_view expected) {
    const std::string_view rest(p, static_cast<size_t>(end - p));
    return rest.starts_with(expected) ? Verdict{p + expected.size(), nullptr, 0}
                                      : Wrong(p, "expected a value");
  };
  switch (*p) {
    case '"':
      return CheckString(p, end);
    case 't':
      return word("true");
    case 'f':
      return word("false");
    case 'n':
      return word("null");
    default:
      break;
  }
  if (*p == '-' || IsDigit(*p)) return CheckNumber(p, end);
  return Wrong(p, "expected a value");
}

}  // namespace

Verdict JsonSyntax::CheckValue(const char* p, const char* end) {
  constexpr const char* kEnds = "the text ends too early";
  int depth = 0;
  int depth_max = 0;
  bool in_object = false;
  const auto push = [&](bool object) {
    const auto word = static_cast<size_t>(depth) / 64;
    const uint64_t bit = uint64_t{1} << (depth % 64);
    if (word == objects_.size()) objects_.push_back(0);
    objects_[word] = object ? objects_[word] | bit : objects_[word] & ~bit;
    in_object = object;
    depth_max = ++depth > depth_max ? depth : depth_max;
  };
  const auto pop = [&] {
    --depth;
    if (depth == 0) return;
    const int above = depth - 1;
    in_object = (objects_[static_cast<size_t>(above) / 64] >> (above % 64)) & 1;
  };
  enum class Expect { kValue, kFirstValue, kKey, kFirstKey, kNext } expect = Expect::kValue;
  for (;;) {
    if (expect == Expect::kNext && depth == 0) return {p, nullptr, depth_max};
    p = SkipSpace(p, end);
    if (p == end) return Wrong(p, kEnds);
    switch (expect) {
      case Expect::kNext:
        if (*p == ',') {
          expect = in_object ? Expect::kKey : Expect::kValue;
        } else if (*p == (in_object ? '}' : ']')) {
          pop();
        } else {
          return Wrong(p, in_object ? "expected ',' or '}'" : "expected ',' or ']'");
        }
        ++p;
        break;
      case Expect::kFirstKey:
        if (*p == '}') {
          ++p;
          pop();
          expect = Expect::kNext;
          break;
        }
        [[fallthrough]];
      case Expect::kKey: {
        if (*p != '"') return Wrong(p, "expected a name in quotes");
        const Verdict key = CheckString(p, end);
        if (!key.ok()) return key;
        p = SkipSpace(key.at, end);
        if (p == end) return Wrong(p, kEnds);
        if (*p != ':') return Wrong(p, "expected ':'");
        ++p;
        expect = Expect::kValue;
        break;
      }
      case Expect::kFirstValue:
        if (*p == ']') {
          ++p;
          pop();
          expect = Expect::kNext;
          break;
        }
        [[fallthrough]];
      case Expect::kValue:
        if (*p == '{' || *p == '[') {
          push(*p == '{');
          ++p;
          expect = in_object ? Expect::kFirstKey : Expect::kFirstValue;
          break;
        }
        const Verdict scalar = CheckScalar(p, end);
        if (!scalar.ok()) return scalar;
        p = scalar.at;
        expect = Expect::kNext;
        break;
    }
  }
}

Verdict JsonSyntax::CheckDocument(std::string_view text) {
  const char* end = text.data() + text.size();
  Verdict verdict = CheckValue(text.data(), end);
  if (!verdict.ok()) return verdict;
  const char* rest = SkipSpace(verdict.at, end);
  if (rest != end) return Wrong(rest, "expected the end of the text");
  return verdict;
}

}  // namespace sluice::decode::internal
