#pragma once
/// \file
/// The packed form of Cap'n Proto: https://capnproto.org/encoding.html#packing

#include <cstddef>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"

namespace sluice::decode::internal {

/// Bytes as they stand in memory of words, which messages are read from.
struct Words {
  std::vector<uint64_t> words;

  const char* bytes() const { return reinterpret_cast<const char*>(words.data()); }
};

/// Unpacks `packed`, and puts `behind` bytes of zero after it, which are not counted in the result.
///
/// kInvalid: the text ends within a word, or would become more than `bytes_max` bytes; the message
/// has a code.
Result<size_t> Unpack(std::string_view packed, size_t bytes_max, size_t behind, Words& out);

}  // namespace sluice::decode::internal
