#pragma once
/// \file
/// What is wrong with a schema, gathered while it is translated.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/event/contract.h"
#include "sluice/event/internal/schema_text.h"

namespace sluice::event::internal {

/// Gathers the problems of one file.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  template <typename... Args>
  void Add(Place place, std::string_view code, fmt::format_string<Args...> format, Args&&... args) {
    const bool unsupported = code == schema_codes::kNoColumn || code == schema_codes::kPrivacy ||
                             code == schema_codes::kKeyword;
    invalid_ = invalid_ || !unsupported;
    found_.push_back({file_, place, code, fmt::format(format, std::forward<Args>(args)...)});
  }

  /// All of another file's.
  void Add(Problems other) {
    invalid_ = invalid_ || other.invalid_;
    std::move(other.found_.begin(), other.found_.end(), std::back_inserter(found_));
  }

  bool empty() const { return found_.empty(); }
  /// kUnsupported if all are of things that are valid but not supported, else kInvalid.
  Error Take() && {
    return ToError(invalid_ ? ErrorCode::kInvalid : ErrorCode::kUnsupported, std::move(found_));
  }

 private:
  std::string file_;
  std::vector<Problem> found_;
  bool invalid_ = false;
};

}  // namespace sluice::event::internal
