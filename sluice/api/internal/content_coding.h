#pragma once
/// \file
/// Bodies that are sent compressed.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/error.h"

namespace sluice::api::internal {

/// A body as it was before it was compressed.
struct Content {
  std::shared_ptr<std::string> storage;
  /// The body; behind its end at least 64 readable bytes, as of Request::body.
  std::string_view bytes;
};

/// Undoes a Content-Encoding: gzip (RFC 1952, also several members in a row) or zstd (RFC 8878,
/// several frames). What comes out is at most `bytes_max`, and no more than that is ever held.
///
/// kUnsupported: another coding, or several. kInvalid: the bytes are not what they should be, or
/// end too soon: with SL4005. Too many bytes come out: kInvalid with SL4130.
Result<Content> DecodeContent(std::string_view coding, std::string_view bytes, uint64_t bytes_max);

}  // namespace sluice::api::internal
