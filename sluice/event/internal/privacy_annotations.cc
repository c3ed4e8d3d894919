#include <algorithm>
#include <array>

#include "sluice/event/internal/field_annotations.h"

namespace sluice::event::internal {

bool IsPrivacy(const Annotation& annotation) {
  static constexpr std::array<std::string_view, 6> kNames = {"pii",     "subject",  "hash",
                                                             "unkeyed", "tokenize", "drop"};
  return std::ranges::find(kNames, annotation.name) != kNames.end();
}

void ReadPrivacy(const std::vector<Annotation>& annotations, Place place, const std::string& path,
                 Field& field, Problems& problems) {
  bool sha256 = false;
  bool unkeyed = false;
  std::vector<std::string_view> actions;
  for (const Annotation& annotation : annotations) {
    if (annotation.name == "subject") {
      field.subject = true;
    } else if (annotation.name == "pii") {
      field.pii = annotation.word.empty() && !annotation.own ? "personal" : annotation.word;
      if (field.pii.empty()) {
        problems.Add(place, schema_codes::kAnnotation,
                     "field '{}': pii takes a kind such as \"contact\"", path);
      }
    } else if (annotation.name == "unkeyed") {
      unkeyed = true;
    } else if (annotation.name == "hash") {
      field.privacy = Privacy::kHash;
      // Another file's word for the digest does not say that it goes without a key: the stricter
      // of both meanings is taken.
      sha256 = annotation.own && annotation.word == "sha256";
      actions.push_back("hash");
    } else if (annotation.name == "tokenize") {
      field.privacy = Privacy::kTokenize;
      actions.push_back("tokenize");
    } else if (annotation.name == "drop") {
      field.privacy = Privacy::kDrop;
      actions.push_back("drop");
    }
  }
  if (actions.size() > 1) {
    problems.Add(place, schema_codes::kAnnotation, "field '{}': {} and {} exclude each other", path,
                 actions[0], actions[1]);
  }
  if (sha256 != unkeyed) {
    problems.Add(place, schema_codes::kAnnotation,
                 "field '{}': hash(sha256) stands only beside unkeyed(\"reason\"); prefer "
                 "hash(hmacSha256)",
                 path);
  }
  if (field.privacy == Privacy::kHash || field.privacy == Privacy::kTokenize) {
    problems.Add(place, schema_codes::kPrivacy,
                 "field '{}': {} is not built yet, and its values must not be stored in clear; use "
                 "drop, or leave the field out",
                 path, ToString(field.privacy));
  }
}

}  // namespace sluice::event::internal
