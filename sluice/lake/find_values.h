#pragma once
/// \file
/// Looking for given texts in every byte of a folder: the proof that they are gone.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/store/object_store.h"

namespace sluice::lake {

/// Texts of fewer bytes stand everywhere by chance.
inline constexpr size_t kFindBytesMin = 4;

struct FoundValue {
  std::string path;      ///< Of the object, as the store spells it.
  size_t value = 0;      ///< Which of those that were looked for.
  bool decoded = false;  ///< In a column of a Parquet file; else in its bytes, or in its path.
};

struct FindReport {
  int64_t objects = 0;
  int64_t bytes = 0;
  int64_t decoded = 0;                 ///< Objects of which all columns were read, too.
  int64_t found_count = 0;             ///< Once for each object, value and way.
  std::vector<FoundValue> found = {};  ///< The first 100.
  /// Objects that are called `.parquet` and are none: only their bytes were looked at.
  std::vector<std::string> not_decoded = {};
};

/// Looks at the bytes and the path of each object whose path begins with `prefix`, and, where it is
/// a Parquet file, at each text in its columns, however it is compressed.
///
/// Numbers in columns are no texts. Reads all there is; memory is that of one object and one of its
/// row groups. kInvalid: a text of fewer than kFindBytesMin bytes. kUnavailable: an object cannot
/// be read.
Result<FindReport> FindValues(store::ObjectStore& store, std::string_view prefix,
                              std::span<const std::string> values);

}  // namespace sluice::lake
