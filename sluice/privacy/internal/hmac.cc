#include "sluice/privacy/internal/hmac.h"

#include <algorithm>
#include <string>

namespace sluice::privacy::internal {
namespace {

constexpr size_t kBlockBytes = 64;

Digest Finish(SHA256_CTX context) {
  Digest digest;
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), &context);
  return digest;
}

void AppendPart(std::string& out, std::string_view part) {
  const auto size = static_cast<uint32_t>(part.size());
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 0xff);
  out += part;
}

}  // namespace

HmacSha256::HmacSha256(std::span<const std::byte> key) {
  std::array<std::byte, kBlockBytes> block{};
  if (key.size() > kBlockBytes) {
    const Digest hashed = Sha256({reinterpret_cast<const char*>(key.data()), key.size()});
    std::copy(hashed.begin(), hashed.end(), block.begin());
  } else {
    std::copy(key.begin(), key.end(), block.begin());
  }
  for (std::byte& byte : block) byte ^= std::byte{0x36};
  SHA256_Init(&inner_);
  SHA256_Update(&inner_, block.data(), block.size());
  for (std::byte& byte : block) byte ^= std::byte{0x36} ^ std::byte{0x5c};
  SHA256_Init(&outer_);
  SHA256_Update(&outer_, block.data(), block.size());
}

Digest HmacSha256::operator()(std::string_view message) const {
  SHA256_CTX inner = inner_;
  SHA256_Update(&inner, message.data(), message.size());
  const Digest digest = Finish(inner);
  SHA256_CTX outer = outer_;
  SHA256_Update(&outer, digest.data(), digest.size());
  return Finish(outer);
}

Digest Sha256(std::string_view message) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, message.data(), message.size());
  return Finish(context);
}

Digest DeriveKey(std::span<const std::byte> key, std::string_view label,
                 std::initializer_list<std::string_view> parts) {
  std::string message;
  AppendPart(message, label);
  for (const std::string_view part : parts) AppendPart(message, part);
  return HmacSha256(key)(message);
}

}  // namespace sluice::privacy::internal
