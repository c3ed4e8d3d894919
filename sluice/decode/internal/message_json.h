#pragma once
/// \file
/// One message of Cap'n Proto → the JSON of its event.

#include <capnp/common.h>
#include <kj/common.h>

#include <cstddef>
#include <string>

#include "sluice/base/error.h"
#include "sluice/decode/internal/message_layout.h"

namespace sluice::decode::internal {

/// Appends the message in `words`, which is one with its table of segments, as an object without a
/// line break in it. What JSON cannot hold (not a number, an unknown enumerant, text that is not
/// UTF-8) is written so that decoding refuses it by its path. Pointers that are null are left out.
///
/// kInvalid: a pointer leads out of the message, or several to the same bytes; or the object would
/// have more than `bytes_max` bytes (the message begins with codes::kRowTooLarge). `out` then ends
/// in part of it.
Status AppendMessage(const MessageLayout& layout, kj::ArrayPtr<const capnp::word> words,
                     size_t bytes_max, std::string& out);

}  // namespace sluice::decode::internal
