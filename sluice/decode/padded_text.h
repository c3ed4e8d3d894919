#pragma once
/// \file
/// Text that JsonDecoder may be given.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "sluice/decode/json_decoder.h"

namespace sluice::decode {

/// Text with the readable bytes behind it that JsonDecoder asks for.
class PaddedText {
 public:
  explicit PaddedText(std::string text) : text_(std::move(text)), size_(text_.size()) {
    text_.resize(size_ + JsonDecoder::kPaddingBytes);
  }

  /// The text alone; valid until the object is moved or gone.
  std::string_view view() const { return std::string_view(text_).substr(0, size_); }

 private:
  std::string text_;
  size_t size_;
};

}  // namespace sluice::decode
