#pragma once
/// \file
/// Batches as an Arrow stream of chosen columns.

#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"

struct ArrowArrayStream;
struct ArrowSchema;

namespace sluice::duck::internal {

/// Returns `schema` without dictionaries and metadata: as queries see it.
columnar::Schema PlainSchema(const columnar::Schema& schema);

Status ExportSchema(const columnar::Schema& schema, ArrowSchema* out);

/// Exports the columns named, in that order, of all batches. Each batch is brought to `schema` when
/// it is read: columns by name, missing ones null, other types cast. What can stay where it is,
/// stays there.
Status ExportBatches(const columnar::Schema& schema, std::vector<columnar::Batch> batches,
                     const std::vector<std::string>& columns, ArrowArrayStream* out);

}  // namespace sluice::duck::internal
