#pragma once
/// \file
/// Whether the bytes of a Parquet file are those that were written.

#include <memory>

#include "sluice/base/error.h"

namespace arrow::io {
class RandomAccessFile;
}  // namespace arrow::io

namespace sluice::columnar {

/// Reads every byte of a file. One that we wrote has a checksum of all of them: nothing is decoded.
/// Of others, and where it does not fit, the pages of each column are read and decompressed, and
/// compared with their own checksums where they have such, and with the footer.
///
/// kCorrupt: naming row group and column of the first damaged page, or else that something beside
/// the pages is damaged; also where the file could not be read: whoever opened it knows. Takes the
/// memory of the largest page, at most 1 GiB of a damaged file.
Status CheckParquet(const std::shared_ptr<arrow::io::RandomAccessFile>& file);

}  // namespace sluice::columnar
