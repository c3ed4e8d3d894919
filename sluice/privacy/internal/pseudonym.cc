#include "sluice/privacy/internal/pseudonym.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <span>

#include "sluice/privacy/internal/base64url.h"
#include "sluice/privacy/internal/hmac.h"

namespace sluice::privacy::internal {
namespace {

constexpr size_t kSubjectBytes = 8;

AesSiv::Key Join(const Digest& mac, const Digest& cipher) {
  AesSiv::Key key;
  std::copy(mac.begin(), mac.end(), key.begin());
  std::copy(cipher.begin(), cipher.end(), key.begin() + 32);
  return key;
}

AesSiv MakeCipher(std::span<const std::byte> key, std::string_view label, std::string_view tenant,
                  std::string_view group) {
  return {Join(DeriveKey(key, label, {"mac"}), DeriveKey(key, label, {"cipher"})), {tenant, group}};
}

std::string_view Cut(std::string_view& text) {
  const size_t dot = text.find('.');
  const std::string_view part = text.substr(0, dot);
  text.remove_prefix(dot == std::string_view::npos ? text.size() : dot + 1);
  return part;
}

}  // namespace

std::optional<Pseudonym> ReadPseudonym(std::string_view text) {
  const std::string_view form = Cut(text);
  if (form != "s1" && form != "e1" && form != "x1") return std::nullopt;
  Pseudonym made;
  made.kind = form[0];
  const std::string_view number = Cut(text);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), made.number);
  if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
  if (made.kind == 'e') {
    const auto subject = DecodeBase64Url(Cut(text));
    if (!subject.ok() || subject->size() != kSubjectBytes) return std::nullopt;
    for (const char c : *subject) made.subject = made.subject << 8 | static_cast<unsigned char>(c);
  }
  auto sealed = DecodeBase64Url(text);
  if (!sealed.ok() || sealed->size() < AesSiv::kTagBytes) return std::nullopt;
  made.sealed = std::move(*sealed);
  return made;
}

std::string PseudonymPrefix(char kind, uint32_t number) {
  return fmt::format("{}1.{}.", kind, number);
}

std::string EncryptedPrefix(uint32_t kid, SubjectId subject) {
  std::array<std::byte, kSubjectBytes> bytes;
  for (size_t i = 0; i < kSubjectBytes; ++i) {
    bytes[i] = static_cast<std::byte>(subject >> (8 * (kSubjectBytes - 1 - i)) & 0xff);
  }
  std::string text(Base64UrlSize(kSubjectBytes), '\0');
  EncodeBase64Url(bytes, text.data());
  return PseudonymPrefix('e', kid) + text + ".";
}

Digest HashKeyOf(const NumberedKey& key, std::string_view tenant, std::string_view group) {
  return DeriveKey(key.key, "sluice/hash/1", {tenant, group});
}

AesSiv TokenCipher(const NumberedKey& key, std::string_view tenant, std::string_view group) {
  return MakeCipher(key.key, "sluice/token/1", tenant, group);
}

AesSiv SubjectCipher(const Digest& subject_key, std::string_view tenant, std::string_view group) {
  return MakeCipher(subject_key, "sluice/encrypt/1", tenant, group);
}

Result<AesSiv> SealedTextCipher(const Keys& keys, std::string_view tenant, int32_t day) {
  SLUICE_ASSIGN_OR_RETURN(const Digest of_day, keys.SealingKey(tenant, day));
  return AesSiv(Join(DeriveKey(keys.identity(), "sluice/sealed-text/1", {tenant}),
                     DeriveKey(of_day, "sluice/sealed-text/1", {"cipher"})),
                {tenant});
}

}  // namespace sluice::privacy::internal
