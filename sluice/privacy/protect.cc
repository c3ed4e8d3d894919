#include "sluice/privacy/protect.h"

#include <arrow/api.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "sluice/base/hex.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/privacy/internal/base64url.h"
#include "sluice/privacy/internal/generalise.h"
#include "sluice/privacy/internal/hash_column.h"
#include "sluice/privacy/internal/hmac.h"
#include "sluice/privacy/internal/leaves.h"
#include "sluice/privacy/internal/normalise.h"
#include "sluice/privacy/internal/pseudonym.h"
#include "sluice/privacy/internal/recent_values.h"
#include "sluice/privacy/internal/rules.h"
#include "sluice/privacy/internal/text_column.h"

namespace sluice::privacy {
namespace {

using columnar::Batch;
using columnar::FromArrow;
using event::PrivacyAction;
using internal::ActionOf;
using internal::AesSiv;
using internal::MadeUnder;
using internal::Normalised;
using internal::RowOf;
using internal::RowsOfValues;
using internal::TextReader;
using internal::TextWriter;
using Array = std::shared_ptr<arrow::Array>;
using Failed = std::function<void(int64_t row, std::string_view code, std::string_view what)>;

/// Has `append` append the stored form of each value that is not null, once for each distinct one
/// nearby.
template <typename Append>
Result<Array> MapText(const arrow::Array& values, size_t bytes_each, Append append) {
  TextWriter write(values.length(), static_cast<size_t>(values.length()) * bytes_each);
  if (values.type_id() != arrow::Type::STRING && values.type_id() != arrow::Type::BINARY) {
    TextReader read(values);
    for (int64_t row = 0; row < values.length(); ++row) {
      if (read.IsNull(row)) {
        write.Null();
        continue;
      }
      append(read(row), write.bytes());
      write.EndValue();
    }
    return write.Finish();
  }
  const auto& texts = static_cast<const arrow::BinaryArray&>(values);
  internal::RecentValues recent(texts);
  for (int64_t row = 0; row < texts.length(); ++row) {
    if (texts.IsNull(row)) {
      write.Null();
      continue;
    }
    const std::string_view value = texts.GetView(row);
    if (const auto before = recent.Find(value, row)) {
      write.Repeat(*before);
      continue;
    }
    append(value, write.bytes());
    write.EndValue();
  }
  return write.Finish();
}

void AppendEncoded(std::span<const std::byte> bytes, std::string& out) {
  const size_t begin = out.size();
  out.resize(begin + internal::Base64UrlSize(bytes.size()));
  internal::EncodeBase64Url(bytes, out.data() + begin);
}

void AppendEncoded(std::string_view bytes, std::string& out) {
  AppendEncoded(std::as_bytes(std::span(bytes.data(), bytes.size())), out);
}

}  // namespace

// What one field needs, made ready once.
struct FieldPlan {
  event::FieldPath path;
  const event::Field* field = nullptr;
  std::string name;    // As messages show it.
  std::string column;  // The outermost one's.
  std::string rule_text;
  std::string group;
  std::string prefix;  // Of kHash (keyed) and kTokenize, with the newest key.
  std::optional<internal::HmacSha256> hmac;
  std::optional<NumberedKey> token_key;
  std::optional<event::Generalisation> general;

  Result<Array> Replace(const Array& values, const arrow::Field& outer,
                        const internal::ReplaceLeaf& replace) const {
    return internal::ReplaceAt(values, outer, std::span(path).subspan(1),
                               field->privacy.action == PrivacyAction::kDrop, {}, replace);
  }
};

struct Protector::Plan {
  std::shared_ptr<const event::Contract> contract;
  Keys keys;
  std::string tenant;
  std::vector<FieldPlan> fields;
  std::optional<size_t> subject;  // Index of its field.
  uint32_t subject_kid = 0;
  bool sensitive = false;

  Result<Array> Apply(const FieldPlan& plan, const arrow::Array& values, const RowsOfValues& rows,
                      const Array& subjects, const Failed& failed) const;
  Result<Array> Encrypt(const FieldPlan& plan, const arrow::Array& values, const RowsOfValues& rows,
                        const Array& subjects, const Failed& failed) const;
  Result<Array> Seal(const arrow::Array& values, os::Timestamp now) const;
  Result<Array> Unprotect(std::string_view made_under, const Array& values) const;
  Result<Array> SubjectsOf(const Batch& stored) const;
};

Protector::Protector(std::unique_ptr<Plan> plan) : plan_(std::move(plan)) {}
Protector::~Protector() = default;

Result<std::shared_ptr<const Protector>> Protector::Make(
    std::shared_ptr<const event::Contract> contract, const Keys& keys, std::string_view tenant) {
  auto plan = std::unique_ptr<Plan>(new Plan{.contract = std::move(contract),
                                             .keys = keys,
                                             .tenant = std::string(tenant),
                                             .fields = {},
                                             .subject = {},
                                             .subject_kid = keys.Newest(KeyUse::kSubject).kid,
                                             .sensitive = false});
  plan->sensitive = event::IsSensitive(*plan->contract);
  Status planned;
  const auto& fields = plan->contract->fields;
  event::ForEachField(fields, [&](const event::FieldPath& path, const event::Field& field) {
    if (field.subject && path.size() == 1) plan->subject = path[0];
    if (field.privacy.action == PrivacyAction::kNone) return;
    FieldPlan made;
    made.path = path;
    made.field = &field;
    made.name = event::PathName(fields, path);
    made.column = fields[path[0]].column;
    made.rule_text = internal::RuleText(*plan->contract, path);
    made.group = event::JoinGroup(*plan->contract, path);
    if (field.privacy.action == PrivacyAction::kHash && field.privacy.unkeyed.empty()) {
      const NumberedKey key = keys.Newest(KeyUse::kHash);
      made.hmac.emplace(internal::HashKeyOf(key, tenant, made.group));
      made.prefix = internal::PseudonymPrefix('h', key.kid);
    } else if (field.privacy.action == PrivacyAction::kTokenize) {
      made.token_key = keys.Newest(KeyUse::kToken);
      made.prefix = internal::PseudonymPrefix('s', made.token_key->kid);
    } else if (field.privacy.action == PrivacyAction::kGeneralise) {
      auto general = event::ParseGeneralisation(field.privacy.to);
      if (general.ok()) {
        made.general = *general;
      } else {
        planned = std::move(general).error();
      }
    }
    plan->fields.push_back(std::move(made));
  });
  SLUICE_RETURN_IF_ERROR(planned, "topic '{}'", plan->contract->topic);
  return std::shared_ptr<const Protector>(new Protector(std::move(plan)));
}

// `failed` hears the rows of the batch.
Result<Array> Protector::Plan::Apply(const FieldPlan& plan, const arrow::Array& values,
                                     const RowsOfValues& rows, const Array& subjects,
                                     const Failed& failed) const {
  const event::PrivacyRule& rule = plan.field->privacy;
  std::string scratch;
  switch (rule.action) {
    case PrivacyAction::kNone:
      break;
    case PrivacyAction::kDrop:
      return FromArrow(arrow::MakeArrayOfNull(values.type(), values.length()));
    case PrivacyAction::kHash:
      if (!plan.hmac) {
        return MapText(values, 64, [&](std::string_view value, std::string& out) {
          out += ToHex(internal::Sha256(Normalised(rule, value, scratch)));
        });
      }
      return internal::HashColumn(values, rule, *plan.hmac, plan.prefix);
    case PrivacyAction::kTokenize: {
      AesSiv cipher = internal::TokenCipher(*plan.token_key, tenant, plan.group);
      std::string sealed;
      return MapText(values, plan.prefix.size() + 64,
                     [&](std::string_view value, std::string& out) {
                       sealed.clear();
                       cipher.Seal(Normalised(rule, value, scratch), sealed);
                       out += plan.prefix;
                       AppendEncoded(sealed, out);
                     });
    }
    case PrivacyAction::kEncrypt:
      return Encrypt(plan, values, rows, subjects, failed);
    case PrivacyAction::kMask:
      return MapText(values, 32, [&](std::string_view value, std::string& out) {
        internal::AppendMasked(value, rule.keep, out);
      });
    case PrivacyAction::kGeneralise:
      return internal::Generalise(*plan.general, values, [&](int64_t value) {
        failed(RowOf(rows, value), codes::kNotGeneral,
               fmt::format("cannot be generalised to '{}': expected a time with zone, a date, an "
                           "address or a number that has such a form",
                           rule.to));
      });
  }
  return Internal("field '{}' has no rule", plan.name);
}

Result<Array> Protector::Plan::Encrypt(const FieldPlan& plan, const arrow::Array& values,
                                       const RowsOfValues& rows, const Array& subjects,
                                       const Failed& failed) const {
  struct Subject {
    std::string prefix;
    std::optional<AesSiv> cipher;  // None: destroyed.
  };
  std::unordered_map<std::string, Subject> known;
  TextReader read(values);
  TextReader read_subject(*subjects);
  TextWriter write(values.length(), 0);
  std::string sealed;
  for (int64_t value = 0; value < values.length(); ++value) {
    const int64_t row = RowOf(rows, value);
    if (read.IsNull(value)) {
      write.Null();
      continue;
    }
    if (read_subject.IsNull(row)) {
      failed(row, codes::kNoSubject, "is encrypted for its subject, and the event names none");
      write.Null();
      continue;
    }
    auto [found, added] = known.try_emplace(std::string(read_subject(row)));
    Subject& whose = found->second;
    if (added) {
      const SubjectId id = keys.IdOfSubject(tenant, found->first);
      auto key = keys.SubjectKey(subject_kid, id);
      if (key.ok()) {
        whose.prefix = internal::EncryptedPrefix(subject_kid, id);
        whose.cipher.emplace(internal::SubjectCipher(*key, tenant, plan.group));
      } else if (key.error().code() != ErrorCode::kNotFound) {
        return std::move(key).error();
      }
    }
    if (!whose.cipher) {
      failed(row, codes::kSubjectGone, "is encrypted for its subject, whose key was destroyed");
      write.Null();
      continue;
    }
    sealed.clear();
    whose.cipher->Seal(read(value), sealed);
    write.bytes() += whose.prefix;
    AppendEncoded(sealed, write.bytes());
    write.EndValue();
  }
  return write.Finish();
}

Result<Array> Protector::Plan::Seal(const arrow::Array& values, os::Timestamp now) const {
  // A clock that runs behind the oldest key seals for that key's day.
  const int32_t day = std::max(DayOf(now), keys.FirstSealingDay());
  SLUICE_ASSIGN_OR_RETURN(AesSiv cipher, internal::SealedTextCipher(keys, tenant, day));
  const std::string prefix = internal::PseudonymPrefix('x', static_cast<uint32_t>(day));
  std::string sealed;
  return MapText(values, 64, [&](std::string_view value, std::string& out) {
    sealed.clear();
    cipher.Seal(value, sealed);
    out += prefix;
    AppendEncoded(sealed, out);
  });
}

Result<ProtectedRows> Protector::Protect(const Batch& decoded, os::Timestamp now) const {
  ProtectedRows made;
  made.rows = decoded;
  if (!plan_->sensitive) return made;
  arrow::FieldVector fields = decoded->schema()->fields();
  arrow::ArrayVector columns = decoded->columns();
  const auto replace = [&](int at, Array column) {
    auto& field = fields[static_cast<size_t>(at)];
    field = field->WithType(column->type());
    columns[static_cast<size_t>(at)] = std::move(column);
  };
  Array subjects;
  if (plan_->subject) {
    subjects = decoded->GetColumnByName(plan_->contract->fields[*plan_->subject].column);
  }
  for (const FieldPlan& plan : plan_->fields) {
    const int at = decoded->schema()->GetFieldIndex(plan.column);
    if (at < 0) return Internal("decoded rows lack column '{}'", plan.column);
    const Failed failed = [&](int64_t row, std::string_view code, std::string_view what) {
      made.problems.push_back({row, code, plan.name, std::string(what)});
    };
    // What an earlier rule inside the same column made stands in `columns`.
    SLUICE_ASSIGN_OR_RETURN(
        Array column,
        plan.Replace(columns[static_cast<size_t>(at)], *fields[static_cast<size_t>(at)],
                     [&](const Array& leaf, const arrow::Field&, const RowsOfValues& rows) {
                       return plan_->Apply(plan, *leaf, rows, subjects, failed);
                     }),
        "field '{}'", plan.name);
    replace(at, std::move(column));
  }
  for (const std::string_view name : internal::kSealedColumns) {
    const int at = decoded->schema()->GetFieldIndex(std::string(name));
    if (at < 0 || decoded->column(at)->null_count() == decoded->num_rows()) continue;
    SLUICE_ASSIGN_OR_RETURN(Array column, plan_->Seal(*decoded->column(at), now));
    replace(at, std::move(column));
  }
  made.rows = arrow::RecordBatch::Make(arrow::schema(std::move(fields)), decoded->num_rows(),
                                       std::move(columns));
  return made;
}

// Stored values in clear, as far as they can be given back: else null, or as they are where the
// rule kept part of them.
Result<Array> Protector::Plan::Unprotect(std::string_view made_under, const Array& values) const {
  const PrivacyAction action = ActionOf(made_under);
  if (action != PrivacyAction::kTokenize && action != PrivacyAction::kEncrypt) return values;
  TextReader read(*values);
  TextWriter write(values->length(), 0);
  const std::string_view group = internal::GroupOf(made_under);
  for (int64_t row = 0; row < values->length(); ++row) {
    std::optional<std::string> clear;
    if (!read.IsNull(row)) {
      const auto made = internal::ReadPseudonym(read(row));
      if (made && made->kind == 's') {
        if (const auto key = keys.Get(KeyUse::kToken, made->number); key.ok()) {
          clear = internal::TokenCipher(*key, tenant, group).Open(made->sealed);
        }
      } else if (made && made->kind == 'e') {
        if (const auto key = keys.SubjectKey(made->number, made->subject); key.ok()) {
          clear = internal::SubjectCipher(*key, tenant, group).Open(made->sealed);
        }
      }
    }
    if (clear) {
      write.bytes() += *clear;
      write.EndValue();
    } else {
      write.Null();
    }
  }
  return write.Finish();
}

// Encrypting needs to know the subject, which may be a token by now.
Result<Array> Protector::Plan::SubjectsOf(const Batch& stored) const {
  if (subject) {
    const int at = stored->schema()->GetFieldIndex(contract->fields[*subject].column);
    const std::string made_under = at < 0 ? "drop" : MadeUnder(*stored->schema()->field(at));
    if (made_under.empty() || ActionOf(made_under) == PrivacyAction::kTokenize) {
      return Unprotect(made_under, stored->column(at));
    }
  }
  return FromArrow(arrow::MakeArrayOfNull(arrow::utf8(), stored->num_rows()));
}

namespace {

/// Whether values made under one rule are to be made anew under another.
bool IsStricter(std::string_view made_under, const FieldPlan& plan) {
  if (made_under == plan.rule_text) return false;
  switch (ActionOf(made_under)) {
    case PrivacyAction::kDrop:
      return false;
    case PrivacyAction::kHash:  // A plain hash can at least be hashed with a key.
      return plan.field->privacy.action == PrivacyAction::kDrop ||
             made_under.find(" unkeyed") != std::string_view::npos;
    default:
      return true;
  }
}

}  // namespace

Result<Batch> Protector::Reprotect(const Batch& stored, os::Timestamp now) const {
  if (!plan_->sensitive) return stored;
  arrow::ArrayVector columns = stored->columns();
  bool changed = false;
  const auto replace = [&](int at, Array column) {
    columns[static_cast<size_t>(at)] = std::move(column);
    changed = true;
  };
  Array subjects;  // Made when first needed: it is rare that anything changes.
  const Failed failed = [](int64_t, std::string_view, std::string_view) {};
  for (const FieldPlan& plan : plan_->fields) {
    const int at = stored->schema()->GetFieldIndex(plan.column);
    if (at < 0) continue;
    const internal::ReplaceLeaf make = [&](const Array& leaf, const arrow::Field& field,
                                           const RowsOfValues& rows) -> Result<Array> {
      const std::string made_under = MadeUnder(field);
      if (!IsStricter(made_under, plan)) return leaf;
      if (subjects == nullptr) {
        SLUICE_ASSIGN_OR_RETURN(subjects, plan_->SubjectsOf(stored));
      }
      SLUICE_ASSIGN_OR_RETURN(const Array clear, plan_->Unprotect(made_under, leaf));
      return plan_->Apply(plan, *clear, rows, subjects, failed);
    };
    const Array& before = columns[static_cast<size_t>(at)];
    if (plan.path.size() == 1 && before->type_id() != arrow::Type::LIST &&
        !IsStricter(MadeUnder(*stored->schema()->field(at)), plan)) {
      continue;
    }
    SLUICE_ASSIGN_OR_RETURN(Array column, plan.Replace(before, *stored->schema()->field(at), make),
                            "field '{}'", plan.name);
    replace(at, std::move(column));
  }
  for (const std::string_view name : internal::kSealedColumns) {
    const int at = stored->schema()->GetFieldIndex(std::string(name));
    if (at < 0 || MadeUnder(*stored->schema()->field(at)) == internal::kSealedRule) continue;
    SLUICE_ASSIGN_OR_RETURN(Array column, plan_->Seal(*stored->column(at), now));
    replace(at, std::move(column));
  }
  if (!changed) return stored;
  arrow::FieldVector fields = stored->schema()->fields();
  for (size_t i = 0; i < fields.size(); ++i) fields[i] = fields[i]->WithType(columns[i]->type());
  return arrow::RecordBatch::Make(MarkRules(*plan_->contract, arrow::schema(std::move(fields))),
                                  stored->num_rows(), std::move(columns));
}

struct Protector::Contents {
  std::vector<uint64_t> hashes;
  std::vector<int64_t> clear;  // Rows from before the topic was sensitive.
};

Result<Protector::Contents> Protector::HashContents(const Batch& stored,
                                                    const std::vector<std::string>& columns) const {
  Contents contents;
  const auto is_present = [&stored](const std::string& column) {
    return stored->schema()->GetFieldIndex(column) >= 0;
  };
  const bool all_present = std::ranges::all_of(columns, is_present);
  std::vector<std::string> present;
  if (!all_present) std::ranges::copy_if(columns, std::back_inserter(present), is_present);
  Batch compared = stored;
  const int extra = stored->schema()->GetFieldIndex("_extra");
  if (plan_->sensitive && extra >= 0 && stored->column(extra)->null_count() < stored->num_rows()) {
    TextReader read(*stored->column(extra));
    TextWriter write(stored->num_rows(), 0);
    for (int64_t row = 0; row < stored->num_rows(); ++row) {
      if (read.IsNull(row)) {
        write.Null();
        continue;
      }
      const std::string_view text = read(row);
      if (!text.starts_with("x1.")) contents.clear.push_back(row);
      const size_t dot = text.find('.', 3);
      const size_t begin = dot == std::string_view::npos ? text.size() : dot + 1;
      write.bytes() += text.substr(begin, internal::kTagCharacters);
      write.EndValue();
    }
    SLUICE_ASSIGN_OR_RETURN(Array tags, write.Finish());
    SLUICE_ASSIGN_OR_RETURN(
        compared, FromArrow(stored->SetColumn(extra, arrow::field("_extra", arrow::utf8()), tags)));
  }
  SLUICE_ASSIGN_OR_RETURN(contents.hashes,
                          columnar::HashRows(*compared, all_present ? columns : present));
  return contents;
}

Result<std::vector<uint64_t>> Protector::ContentHashes(
    const ProtectedRows& made, const std::vector<std::string>& columns) const {
  SLUICE_ASSIGN_OR_RETURN(Contents contents, HashContents(made.rows, columns));
  return std::move(contents.hashes);
}

Result<std::vector<uint64_t>> Protector::ContentHashes(
    const Batch& stored, const std::vector<std::string>& columns) const {
  SLUICE_ASSIGN_OR_RETURN(Contents contents, HashContents(stored, columns));
  std::vector<uint64_t>& hashes = contents.hashes;
  if (!plan_->sensitive) return std::move(hashes);
  for (const int64_t row : contents.clear) hashes[static_cast<size_t>(row)] = 0;
  const auto forget_unless = [&](const Array& values, std::string_view prefix) {
    if (values->type_id() != arrow::Type::STRING) {
      hashes.assign(hashes.size(), 0);  // From before the column became text.
      return;
    }
    const auto& texts = static_cast<const arrow::StringArray&>(*values);
    for (int64_t row = 0; row < texts.length(); ++row) {
      if (texts.IsValid(row) && !texts.GetView(row).starts_with(prefix)) {
        hashes[static_cast<size_t>(row)] = 0;
      }
    }
  };
  for (const FieldPlan& plan : plan_->fields) {
    const Array values = stored->GetColumnByName(plan.column);
    // Inside structs and lists the content is compared as it is: a rotation shows there.
    if (values == nullptr || plan.path.size() > 1 || values->type_id() == arrow::Type::LIST)
      continue;
    const PrivacyAction action = plan.field->privacy.action;
    if (action == PrivacyAction::kDrop) {
      for (int64_t row = 0; values->null_count() < values->length() && row < values->length();
           ++row) {
        if (values->IsValid(row)) hashes[static_cast<size_t>(row)] = 0;
      }
    } else if (!plan.prefix.empty()) {
      forget_unless(values, plan.prefix);
    } else if (action == PrivacyAction::kEncrypt) {
      forget_unless(values, internal::PseudonymPrefix('e', plan_->subject_kid));
    }
  }
  return std::move(hashes);
}

}  // namespace sluice::privacy
