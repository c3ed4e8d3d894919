#pragma once
/// \file
/// Which tables we may read, and which we may append to.

#include <set>
#include <string>

#include "sluice/base/error.h"
#include "sluice/lake/internal/actions.h"

namespace sluice::lake::internal {

/// How columns of the table and columns of its files find each other.
enum class ColumnMapping : uint8_t { kNone, kName, kId };
ColumnMapping MappingOf(const Metadata& metadata);

/// Returns the features that readers, or writers, of the table must know, also those that protocol
/// versions before features imply.
std::vector<std::string> ReaderFeatures(const Protocol& protocol);
std::vector<std::string> WriterFeatures(const Protocol& protocol);

/// kUnsupported: naming the first feature or version that a reader must know and we do not.
Status CheckReadable(const Protocol& protocol, const Metadata& metadata);

/// kUnsupported: naming the first feature that an appending writer must honour and we cannot.
/// `field_features` are those that annotations of the schema switch on.
Status CheckAppendable(const Protocol& protocol, const Metadata& metadata,
                       const std::set<std::string>& field_features);

/// kUnsupported: naming the first property that asks a new table for a feature that we do not have.
Status CheckNewProperties(const std::map<std::string, std::string>& properties);

/// Returns the protocol of a new table: the oldest one that has what its properties ask for.
/// `timestamp_ntz`: whether its schema has such a column.
Protocol NewProtocol(const std::map<std::string, std::string>& properties, bool timestamp_ntz);

/// Parses `interval 7 days` to milliseconds; nothing if it is no such text.
std::optional<int64_t> ParseInterval(std::string_view text);

/// Returns the text of a property, or `otherwise`.
std::string_view Property(const std::map<std::string, std::string>& properties,
                          const std::string& name, std::string_view otherwise);

}  // namespace sluice::lake::internal
