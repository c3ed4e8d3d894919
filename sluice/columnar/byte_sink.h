#pragma once
/// \file
/// Where bytes go that are made one piece after the other.

#include <functional>
#include <string_view>

#include "sluice/base/error.h"

namespace sluice::columnar {

/// Takes bytes in order. An error ends the writing.
using ByteSink = std::function<Status(std::string_view bytes)>;

}  // namespace sluice::columnar
