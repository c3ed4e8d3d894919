#include <algorithm>
#include <array>
#include <optional>

#include "sluice/event/internal/field_annotations.h"

namespace sluice::event::internal {

namespace {

// What an annotation says; `rule` and `sha256` gather it.
class PrivacyReader {
 public:
  PrivacyReader(Place place, const std::string& path, Field& field, Problems& problems)
      : place_(place), path_(path), field_(field), rule_(field.privacy), problems_(problems) {}

  void Read(const Annotation& annotation) {
    if (annotation.name == "subject") {
      field_.subject = true;
    } else if (annotation.name == "pii") {
      field_.pii = annotation.word.empty() && !annotation.own ? "personal" : annotation.word;
      if (field_.pii.empty()) Report("pii takes a kind such as \"contact\"");
    } else if (annotation.name == "unkeyed") {
      rule_.unkeyed = annotation.word;
      if (rule_.unkeyed.empty()) Report("unkeyed takes the reason for it");
    } else if (annotation.name == "joinGroup") {
      rule_.join_group = annotation.word;
    } else if (annotation.name == "normalise") {
      for (const std::string& how : annotation.words) {
        (how == "trim" ? rule_.trim : rule_.lower) = true;
      }
    } else if (const auto action = ActionNamed(annotation.name)) {
      actions_.push_back(*action);
      // Another file's word for the digest does not say that it goes without a key: the stricter
      // of both meanings is taken.
      sha256_ = sha256_ ||
                (action == PrivacyAction::kHash && annotation.own && annotation.word == "sha256");
      if (action == PrivacyAction::kMask) rule_.keep = static_cast<uint8_t>(annotation.number);
      if (action == PrivacyAction::kGeneralise) rule_.to = annotation.word;
    }
  }

  void Finish() {
    if (!actions_.empty()) rule_.action = actions_.front();
    if (actions_.size() > 1) {
      Report(fmt::format("{} and {} exclude each other", ToString(actions_[0]),
                         ToString(actions_[1])));
    }
    if (sha256_ != !rule_.unkeyed.empty()) {
      Report("hash(sha256) stands only beside unkeyed(\"reason\"); prefer hash(hmacSha256)");
    }
    if (const Status fits = CheckRule(rule_, InnermostType(field_)); !fits.ok()) {
      problems_.Add(place_, schema_codes::kPrivacy, "field '{}': {}", path_,
                    fits.error().message());
    }
  }

 private:
  static std::optional<PrivacyAction> ActionNamed(std::string_view name) {
    for (const auto action :
         {PrivacyAction::kHash, PrivacyAction::kTokenize, PrivacyAction::kEncrypt,
          PrivacyAction::kMask, PrivacyAction::kGeneralise, PrivacyAction::kDrop}) {
      if (ToString(action) == name) return action;
    }
    return std::nullopt;
  }

  void Report(std::string_view what) {
    problems_.Add(place_, schema_codes::kAnnotation, "field '{}': {}", path_, what);
  }

  const Place place_;
  const std::string& path_;
  Field& field_;
  PrivacyRule& rule_;
  Problems& problems_;
  std::vector<PrivacyAction> actions_;
  bool sha256_ = false;
};

}  // namespace

bool IsPrivacy(const Annotation& annotation) {
  static constexpr std::array<std::string_view, 11> kNames = {
      "pii",  "subject",    "hash", "unkeyed",   "tokenize", "encrypt",
      "mask", "generalise", "drop", "joinGroup", "normalise"};
  return std::ranges::find(kNames, annotation.name) != kNames.end();
}

void ReadPrivacy(const std::vector<Annotation>& annotations, Place place, const std::string& path,
                 Field& field, Problems& problems) {
  PrivacyReader reader(place, path, field, problems);
  for (const Annotation& annotation : annotations) reader.Read(annotation);
  reader.Finish();
}

}  // namespace sluice::event::internal
