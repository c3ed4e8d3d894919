#pragma once
/// \file
/// `x-sluice` of a JSON Schema → annotations.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sluice/event/internal/annotation.h"
#include "sluice/event/internal/json_tree.h"
#include "sluice/event/internal/problems.h"

namespace sluice::event::internal {

/// What `x-sluice` says of a field. It has the annotations of sluice.capnp, by the same names, and
/// two that Cap'n Proto has in other ways.
struct FieldNotes {
  std::vector<Annotation> annotations;
  std::optional<uint32_t> ordinal;  ///< Stays with the field when it is renamed.
  std::string column;               ///< Where the name in events makes no good one.
};

/// Adds what stands in `node` to `notes`. `place`: where to point at; `path`: the field's name.
void ReadFieldNotes(const JsonNode& node, Place place, const std::string& path, FieldNotes& notes,
                    Problems& problems);

/// `x-sluice` of the event itself.
struct EventNotes {
  std::optional<std::string> topic;
  std::string retain;
  std::vector<std::string> unchecked;  ///< Keywords that are known not to be checked.
};
EventNotes ReadEventNotes(const JsonNode& node, Problems& problems);

}  // namespace sluice::event::internal
