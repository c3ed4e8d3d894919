#pragma once
/// \file
/// Privacy at the door: the columns of decoded rows become what may be stored.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/event/contract.h"
#include "sluice/privacy/keys.h"

namespace sluice::privacy {

/// The columns that `decoded` (clear, as the decoder makes them) become when they are stored:
///
///   hash         text `h1.<kid>.<43 characters>`: base64url of HMAC-SHA-256 under a key of tenant
///   and
///                join group. With unkeyed: 64 hex digits of SHA-256, as other systems make it.
///   tokenize     text `s1.<kid>.<...>`: base64url of AES-256-SIV, bound to tenant and join group
///   encrypt      text `e1.<kid>.<subject, 11 characters>.<...>`: base64url of AES-256-SIV under
///   the
///                subject's key, bound to tenant and column
///   mask         text
///   generalise   the same type
///   drop         the same type, always null
///   _extra, _metadata of a sensitive topic (event::IsSensitive()): text `x1.<day>.<...>`, sealed
///   as
///                error payloads are
///
/// Numbers and booleans are hashed and encrypted as their JSON text, so 7 joins with "7". Null
/// stays null; the empty string is a value. A rule on a list holds for its elements, one inside a
/// struct for that field.
columnar::Schema StoredTypes(const event::Contract& contract, const columnar::Schema& decoded);

/// Puts the rules that stored columns, and fields in them, were made under into their metadata.
/// Frames of the journal carry them, so that it is known what older ones hold.
columnar::Schema MarkRules(const event::Contract& contract, const columnar::Schema& stored);

/// A row that cannot be protected as its field demands. Quotes no value.
struct RowProblem {
  int64_t row = 0;
  std::string_view code;
  std::string path;
  std::string message;
};

struct ProtectedRows {
  columnar::Batch rows;  ///< All rows; null where there is a problem.
  std::vector<RowProblem> problems;
};

/// Protects the rows of one contract.
///
/// Immutable. Thread-safe.
class Protector {
 public:
  /// Values are made with the newest keys there are now.
  static Result<std::shared_ptr<const Protector>> Make(
      std::shared_ptr<const event::Contract> contract, const Keys& keys, std::string_view tenant);
  ~Protector();

  /// Replaces the columns that are not to be stored in clear; leaves all others as they are.
  /// `now` tells the day whose key seals.
  Result<ProtectedRows> Protect(const columnar::Batch& decoded, os::Timestamp now) const;

  /// Brings stored rows, whose columns carry the rules they were made under (or none: clear), under
  /// this contract's rules where those are stricter. What cannot be made stricter stays; what
  /// cannot be protected becomes null.
  Result<columnar::Batch> Reprotect(const columnar::Batch& stored, os::Timestamp now) const;

  /// Hashes of what rows say, over those of `columns` that they have (columnar::HashRows()): equal
  /// for equal events, no matter on which day they were sealed. 0: cannot be compared, because
  /// another key or rule made the row.
  Result<std::vector<uint64_t>> ContentHashes(const columnar::Batch& stored,
                                              const std::vector<std::string>& columns) const;
  /// The same of rows that this protector has just made: nothing in them is of another key.
  Result<std::vector<uint64_t>> ContentHashes(const ProtectedRows& made,
                                              const std::vector<std::string>& columns) const;

 private:
  struct Plan;
  struct Contents;
  Result<Contents> HashContents(const columnar::Batch& stored,
                                const std::vector<std::string>& columns) const;
  explicit Protector(std::unique_ptr<Plan> plan);
  std::unique_ptr<const Plan> plan_;
};

/// Gives back what a token (`s1.`), an encrypted value (`e1.`) or sealed text (`x1.`) stands for,
/// trying the join groups and columns of all `contracts`.
/// kInvalid: no such form. kNotFound: its key was destroyed. kDenied: not of these keys, or
/// changed.
Result<std::string> Reveal(std::string_view token,
                           const std::vector<std::shared_ptr<const event::Contract>>& contracts,
                           const Keys& keys, std::string_view tenant);

/// The subject as `e1.` values name it: 11 characters.
std::string NameOfSubject(SubjectId subject);

/// Codes of RowProblem (docs/reference/errors.md explains each).
namespace codes {
inline constexpr std::string_view kNoSubject = "SL3050";    ///< encrypt, without a subject.
inline constexpr std::string_view kNotGeneral = "SL3051";   ///< Not what generalise expects.
inline constexpr std::string_view kSubjectGone = "SL3052";  ///< The subject's key was destroyed.
}  // namespace codes

}  // namespace sluice::privacy
