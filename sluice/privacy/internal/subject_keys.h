#pragma once
/// \file
/// Keys of 2^64 subjects from one root, each of which can be destroyed alone.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/privacy/internal/hmac.h"

namespace sluice::privacy::internal {

/// A puncturable pseudo-random function: the tree of Goldreich, Goldwasser and Micali (1986), from
/// whose root every leaf follows, and of which a leaf is destroyed by putting the siblings along
/// its path in the place of their ancestor (Kiayias et al. 2013). So nothing is stored for a
/// subject until it is destroyed, which takes at most 64 nodes of 40 bytes.
///
/// Not thread-safe.
class SubjectKeys {
 public:
  explicit SubjectKeys(const Digest& root) { nodes_[0] = {0, root}; }

  /// Nothing if the subject's key was destroyed.
  std::optional<Digest> Find(uint64_t subject) const;
  void Destroy(uint64_t subject);

  /// `first:depth:seed` in hex, joined by commas, and back.
  std::string ToText() const;
  static std::optional<SubjectKeys> FromText(std::string_view text);

 private:
  /// Stands for the 2^(64 - depth) subjects from its place in the map on.
  struct Node {
    int depth = 0;
    Digest seed{};
  };
  SubjectKeys() = default;
  std::map<uint64_t, Node>::const_iterator Covering(uint64_t subject) const;

  std::map<uint64_t, Node> nodes_;
};

}  // namespace sluice::privacy::internal
