#pragma once
/// \file
/// Rows of a batch by their keys.

#include <arrow/type_fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/lake/expression.h"

namespace sluice::lake::internal {

/// Finds the rows of a batch whose key is that of another row. Null is no key.
///
/// Immutable. Thread-safe. Takes 16 bytes a row, beside the keys.
class KeyIndex {
 public:
  struct Key {
    std::shared_ptr<arrow::Field> field;  ///< Name and type in the other rows.
    std::string column;                   ///< Its name in the indexed rows.
  };

  /// kInvalid: `rows` lack a column, or its values do not fit the type. kUnsupported: more than
  /// 2^31 rows.
  static Result<KeyIndex> Of(const arrow::RecordBatch& rows, const std::vector<Key>& keys);

  struct Pair {
    int64_t row = 0;      ///< Of the batch that was asked about.
    int64_t indexed = 0;  ///< Of the index.
  };
  /// Appends all pairs of equal keys, in the order of `rows`, which have the fields of the keys.
  Status Match(const arrow::RecordBatch& rows, std::vector<Pair>& pairs) const;

  /// Returns a condition over the fields that all keys of the index meet; nothing if none can be
  /// said.
  Result<std::optional<Expression>> Range() const;

 private:
  std::vector<std::string> names_;
  columnar::Batch keys_;          // Under the names of the fields, in their types.
  std::vector<uint64_t> hashes_;  // Of keys_.
  std::vector<int32_t> slots_;    // By hash: the first row there, or -1.
  std::vector<int32_t> next_;     // The next row of the same slot, or -1.
};

}  // namespace sluice::lake::internal
