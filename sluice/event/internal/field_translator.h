#pragma once
/// \file
/// The fields of a Cap'n Proto struct → those of a contract.

#include <capnp/schema.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/event/contract.h"
#include "sluice/event/internal/annotations.h"
#include "sluice/event/internal/contract_rules.h"
#include "sluice/event/internal/problems.h"
#include "sluice/event/internal/scan.h"

namespace sluice::event::internal {

/// Translates structs of one file.
class FieldTranslator {
 public:
  /// All must outlive the translator.
  FieldTranslator(const AnnotationNames& annotations, const std::vector<Token>& tokens,
                  Problems& problems)
      : annotations_(annotations), tokens_(tokens), problems_(problems) {}

  /// Adds the fields of `node` to the contract, and says which of them are its id, key and time.
  void Translate(const capnp::StructSchema& node, const std::string& struct_name,
                 Contract& contract);

 private:
  // Where a struct is met: for places and names in messages, and to end recursion.
  struct Scope {
    std::string struct_name;  // As this file declares it, if it does.
    std::string path;         // `items[].`, in front of a field's name.
    Place place;              // Of the field that has it.
    int depth = 0;
    Contract* contract = nullptr;  // Of the event's own fields, which may have roles.
  };

  void AddFields(const capnp::StructSchema& node, const Scope& scope, std::vector<Field>& fields);
  bool AddField(const capnp::StructSchema::Field& member, const Scope& scope,
                std::vector<Field>& fields);
  bool SetType(const capnp::Type& type, const Scope& inner, Field& field, Place place,
               const std::string& path);
  bool SetStruct(const capnp::StructSchema& node, Scope inner, Field& field, Place place,
                 const std::string& path);
  void SetDefault(capnp::schema::Field::Slot::Reader slot, Place place, const std::string& path,
                  Field& field);
  static FieldsAt AtOf(const Scope& scope);
  Place PlaceOf(const Scope& scope, std::string_view field_name) const;

  const AnnotationNames& annotations_;
  const std::vector<Token>& tokens_;
  Problems& problems_;
  std::vector<uint64_t> open_;  // Ids of the structs around the one in work.
  size_t count_ = 0;            // Fields of the contract in work.
};

}  // namespace sluice::event::internal
