#pragma once
/// \file
/// Copies of files that are known by their checksum.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"

namespace sluice::os {

/// What was written.
struct CopiedBytes {
  uint64_t bytes = 0;
  uint32_t crc32c = 0;
};

/// Gives up to so many bytes at `offset`; none at the end. What it returns is valid until the next
/// call.
using ReadBytes = std::function<Result<std::string_view>(uint64_t offset, uint64_t bytes_max)>;

/// Writes what `read` gives into a new file and syncs it; its folder is the caller's to sync. Holds
/// a MiB at a time. kConflict: the file exists. kUnavailable: the disk is full or failed; what is
/// there of the file is not whole.
Result<CopiedBytes> WriteNewFile(Disk& disk, std::string_view path, OpenMode mode,
                                 const ReadBytes& read);

/// The same for the first `bytes` of an open file. kCorrupt: it is shorter.
Result<CopiedBytes> CopyToNewFile(File& from, uint64_t bytes, Disk& disk, std::string_view path,
                                  OpenMode mode = OpenMode::kCreateNew);

/// Reads a file for its size and checksum.
Result<CopiedBytes> SumOfFile(Disk& disk, std::string_view path);

}  // namespace sluice::os
