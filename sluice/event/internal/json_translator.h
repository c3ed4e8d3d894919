#pragma once
/// \file
/// A JSON Schema → a contract.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/event/contract.h"
#include "sluice/event/internal/contract_rules.h"
#include "sluice/event/internal/json_annotations.h"
#include "sluice/event/internal/json_keywords.h"
#include "sluice/event/internal/problems.h"

namespace sluice::event::internal {

/// All files that one may refer to, together.
inline constexpr size_t kTextsBytesMax = 16 << 20;

/// Translates one file.
class JsonTranslator {
 public:
  /// All must outlive the translator; `files` has `name`.
  JsonTranslator(const SchemaFiles& files, const std::string& name, Problems& problems)
      : name_(name), problems_(problems), reader_(files, problems) {}

  /// Nothing: the file makes no topic, or there are problems.
  std::optional<Contract> Translate();

 private:
  struct Scope {
    std::string path;  // `items[].`, in front of a field's name.
    int depth = 0;
    Contract* event = nullptr;  // Of the event's own fields.
  };
  // What a field's schema says beside its type.
  struct Said {
    FieldNotes notes;
    bool nullable = false;
    const JsonNode* fallback = nullptr;  // `default`.
  };

  void CheckDialect(const JsonNode& root);
  /// An object's properties, and behind them the alternatives of its oneOf.
  void AddFields(const Keywords& object, const Scope& scope, std::vector<Field>& fields);
  void AddProperties(const Keywords& object, const Scope& scope, std::vector<Field>& fields,
                     std::vector<Place>& places);
  bool AddAlternative(const SchemaAt& at, const Scope& scope, std::vector<Field>& fields,
                      std::vector<Place>& places);
  bool AddField(const JsonMember& member, const SchemaAt& at, const Scope& scope, Field& field,
                Roles& roles);
  bool SetType(const SchemaAt& at, const Scope& inner, const std::string& path, Field& field,
               Said& said);
  bool SetString(const Keywords& keywords, const std::string& path, Field& field, Said& said);
  bool SetNumber(const Keywords& keywords, const std::string& path, bool integer, Field& field);
  bool SetList(const Keywords& keywords, const Scope& inner, const std::string& path, Field& field,
               Said& said);
  bool SetStruct(const Keywords& keywords, const Scope& inner, const std::string& path,
                 Field& field);
  /// The one type, but null, that values have; empty: told to the problems.
  std::string_view TypeOf(const Keywords& keywords, const std::string& path, Said& said);
  bool CheckApplies(const Keywords& keywords, std::string_view type, const std::string& path);
  void CheckOthers(const Keywords& object, const std::string& path, bool root);
  void SetDefault(const JsonNode& value, Place place, const std::string& path, Field& field);
  bool Refuse(const SchemaAt& at, std::string_view code, const std::string& path,
              std::string_view why);

  const std::string& name_;
  Problems& problems_;
  KeywordReader reader_;
  std::map<std::string, std::string> tables_;
  std::vector<const JsonNode*> open_;  // Schemas of the structs around the one in work.
  size_t count_ = 0;
  bool closed_ = false;  // The root lets no other members in.
};

}  // namespace sluice::event::internal
