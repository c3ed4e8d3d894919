#pragma once
/// \file
/// What holds for every contract, whatever form of schema it was read from.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/event/contract.h"
#include "sluice/event/internal/field_annotations.h"
#include "sluice/event/internal/problems.h"
#include "sluice/event/internal/scan.h"

namespace sluice::event::internal {

/// Limits of one contract.
inline constexpr size_t kFieldsMax = 1'000;  ///< Nested ones included.
inline constexpr int kDepthMax = 16;         ///< Structs and lists in each other.
inline constexpr size_t kDefaultBytesMax = 4 << 10;

/// Sets a contract's topic, table and retention, and checks them. `owner` is what makes it, as
/// messages show it: `struct 'A'`. `tables` are those made so far, each with its owner.
void SetTopic(const std::string& topic, const std::string& retain, Place place,
              const std::string& owner, std::map<std::string, std::string>& tables,
              Contract& contract, Problems& problems);

/// Where fields stand, for messages about them.
struct FieldsAt {
  std::string owner;          ///< As messages show what has them: `struct 'A'`.
  std::string path;           ///< `items[].`, in front of a field's name; empty at the top.
  Contract* event = nullptr;  ///< The contract, if they are its own fields: these may have roles.
};

/// Lets the last of `fields` have the roles in its contract.
void SetRoles(Roles roles, const FieldsAt& at, Place place, const std::string& path,
              std::vector<Field>& fields, Problems& problems);

/// Adds the field that names which of the alternatives among `fields` was sent.
void AddWhich(std::vector<Field>& fields);

/// Checks that no two of `fields` have one name or one column. `places` has one for each.
void CheckColumns(const FieldsAt& at, const std::vector<Field>& fields,
                  const std::vector<Place>& places, Problems& problems);

/// Checks that what is encrypted for its subject can know whom that is.
void CheckSubjects(const Contract& contract, Place place, Problems& problems);

}  // namespace sluice::event::internal
