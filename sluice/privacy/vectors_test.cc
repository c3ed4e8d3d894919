// Hashes and ciphers against published vectors, and against OpenSSL's own on random input.

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <random>

#include "sluice/base/base64.h"
#include "sluice/base/hex.h"
#include "sluice/os/random.h"
#include "sluice/privacy/internal/aes.h"
#include "sluice/privacy/internal/base64url.h"
#include "sluice/privacy/internal/hmac.h"
#include "sluice/privacy/internal/siv.h"
#include "sluice/privacy/keyed_hash.h"
#include "sluice/privacy/seal.h"

namespace sluice::privacy::internal {
namespace {

std::string Bytes(std::string_view hex) {
  std::string compact;
  for (const char c : hex) {
    if (c != ' ') compact += c;
  }
  std::string bytes(compact.size() / 2, '\0');
  EXPECT_TRUE(FromHex(compact, std::as_writable_bytes(std::span(bytes)))) << hex;
  return bytes;
}

std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Hex(std::string_view bytes) { return ToHex(AsBytes(bytes)); }

std::string RandomText(std::mt19937_64& random, size_t size_max) {
  std::string text(random() % (size_max + 1), '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

TEST(HmacTest, AgreesWithRfc4231) {
  const std::string key(20, '\x0b');
  EXPECT_EQ(ToHex(HmacSha256(AsBytes(key))("Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(ToHex(HmacSha256(AsBytes("Jefe"))("what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const std::string long_key(131, '\xaa');
  EXPECT_EQ(ToHex(HmacSha256(AsBytes(long_key))(
                "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacTest, AgreesWithOpenSsl) {
  const auto seed = std::random_device()();
  std::mt19937_64 random(seed);
  for (int i = 0; i < 1000; ++i) {
    const std::string key = RandomText(random, 100);
    const std::string message = RandomText(random, 300);
    std::array<unsigned char, 32> expected{};
    ASSERT_NE(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                   reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                   expected.data(), nullptr),
              nullptr);
    ASSERT_EQ(ToHex(HmacSha256(AsBytes(key))(message)), ToHex(std::as_bytes(std::span(expected))))
        << "seed " << seed;
  }
}

TEST(HmacTest, ABatchMakesTheSame) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  const HmacSha256 hmac(AsBytes(RandomText(random, 100)));
  HmacBatch batch(hmac);
  for (size_t count = 0; count <= HmacBatch::kMessagesMax; ++count) {
    std::vector<Digest> expected;
    for (size_t i = 0; i < count; ++i) {
      const std::string message = RandomText(random, 70);  // Some need more than one block.
      expected.push_back(hmac(message));
      batch.Add(message);
    }
    const auto found = batch.Finish();
    ASSERT_EQ(std::vector<Digest>(found.begin(), found.end()), expected) << count;
  }
}

TEST(AesTest, AgreesWithFips197AndOpenSsl) {
  const std::string plain = Bytes("00112233445566778899aabbccddeeff");
  std::string key;
  for (int i = 0; i < 32; ++i) key += static_cast<char>(i);
  const auto encrypt = [](std::string_view with, std::string_view blocks, AesBy by) {
    std::string out(blocks.size(), '\0');
    Aes(AsBytes(with), by)
        .Encrypt(reinterpret_cast<const unsigned char*>(blocks.data()),
                 reinterpret_cast<unsigned char*>(out.data()), blocks.size() / kAesBlock);
    return out;
  };
  for (const AesBy by : {AesBy::kFastest, AesBy::kOpenSsl}) {
    EXPECT_EQ(Hex(encrypt(key.substr(0, 16), plain, by)), "69c4e0d86a7b0430d8cdb78070b4c55a");
    EXPECT_EQ(Hex(encrypt(key, plain, by)), "8ea2b7ca516745bfeafc49904b496089");
  }
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 1000; ++i) {
    std::string any(i % 2 == 0 ? 16 : 32, '\0');
    std::string blocks(random() % 10 * kAesBlock, '\0');
    for (std::string* text : {&any, &blocks}) {
      for (char& c : *text) c = static_cast<char>(random());
    }
    ASSERT_EQ(encrypt(any, blocks, AesBy::kFastest), encrypt(any, blocks, AesBy::kOpenSsl));
  }
}

TEST(AesSivTest, AgreesWithRfc5297) {
  const std::string key1 =
      Bytes("fffefdfc fbfaf9f8 f7f6f5f4 f3f2f1f0 f0f1f2f3 f4f5f6f7 f8f9fafb fcfdfeff");
  const std::string associated = Bytes("10111213 14151617 18191a1b 1c1d1e1f 20212223 24252627");
  AesSiv first(AsBytes(key1), {associated});
  std::string sealed;
  first.Seal(Bytes("11223344 55667788 99aabbcc ddee"), sealed);
  EXPECT_EQ(Hex(sealed), "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");

  const std::string key2 =
      Bytes("7f7e7d7c 7b7a7978 77767574 73727170 40414243 44454647 48494a4b 4c4d4e4f");
  AesSiv second(AsBytes(key2),
                {Bytes("00112233 44556677 8899aabb ccddeeff deaddada deaddada ffeeddcc bbaa9988 "
                       "77665544 33221100"),
                 Bytes("10203040 50607080 90a0"), Bytes("09f91102 9d74e35b d84156c5 635688c0")});
  sealed.clear();
  second.Seal("this is some plaintext to encrypt using SIV-AES", sealed);
  EXPECT_EQ(Hex(sealed),
            "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f7"
            "48ba8af829ea64ad544a272e9c485b62a3fd5c0d");
  EXPECT_EQ(second.Open(sealed), "this is some plaintext to encrypt using SIV-AES");
}

std::string OpenSslSiv(std::string_view key, const std::vector<std::string>& associated,
                       const std::string& plain) {
  EVP_CIPHER* const siv = EVP_CIPHER_fetch(nullptr, "AES-256-SIV", nullptr);
  EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  EXPECT_EQ(EVP_EncryptInit_ex2(context, siv, bytes(key), nullptr, nullptr), 1);
  int length = 0;
  for (const std::string& part : associated) {
    EXPECT_EQ(
        EVP_EncryptUpdate(context, nullptr, &length, bytes(part), static_cast<int>(part.size())),
        1);
  }
  std::string out(16 + plain.size(), '\0');
  auto* const begin = reinterpret_cast<unsigned char*>(out.data());
  EXPECT_EQ(
      EVP_EncryptUpdate(context, begin + 16, &length, bytes(plain), static_cast<int>(plain.size())),
      1);
  EXPECT_EQ(EVP_EncryptFinal_ex(context, begin + 16, &length), 1);
  EXPECT_EQ(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, begin), 1);
  EVP_CIPHER_CTX_free(context);
  EVP_CIPHER_free(siv);
  return out;
}

TEST(AesSivTest, AgreesWithOpenSsl) {
  const auto seed = std::random_device()();
  std::mt19937_64 random(seed);
  for (int i = 0; i < 500; ++i) {
    std::string key(64, '\0');
    for (char& c : key) c = static_cast<char>(random());
    const std::vector<std::string> associated = {RandomText(random, 40), RandomText(random, 5)};
    AesSiv siv(AsBytes(key), {associated[0], associated[1]});
    for (int value = 0; value < 3; ++value) {
      std::string plain = RandomText(random, 100);
      plain += 'x';  // OpenSSL does not take empty ones.
      std::string sealed;
      siv.Seal(plain, sealed);
      ASSERT_EQ(Hex(sealed), Hex(OpenSslSiv(key, associated, plain))) << "seed " << seed;
      ASSERT_EQ(siv.Open(sealed), plain) << "seed " << seed;
      sealed[random() % sealed.size()] ^= static_cast<char>(1 << random() % 7);
      ASSERT_EQ(siv.Open(sealed), std::nullopt) << "seed " << seed;
    }
  }
}

TEST(AesSivTest, SealsTheEmptyValue) {
  AesSiv siv(AsBytes(std::string(64, 'k')), {"a"});
  std::string sealed;
  siv.Seal("", sealed);
  EXPECT_EQ(sealed.size(), 16u);
  EXPECT_EQ(siv.Open(sealed), "");
  EXPECT_EQ(siv.Open("short"), std::nullopt);
  EXPECT_EQ(AesSiv(AsBytes(std::string(64, 'k')), {"b"}).Open(sealed), std::nullopt);
}

TEST(Base64UrlTest, AgreesWithBase64) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 300; ++i) {
    const std::string bytes = RandomText(random, 40);
    std::string text(Base64UrlSize(bytes.size()), '\0');
    EXPECT_EQ(EncodeBase64Url(AsBytes(bytes), text.data()), text.data() + text.size());
    std::string plain = EncodeBase64(bytes);
    while (plain.ends_with('=')) plain.pop_back();
    for (char& c : plain) c = c == '+' ? '-' : c == '/' ? '_' : c;
    EXPECT_EQ(text, plain);
    EXPECT_EQ(*DecodeBase64Url(text), bytes);
  }
  EXPECT_FALSE(DecodeBase64Url("ab+c").ok());
}

}  // namespace
}  // namespace sluice::privacy::internal
