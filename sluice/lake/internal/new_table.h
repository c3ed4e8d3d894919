#pragma once
/// \file
/// What the first commit of a table says of it.

#include <cstdint>
#include <string>

#include "sluice/lake/delta_table.h"
#include "sluice/lake/internal/actions.h"
#include "sluice/os/random.h"

namespace sluice::lake::internal {

struct NewTable {
  Metadata metadata;
  Protocol protocol;
};

/// Checks and completes it: ids of columns, names of hidden ones, the protocol that all of it
/// needs. `schema_json` is a schemaString of types that TableType() has. kInvalid: its columns,
/// or what it is to be partitioned by. Others as CheckNewProperties().
Result<NewTable> PlanNewTable(const std::string& schema_json, const CreateOptions& options,
                              int64_t now_ms, os::Random& random);

/// kInvalid: CheckColumnName() of one, or two of them differ by case alone.
Status CheckColumnNames(const arrow::Schema& schema, const Metadata& metadata);

}  // namespace sluice::lake::internal
