#pragma once
/// \file
/// Which tables we may read, and which we may append to.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

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

/// kUnsupported: a property of Delta that is not known here. kInvalid: its value is none that it
/// can have. Names that are not Delta's are anybody's own.
Status CheckProperty(std::string_view name, std::string_view value);

/// CheckProperty() for all, but constraints.
Status CheckNewProperties(const std::map<std::string, std::string>& properties);

/// Whether readers must know the feature, too.
bool IsReaderFeature(std::string_view feature);

/// kUnsupported: we cannot write to tables that have the feature.
Status CheckFeature(std::string_view feature);

/// Returns the features that the properties switch on.
std::vector<std::string> FeaturesAskedFor(const std::map<std::string, std::string>& properties);

/// Returns the oldest protocol that has all that `protocol` has, and the features.
Protocol WithFeatures(const Protocol& protocol, const std::vector<std::string>& features);

/// Returns the protocol of a new table: the oldest one that has what its properties ask for.
/// `timestamp_ntz`: whether its schema has such a column.
Protocol NewProtocol(const std::map<std::string, std::string>& properties, bool timestamp_ntz);

/// Parses `interval 7 days` to milliseconds; nothing if it is no such text.
std::optional<int64_t> ParseInterval(std::string_view text);

/// Returns the text of a property, or `otherwise`.
std::string_view Property(const std::map<std::string, std::string>& properties,
                          const std::string& name, std::string_view otherwise);

/// Whether a property is `true`, in any case; without it, it is not.
bool IsOn(const std::map<std::string, std::string>& properties, const std::string& name);

}  // namespace sluice::lake::internal
