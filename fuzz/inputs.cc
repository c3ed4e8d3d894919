#include <fmt/format.h>

#include <random>

#include "fuzz/targets.h"
#include "sluice/base/crc32c.h"

namespace sluice::fuzz {

std::vector<std::string_view> Pieces(std::string_view input) {
  std::minstd_rand random(1 + Crc32c(std::as_bytes(std::span(input))));
  std::vector<std::string_view> pieces;
  while (!input.empty()) {
    const size_t most = random() % 4 == 0 ? 1 + random() % 2000 : 1 + random() % 20;
    const size_t size = std::min<size_t>(input.size(), most);
    pieces.push_back(input.substr(0, size));
    input.remove_prefix(size);
  }
  return pieces;
}

std::string WithSum(std::string_view text, std::string_view marker, bool decimal) {
  std::string out(text.substr(0, text.rfind(marker)));
  if (decimal) out += marker.substr(0, 1);  // The line break is summed up, too.
  const uint32_t sum = Crc32c(std::as_bytes(std::span(out)));
  out += decimal ? marker.substr(1) : marker;
  return out + (decimal ? fmt::format("{}\n", sum) : fmt::format("{:08x}\n", sum));
}

}  // namespace sluice::fuzz
