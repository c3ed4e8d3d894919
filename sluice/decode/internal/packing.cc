#include "sluice/decode/internal/packing.h"

#include <algorithm>
#include <cstring>

#include "sluice/decode/json_decoder.h"

namespace sluice::decode::internal {

namespace {

constexpr size_t kWordBytes = 8;

}  // namespace

Result<size_t> Unpack(std::string_view packed, size_t bytes_max, size_t behind, Words& out) {
  out.words.clear();
  const auto* p = reinterpret_cast<const unsigned char*>(packed.data());
  const auto* const begin = p;
  const auto* const end = p + packed.size();
  const auto cut = [&] {
    return Invalid("{}: the packed body ends too early, within the word that begins at byte {}",
                   codes::kFraming, p - begin);
  };
  while (p != end) {
    if ((out.words.size() + 1) * kWordBytes > bytes_max) {
      return Invalid("{}: the body is more than {} bytes when it is unpacked; send fewer rows",
                     codes::kFraming, bytes_max);
    }
    const unsigned tag = *p;
    const auto* from = p + 1;
    unsigned char word[kWordBytes] = {};
    for (size_t bit = 0; bit < kWordBytes; ++bit) {
      if ((tag >> bit & 1) == 0) continue;
      if (from == end) return cut();
      word[bit] = *from++;
    }
    uint64_t value;
    std::memcpy(&value, word, kWordBytes);
    out.words.push_back(value);
    if (tag == 0 || tag == 0xff) {
      // A count follows: of words of zero, or of words that stand as they are.
      if (from == end) return cut();
      const size_t count = *from++;
      const size_t room = bytes_max / kWordBytes - out.words.size();
      if (tag == 0xff && static_cast<size_t>(end - from) < count * kWordBytes) return cut();
      if (count > room) {
        return Invalid("{}: the body is more than {} bytes when it is unpacked; send fewer rows",
                       codes::kFraming, bytes_max);
      }
      const size_t at = out.words.size();
      out.words.resize(at + count);
      if (tag == 0xff) {
        std::memcpy(out.words.data() + at, from, count * kWordBytes);
        from += count * kWordBytes;
      }
    }
    p = from;
  }
  const size_t size = out.words.size() * kWordBytes;
  out.words.resize(out.words.size() + (behind + kWordBytes - 1) / kWordBytes);
  return size;
}

}  // namespace sluice::decode::internal
