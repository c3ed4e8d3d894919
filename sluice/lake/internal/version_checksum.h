#pragma once
/// \file
/// `<version>.crc`: what a version is made of, in few bytes.

#include <string>

#include "sluice/lake/internal/table_state.h"

namespace sluice::lake::internal {

/// Returns the JSON of a version's checksum file.
std::string VersionChecksum(const TableState& state);

}  // namespace sluice::lake::internal
