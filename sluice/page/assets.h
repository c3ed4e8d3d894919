#pragma once
/// \file
/// What is served as it is: the page at `/`, `/sdk/sluice.js`, `/openapi.json`; its bytes lie in
/// the program.

#include <cstddef>
#include <span>
#include <string_view>

namespace sluice::page {

struct Asset {
  std::string_view path;          ///< `/`, `/assets/index-1f3a.js`
  std::string_view content_type;  ///< With its charset.
  std::string_view gzip;          ///< Its bytes, compressed.
  std::string_view etag;          ///< Without quotes; of the content.
  size_t bytes = 0;               ///< Its size when it is not compressed.
  bool immutable = false;         ///< Whatever is under this path never changes.
};

/// Returns all files; the bytes live as long as the program.
std::span<const Asset> Assets();

}  // namespace sluice::page
