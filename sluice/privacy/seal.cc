#include "sluice/privacy/seal.h"

#include <openssl/evp.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <span>

namespace sluice::privacy {
namespace {

constexpr char kVersion = 1;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kHeadBytes = 1 + kNonceBytes;
constexpr size_t kDayBytes = 4;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* Unsigned(const char* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}
unsigned char* Unsigned(char* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

}  // namespace

Result<std::string> Seal(const std::array<std::byte, 32>& key, std::string_view plain,
                         std::string_view context, os::Random& random) {
  if (plain.size() > INT_MAX / 2) return Invalid("{} bytes are too many to seal", plain.size());
  std::string sealed(kHeadBytes + plain.size() + kTagBytes, '\0');
  sealed[0] = kVersion;
  random.Fill(std::as_writable_bytes(std::span(sealed.data() + 1, kNonceBytes)));

  Cipher cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  char* const out = sealed.data() + kHeadBytes;
  const bool ok =
      cipher != nullptr &&
      EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr,
                         reinterpret_cast<const unsigned char*>(key.data()),
                         Unsigned(sealed.data() + 1)) == 1 &&
      EVP_EncryptUpdate(cipher.get(), nullptr, &length, Unsigned(context.data()),
                        static_cast<int>(context.size())) == 1 &&
      EVP_EncryptUpdate(cipher.get(), Unsigned(out), &length, Unsigned(plain.data()),
                        static_cast<int>(plain.size())) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), Unsigned(out + length), &length) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, out + plain.size()) == 1;
  if (!ok) return Internal("the cipher failed");
  return sealed;
}

Result<std::string> Unseal(const std::array<std::byte, 32>& key, std::string_view sealed,
                           std::string_view context) {
  if (sealed.size() < kHeadBytes + kTagBytes || sealed[0] != kVersion || sealed.size() > INT_MAX) {
    return Invalid("not a sealed value");
  }
  std::string plain(sealed.size() - kHeadBytes - kTagBytes, '\0');
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  Cipher cipher(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int length = 0;
  const bool ok =
      cipher != nullptr &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr,
                         reinterpret_cast<const unsigned char*>(key.data()),
                         Unsigned(sealed.data() + 1)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &length, Unsigned(context.data()),
                        static_cast<int>(context.size())) == 1 &&
      EVP_DecryptUpdate(cipher.get(), Unsigned(plain.data()), &length,
                        Unsigned(sealed.data() + kHeadBytes),
                        static_cast<int>(plain.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), Unsigned(plain.data() + plain.size()), &length) == 1;
  if (!ok) return Denied("the value was sealed with another key, or changed");
  return plain;
}

Result<std::string> SealForDay(const Keys& keys, std::string_view tenant, os::Timestamp now,
                               std::string_view plain, std::string_view context,
                               os::Random& random) {
  // A clock that runs behind the oldest key seals for that key's day.
  const auto day = static_cast<uint32_t>(std::max(DayOf(now), keys.FirstSealingDay()));
  SLUICE_ASSIGN_OR_RETURN(const auto key, keys.SealingKey(tenant, static_cast<int32_t>(day)));
  SLUICE_ASSIGN_OR_RETURN(const std::string sealed, Seal(key, plain, context, random));
  std::string out;
  out.reserve(kDayBytes + sealed.size());
  for (size_t i = 0; i < kDayBytes; ++i) out += static_cast<char>(day >> (8 * i) & 0xff);
  return out + sealed;
}

Result<std::string> UnsealOfDay(const Keys& keys, std::string_view tenant, std::string_view sealed,
                                std::string_view context) {
  if (sealed.size() < kDayBytes) return Invalid("not a sealed value");
  uint32_t day = 0;
  for (size_t i = 0; i < kDayBytes; ++i) {
    day |= static_cast<uint32_t>(static_cast<unsigned char>(sealed[i])) << (8 * i);
  }
  if (day > INT_MAX) return Invalid("not a sealed value");
  SLUICE_ASSIGN_OR_RETURN(const auto key, keys.SealingKey(tenant, static_cast<int32_t>(day)));
  return Unseal(key, sealed.substr(kDayBytes), context);
}

}  // namespace sluice::privacy
