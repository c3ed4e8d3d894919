#include <gtest/gtest.h>

#include <cstring>

#include "sluice/privacy/keyed_hash.h"
#include "sluice/privacy/seal.h"

namespace sluice::privacy {
namespace {

std::string HexOf(Hash128 hash) {
  std::string text;
  for (const uint64_t word : {hash.low, hash.high}) {
    for (int i = 0; i < 8; ++i) text += fmt::format("{:02x}", (word >> (8 * i)) & 0xff);
  }
  return text;
}

TEST(KeyedHashTest, AgreesWithTheReferenceVectors) {
  std::array<std::byte, 16> key{};
  for (size_t i = 0; i < 16; ++i) key[i] = static_cast<std::byte>(i);
  EXPECT_EQ(HexOf(KeyedHash(key, "")), "a3817f04ba25a8e66df67214c7550293");
  EXPECT_EQ(HexOf(KeyedHash(key, std::string(1, '\0'))), "da87c1d86b99af44347659119b22fc45");
}

TEST(KeyedHashTest, IsTheSameForAPrefixHashedApart) {
  std::array<std::byte, 16> key{};
  key[3] = std::byte{5};
  std::string text;
  for (int i = 0; i < 60; ++i) text += static_cast<char>(i * 37);
  for (size_t size = 0; size <= text.size(); ++size) {
    const std::string_view whole = std::string_view(text).substr(0, size);
    for (size_t cut = 0; cut <= size; ++cut) {
      EXPECT_EQ(PrefixedHash(key, whole.substr(0, cut))(whole.substr(cut)), KeyedHash(key, whole))
          << cut << " of " << size;
    }
  }
}

TEST(SealTest, OpensOnlyWithTheSameKeyContextAndBytes) {
  os::SimulatedRandom random(7);
  std::array<std::byte, 32> key{};
  random.Fill(key);
  const std::string sealed = *Seal(key, "secret", "errors", random);
  EXPECT_EQ(sealed.find("secret"), std::string::npos);
  EXPECT_EQ(*Unseal(key, sealed, "errors"), "secret");
  EXPECT_EQ(Unseal(key, sealed, "other").error().code(), ErrorCode::kDenied);
  std::string changed = sealed;
  changed[15] = static_cast<char>(changed[15] ^ 1);
  EXPECT_EQ(Unseal(key, changed, "errors").error().code(), ErrorCode::kDenied);
  key[0] ^= std::byte{1};
  EXPECT_EQ(Unseal(key, sealed, "errors").error().code(), ErrorCode::kDenied);
  EXPECT_EQ(Unseal(key, "short", "errors").error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(*Unseal(key, *Seal(key, "", "", random), ""), "");
}

}  // namespace
}  // namespace sluice::privacy
