#pragma once
/// \file
/// The keywords of one JSON Schema, with what it refers to put in its place.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/event/contract.h"
#include "sluice/event/internal/json_tree.h"
#include "sluice/event/internal/problems.h"

namespace sluice::event::internal {

/// A schema where it stands.
struct SchemaAt {
  const JsonNode* node = nullptr;
  const std::string* file = nullptr;  ///< Whose text it is.
  /// In another file than the one that is translated: what led there, to point at.
  std::optional<Place> from;

  Place place() const { return from.value_or(node->place); }
};

/// What a schema says, without what only describes.
struct Keywords {
  SchemaAt at;  ///< Behind all references: what tells two schemas apart.
  /// By name: the value, and the schema it stands in (of another file, perhaps).
  std::map<std::string_view, const JsonNode*, std::less<>> values;
  std::vector<const JsonNode*> notes;  ///< All `x-sluice` on the way.
  bool nullable = false;               ///< Null is said to be valid.

  const JsonNode* Find(std::string_view name) const {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : found->second;
  }
  SchemaAt Inner(const JsonNode& node) const { return {&node, at.file, at.from}; }
};

/// Reads schemas of one file and of those it refers to.
class KeywordReader {
 public:
  /// All must outlive the reader.
  KeywordReader(const SchemaFiles& files, Problems& problems);
  ~KeywordReader();

  /// The root of the file, which must be one; null if it is no JSON.
  const JsonNode* Open(const std::string& file);
  /// Sets which keywords may stand without being checked.
  void Allow(const std::vector<std::string>& unchecked, Place place);
  /// Whether the keyword `name` with that value may; false is told to the problems.
  bool MayPass(const JsonNode& value, const SchemaAt& at, std::string_view name,
               const std::string& path);

  /// False: it cannot be represented, and the problems say why. `path` is the field's name.
  bool Read(const SchemaAt& at, const std::string& path, Keywords& into);

 private:
  bool ReadAt(const SchemaAt& at, const std::string& path, int hops, Keywords& into);
  bool Follow(const SchemaAt& at, const JsonNode& reference, const std::string& path, int hops,
              Keywords& into);
  /// The one schema of `node`, anyOf or oneOf, that is not null's; null if it is not like that.
  static const JsonNode* OrNull(const JsonNode& node);
  bool CheckKeyword(const SchemaAt& at, const JsonMember& member, const std::string& path);

  const SchemaFiles& files_;
  Problems& problems_;
  std::vector<std::string> unchecked_;
  std::map<std::string, std::unique_ptr<JsonNode>> roots_;
};

}  // namespace sluice::event::internal
