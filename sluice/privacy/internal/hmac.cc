#include "sluice/privacy/internal/hmac.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "sluice/base/check.h"

namespace sluice::privacy::internal {
namespace {

constexpr size_t kBlockBytes = 64;

Digest Finish(SHA256_CTX context) {
  Digest digest;
  SHA256_Final(reinterpret_cast<unsigned char*>(digest.data()), &context);
  return digest;
}

// What fits into a message's last block beside its end mark and length.
constexpr size_t kLastBytesMax = kBlockBytes - 9;

// The last block of a message behind one block that is done, the key's.
void SetLastBlock(std::string_view rest, Sha256Block& block) {
  block.fill(0);
  if (!rest.empty()) std::memcpy(block.data(), rest.data(), rest.size());
  block[rest.size()] = 0x80;
  const uint64_t bits = (kBlockBytes + rest.size()) * 8;  // Below 2^16.
  block[kBlockBytes - 2] = static_cast<unsigned char>(bits >> 8);
  block[kBlockBytes - 1] = static_cast<unsigned char>(bits);
}

// OpenSSL's compression of a block that is made here, as its own buffering takes as long as the
// block.
Digest HashLast(const SHA256_CTX& first, std::string_view rest) {
  Sha256Block block;
  SetLastBlock(rest, block);
  SHA256_CTX context = first;
  SHA256_Transform(&context, block.data());
  Digest digest;
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::byte>(context.h[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

Sha256State StateOf(const SHA256_CTX& context) {
  Sha256State state;
  std::copy(std::begin(context.h), std::end(context.h), state.begin());
  return state;
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
  if (message.size() <= kLastBytesMax) {
    const Digest digest = HashLast(inner_, message);
    return HashLast(outer_, {reinterpret_cast<const char*>(digest.data()), digest.size()});
  }
  SHA256_CTX inner = inner_;
  SHA256_Update(&inner, message.data(), message.size());
  const Digest digest = Finish(inner);
  SHA256_CTX outer = outer_;
  SHA256_Update(&outer, digest.data(), digest.size());
  return Finish(outer);
}

HmacBatch::HmacBatch(const HmacSha256& hmac)
    : hmac_(hmac),
      inner_(StateOf(hmac.inner_)),
      outer_(StateOf(hmac.outer_)),
      pairs_(HasShaInstructions()) {}

void HmacBatch::Add(std::string_view message) {
  SLUICE_CHECK(added_ < kMessagesMax);
  Digest& digest = digests_[added_++];
  if (!pairs_ || message.size() > kLastBytesMax) {
    digest = hmac_(message);
    return;
  }
  SetLastBlock(message, blocks_[waiting_count_]);
  waiting_[waiting_count_++] = &digest;
}

std::span<const Digest> HmacBatch::Finish() {
  for (size_t i = 0; i < waiting_count_; i += 2) {
    const size_t other = std::min(i + 1, waiting_count_ - 1);  // The last may be alone.
    FinishHmacPair(inner_, outer_, {&blocks_[i], &blocks_[other]}, {waiting_[i], waiting_[other]});
  }
  waiting_count_ = 0;
  return std::span(digests_).first(std::exchange(added_, 0));
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
