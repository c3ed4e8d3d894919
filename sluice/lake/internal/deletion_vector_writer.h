#pragma once
/// \file
/// Deletion vectors: from one bit a row to what the log says.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/lake/internal/deletion_vector.h"

namespace sluice::lake::internal {

/// Encodes as ZeroMQ does; the number of bytes is a multiple of four.
std::string EncodeZ85(std::string_view bytes);

/// Encodes in the portable 64-bit Roaring form, with the smallest container for each 65,536 rows.
std::string EncodeBitmap(const RowSet& rows);

/// The file in which one commit keeps its vectors. Not thread-safe.
class DeletionVectorFile {
 public:
  /// `uuid` names the file, in its text form.
  explicit DeletionVectorFile(std::string uuid);

  /// Adds a vector of at least one row and returns what the log says of it. kUnsupported: the file
  /// would be larger than two GiB.
  Result<std::shared_ptr<const DeletionVector>> Add(const RowSet& rows);

  /// Its path in the table, as the store spells it.
  std::string path() const;
  const std::string& bytes() const { return bytes_; }

 private:
  const std::string uuid_;
  std::string bytes_;
};

}  // namespace sluice::lake::internal
