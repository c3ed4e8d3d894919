#include "sluice/decode/internal/json_syntax.h"

#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::decode::internal {
namespace {

std::string Check(std::string_view text) {
  JsonSyntax syntax;
  const Verdict verdict = syntax.CheckDocument(text);
  if (verdict.ok()) return "depth " + std::to_string(verdict.depth);
  return std::to_string(verdict.at - text.data()) + ": " + verdict.what;
}

TEST(JsonSyntaxTest, FindsTheFirstError) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {"1", "depth 0"},
      {" {\"a\":[{},[]],\"b\":null} ", "depth 3"},
      {"", "0: the text ends too early"},
      {"[1,]", "3: expected a value"},
      {"{,}", "1: expected a name in quotes"},
      {"{\"a\" 1}", "5: expected ':'"},
      {"[1}", "2: expected ',' or ']'"},
      {"01", "1: expected the end of the text"},
      {"1.", "2: expected a digit after the point"},
      {"-", "1: expected a digit"},
      {"1e+", "3: expected a digit in the exponent"},
      {"\"\\x\"", "2: not an escape"},
      {"\"\\u12G4\"", "1: expected four hexadecimal digits after \\u"},
      {"\"\\uD800x\"", "1: half of a surrogate pair"},
      {"\"\\uDC00\"", "1: half of a surrogate pair"},
      {"\"\\uD834\\uDD1E\"", "depth 0"},
      {"\"a\tb\"", "2: control characters in strings must be escaped"},
      {"\"abc", "4: the text ends inside a string"},
      {"\"abc\\", "5: the text ends inside a string"},
      {"\"\xC0\x80\"", "1: not UTF-8"},
      {"\"\xED\xA0\x80\"", "1: not UTF-8"},
      {"\"\xF4\x90\x80\x80\"", "1: not UTF-8"},
      {"\"\xE2\x82\xAC\xF0\x9D\x84\x9E\"", "depth 0"},
      {"truth", "0: expected a value"},
      {"nul", "0: expected a value"},
      {std::string_view("\"\\\0\"", 4), "2: not an escape"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(Check(text), expected) << text;
}

TEST(JsonSyntaxTest, CountsDepthWithoutAStack) {
  constexpr size_t kDepth = 1'000'000;
  EXPECT_EQ(Check(std::string(kDepth, '[') + std::string(kDepth, ']')), "depth 1000000");
  EXPECT_EQ(Check(std::string(kDepth, '[')), "1000000: the text ends too early");
  std::string mixed;
  for (int i = 0; i < 200; ++i) mixed += i % 3 == 0 ? "[" : "{\"a\":";
  mixed += "1";
  for (int i = 199; i >= 0; --i) mixed += i % 3 == 0 ? "]" : "}";
  EXPECT_EQ(Check(mixed), "depth 200");
  mixed[mixed.size() - 2] = ']';
  EXPECT_NE(Check(mixed), "depth 200");
}

// Random text of JSON's own characters, or valid JSON with one byte changed: both parsers must
// agree.
TEST(JsonSyntaxTest, AgreesWithAnotherParser) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  const std::vector<std::string_view> pieces = {
      "{", "}",      "[",    "]",    ",", ":",  "\"a\"", "\"\\u00e4\"", "\"\\n\"",
      "1", "-0.5e3", "true", "null", " ", "\n", "\"",    "\\",          "é"};
  const std::string valid =
      "{\"a\":[1,-2.5e+10,{\"b\":\"x\\ud834\\udd1ey\\\\\",\"c\":null}],\"dé\":[true,false,[]],"
      "\"e\":{}}";
  simdjson::dom::parser parser;
  JsonSyntax syntax;
  for (int i = 0; i < 50'000; ++i) {
    std::string text;
    if (i % 2 == 0) {
      for (size_t count = below(8) + 1; count > 0; --count) text += pieces[below(pieces.size())];
    } else {
      text = valid;
      text[below(text.size())] = static_cast<char>(below(256));
    }
    // The other parser takes a mark at the beginning for none, and refuses numbers that it cannot
    // hold.
    const auto error = parser.parse(text).error();
    if (error == simdjson::BIGINT_ERROR || text.starts_with("\xEF\xBB\xBF")) continue;
    if (error == simdjson::NUMBER_ERROR && syntax.CheckDocument(text).ok()) continue;
    EXPECT_EQ(syntax.CheckDocument(text).ok(), error == simdjson::SUCCESS) << text;
  }
}

}  // namespace
}  // namespace sluice::decode::internal
