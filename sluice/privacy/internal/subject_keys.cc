#include "sluice/privacy/internal/subject_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "sluice/base/hex.h"

namespace sluice::privacy::internal {
namespace {

constexpr int kDepth = 64;

Digest Child(const Digest& seed, bool right) {
  std::array<char, 33> message{};
  std::copy_n(reinterpret_cast<const char*>(seed.data()), seed.size(), message.begin());
  message.back() = right ? 1 : 0;
  return Sha256({message.data(), message.size()});
}

bool IsRight(uint64_t subject, int depth) { return (subject >> (kDepth - 1 - depth) & 1) != 0; }

bool Covers(uint64_t first, int depth, uint64_t subject) {
  return depth == 0 || (first ^ subject) >> (kDepth - depth) == 0;
}

}  // namespace

std::map<uint64_t, SubjectKeys::Node>::const_iterator SubjectKeys::Covering(
    uint64_t subject) const {
  auto found = nodes_.upper_bound(subject);
  if (found == nodes_.begin()) return nodes_.end();
  --found;
  return Covers(found->first, found->second.depth, subject) ? found : nodes_.end();
}

std::optional<Digest> SubjectKeys::Find(uint64_t subject) const {
  const auto found = Covering(subject);
  if (found == nodes_.end()) return std::nullopt;
  Digest seed = found->second.seed;
  for (int depth = found->second.depth; depth < kDepth; ++depth) {
    seed = Child(seed, IsRight(subject, depth));
  }
  return seed;
}

void SubjectKeys::Destroy(uint64_t subject) {
  const auto found = Covering(subject);
  if (found == nodes_.end()) return;
  Node node = found->second;
  nodes_.erase(found);
  for (; node.depth < kDepth; ++node.depth) {
    const bool right = IsRight(subject, node.depth);
    const uint64_t bit = uint64_t{1} << (kDepth - 1 - node.depth);
    // The sibling: same path above, the other branch here, and zeros below.
    const uint64_t sibling = ((subject ^ bit) & ~(bit - 1));
    nodes_[sibling] = {node.depth + 1, Child(node.seed, !right)};
    node.seed = Child(node.seed, right);
  }
}

std::string SubjectKeys::ToText() const {
  std::string text;
  for (const auto& [first, node] : nodes_) {
    text += fmt::format("{}{:016x}:{}:{}", text.empty() ? "" : ",", first, node.depth,
                        ToHex(node.seed));
  }
  return text.empty() ? "none" : text;
}

std::optional<SubjectKeys> SubjectKeys::FromText(std::string_view text) {
  SubjectKeys keys;
  if (text == "none") return keys;
  while (true) {
    const std::string_view node_text = text.substr(0, text.find(','));
    const size_t colon = node_text.find(':', 17);
    uint64_t first = 0;
    Node node;
    if (node_text.size() < 18 || node_text[16] != ':' || colon == std::string_view::npos) {
      return std::nullopt;
    }
    const char* const begin = node_text.data();
    if (std::from_chars(begin, begin + 16, first, 16).ptr != begin + 16 ||
        std::from_chars(begin + 17, begin + colon, node.depth).ptr != begin + colon ||
        node.depth < 0 || node.depth > kDepth || !FromHex(node_text.substr(colon + 1), node.seed)) {
      return std::nullopt;
    }
    keys.nodes_[first] = node;
    if (node_text.size() == text.size()) return keys;
    text.remove_prefix(node_text.size() + 1);
  }
}

}  // namespace sluice::privacy::internal
