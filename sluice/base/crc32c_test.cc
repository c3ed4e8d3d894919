#include "sluice/base/crc32c.h"

#include <random>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace sluice {
namespace {

uint32_t Of(std::string_view text) { return Crc32c(std::as_bytes(std::span(text))); }

TEST(Crc32cTest, MatchesPublishedValues) {  // RFC 3720, B.4.
  EXPECT_EQ(Of(""), 0u);
  EXPECT_EQ(Of("123456789"), 0xe3069283u);
  EXPECT_EQ(Of(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Of(std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Crc32cTest, IsTheSameByTableAndInParts) {
  std::mt19937_64 engine(1);
  for (size_t size = 0; size < 200; ++size) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(engine());
    const auto bytes = std::as_bytes(std::span(text));
    const uint32_t whole = Crc32c(bytes);
    EXPECT_EQ(internal::Crc32cByTable(bytes, 0), whole);
    const size_t cut = size == 0 ? 0 : engine() % size;
    EXPECT_EQ(Crc32c(bytes.subspan(cut), Crc32c(bytes.first(cut))), whole);
    EXPECT_EQ(internal::Crc32cByTable(bytes.subspan(cut), Crc32c(bytes.first(cut))), whole);
  }
}

TEST(Crc32cTest, IsTheSameForLongTexts) {
  std::mt19937_64 engine(2);
  std::string text(40'000, '\0');
  for (char& c : text) c = static_cast<char>(engine());
  const auto bytes = std::as_bytes(std::span(text));
  for (int i = 0; i < 200; ++i) {
    const auto part = bytes.subspan(engine() % 64, engine() % 39'000);
    const auto so_far = static_cast<uint32_t>(engine());
    EXPECT_EQ(Crc32c(part, so_far), internal::Crc32cByTable(part, so_far)) << part.size();
  }
}

}  // namespace
}  // namespace sluice
