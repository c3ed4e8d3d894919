#pragma once
/// \file
/// Parquet checkpoints: reading every kind, writing the classic one and that of the second kind.

#include <arrow/io/type_fwd.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/lake/internal/actions.h"
#include "sluice/lake/internal/table_state.h"

namespace sluice::lake::internal {

/// Reads a checkpoint, or a sidecar, piece by piece. `sink` gets tens of thousands of rows at a
/// time. kCorrupt: the bytes are no checkpoint.
Status ReadCheckpoint(std::string_view bytes, const std::function<void(Actions)>& sink);
Status ReadCheckpoint(const std::shared_ptr<arrow::io::RandomAccessFile>& file,
                      const std::function<void(Actions)>& sink);

struct CheckpointBytes {
  std::string bytes;
  int64_t actions = 0;
};

/// Writes the state as one file. Tombstones and transactions that have expired at `now_ms` by the
/// table's properties are left out.
Result<CheckpointBytes> WriteCheckpoint(const TableState& state, int64_t now_ms);

/// Whether the table asks for checkpoints of the second kind: the state in one file, its files in
/// sidecars.
bool WantsSidecars(const TableState& state);

/// Writes the files and tombstones of the state, as one sidecar.
Result<CheckpointBytes> WriteSidecar(const TableState& state, int64_t now_ms);

struct Sidecar {
  std::string name;  ///< In `_sidecars`.
  int64_t size = 0;
  int64_t modified_ms = 0;
};

/// Writes all the rest of the state, which names its sidecar.
Result<CheckpointBytes> WriteCheckpointOf(const Sidecar& sidecar, const TableState& state,
                                          int64_t now_ms);

}  // namespace sluice::lake::internal
