#pragma once
/// \file
/// What stands on a field or an event, whichever form of schema says it.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::event::internal {

/// One annotation. Which members have a meaning follows from its name.
struct Annotation {
  /// Its name in sluice.capnp, such as "hash"; empty if nobody knows what it means.
  std::string_view name;
  /// Whether it is one of ours. Else the user's file declares it, as an alias: its value has the
  /// type declared there.
  bool own = true;
  std::string word = {};                ///< A text, or the name of an enumerant; else empty.
  std::vector<std::string> words = {};  ///< Of normalise.
  int64_t number = 0;                   ///< Of mask.
  int64_t precision = 38;               ///< Of decimal.
  int64_t scale = 0;                    ///< Of decimal.
};

}  // namespace sluice::event::internal
