#include <optional>
#include <utility>

#include "sluice/privacy/internal/pseudonym.h"
#include "sluice/privacy/protect.h"

namespace sluice::privacy {

using internal::AesSiv;

Result<std::string> Reveal(std::string_view token,
                           const std::vector<std::shared_ptr<const event::Contract>>& contracts,
                           const Keys& keys, std::string_view tenant) {
  const auto made = internal::ReadPseudonym(token);
  if (!made) {
    return Invalid(
        "not a token: expected s1.…, e1.… or x1.…, as the table has it (what was hashed or masked "
        "cannot be given back)");
  }
  if (made->kind == 'x') {
    SLUICE_ASSIGN_OR_RETURN(AesSiv cipher, internal::SealedTextCipher(
                                               keys, tenant, static_cast<int32_t>(made->number)));
    if (auto clear = cipher.Open(made->sealed)) return std::move(*clear);
    return Denied("the value was made with other keys, or changed");
  }
  std::optional<NumberedKey> token_key;
  std::optional<std::array<std::byte, 32>> subject_key;
  if (made->kind == 's') {
    SLUICE_ASSIGN_OR_RETURN(token_key, keys.Get(KeyUse::kToken, made->number));
  } else {
    SLUICE_ASSIGN_OR_RETURN(subject_key, keys.SubjectKey(made->number, made->subject));
  }
  std::optional<std::string> found;
  for (const auto& contract : contracts) {
    event::ForEachField(contract->fields, [&](const event::FieldPath& path, const event::Field&) {
      if (found) return;
      const std::string group = event::JoinGroup(*contract, path);
      AesSiv cipher = token_key ? internal::TokenCipher(*token_key, tenant, group)
                                : internal::SubjectCipher(*subject_key, tenant, group);
      found = cipher.Open(made->sealed);
    });
    if (found) return std::move(*found);
  }
  return Denied("the value was made with other keys, or changed");
}

std::string NameOfSubject(SubjectId subject) {
  const std::string prefix = internal::EncryptedPrefix(1, subject);  // `e1.1.<name>.`
  return prefix.substr(5, prefix.size() - 6);
}

}  // namespace sluice::privacy
