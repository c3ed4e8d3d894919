#pragma once
/// \file
/// A JSON text as a tree that knows where each value stands.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/event/internal/problems.h"
#include "sluice/event/internal/scan.h"

namespace sluice::event::internal {

struct JsonMember;

/// One value.
struct JsonNode {
  enum class Kind : uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  Place place;
  bool truth = false;               ///< Of kBool.
  std::string text;                 ///< Of kString, unescaped; of kNumber, as written.
  std::vector<JsonNode> items;      ///< Of kArray.
  std::vector<JsonMember> members;  ///< Of kObject, in order; names are unique.

  /// The member's value, or nothing.
  const JsonNode* Find(std::string_view name) const;
};

struct JsonMember {
  std::string name;
  Place place;  ///< Of the name.
  JsonNode value;
};

/// How messages name the kind: "an object".
std::string_view ToString(JsonNode::Kind kind);

/// Reads `text`, strictly as RFC 8259 has it. False: it is no JSON, has a key twice, or nests
/// deeper than 64 levels; `problems` has what and where.
bool ReadJson(std::string_view text, JsonNode& into, Problems& problems);

}  // namespace sluice::event::internal
