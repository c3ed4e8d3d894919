#pragma once
/// \file
/// How protected values are written and read: `h1.<kid>.<...>`, `s1.…`, `e1.…`, `x1.…`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/privacy/internal/siv.h"
#include "sluice/privacy/keys.h"

namespace sluice::privacy::internal {

/// A value that can be given back: a token, an encrypted value or sealed text.
struct Pseudonym {
  char kind = 's';        ///< 's', 'e' or 'x'.
  uint32_t number = 0;    ///< The key's; of 'x' the day.
  SubjectId subject = 0;  ///< Of 'e'.
  std::string sealed;     ///< Tag and ciphertext.
};
std::optional<Pseudonym> ReadPseudonym(std::string_view text);

/// `h1.7.`
std::string PseudonymPrefix(char kind, uint32_t number);
/// `e1.7.<subject>.`
std::string EncryptedPrefix(uint32_t kid, SubjectId subject);

/// Joins fields of one group to one key: what `$Sl.hash` computes its HMAC with.
std::array<std::byte, 32> HashKeyOf(const NumberedKey& key, std::string_view tenant,
                                    std::string_view group);
/// The cipher of `$Sl.tokenize`, of `$Sl.encrypt` and of sealed text. kNotFound: key destroyed.
AesSiv TokenCipher(const NumberedKey& key, std::string_view tenant, std::string_view group);
AesSiv SubjectCipher(const std::array<std::byte, 32>& subject_key, std::string_view tenant,
                     std::string_view group);
/// Half of it is of the day and half is not: the tag of equal texts is equal on all days.
Result<AesSiv> SealedTextCipher(const Keys& keys, std::string_view tenant, int32_t day);

/// Where the tag stands in sealed text, encoded: what equal texts have in common.
inline constexpr size_t kTagCharacters = 21;

}  // namespace sluice::privacy::internal
