#pragma once
/// \file
/// The project file as a JSON Schema, for editors.

#include <string_view>

namespace sluice::server {

/// Returns a JSON Schema (2020-12) of `sluice.yaml`. It knows the keys that LoadConfig() takes;
/// what a value means LoadConfig() alone decides.
std::string_view ProjectSchema();

}  // namespace sluice::server
