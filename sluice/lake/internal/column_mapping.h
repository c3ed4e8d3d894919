#pragma once
/// \file
/// Giving the fields of a table their ids and their names in files.

#include <string_view>

#include "sluice/lake/internal/actions.h"
#include "sluice/lake/internal/schema_tree.h"
#include "sluice/os/random.h"

namespace sluice::lake::internal {

/// kInvalid: the name is empty, or has characters that a table which does not map its columns
/// cannot have in its files.
Status CheckColumnName(std::string_view name, const Metadata& metadata);

/// Where the table maps its columns: gives all fields that have none an id and a random name in
/// files, and moves the largest id. kCorrupt: an id is no number.
Status MapNewFields(Metadata& metadata, os::Random& random);

/// Begins to map columns by name: they keep the names that they have in files. Annotations left by
/// others mean nothing until then, and go.
void MapFieldsAsNamed(SchemaType& schema, Metadata& metadata);

}  // namespace sluice::lake::internal
