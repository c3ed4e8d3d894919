#include "sluice/lake/parquet_rows.h"

#include <memory>

#include "sluice/columnar/parquet.h"
#include "sluice/lake/internal/store_file.h"

namespace sluice::lake {

Status ReadParquetRows(store::ObjectStore& store, const std::string& path,
                       const std::vector<std::string>& columns,
                       const std::function<Status(const columnar::Batch&)>& use) {
  const int64_t buffer_bytes = store.is_remote() ? 4 << 20 : 1 << 20;
  SLUICE_ASSIGN_OR_RETURN(const store::ObjectInfo info, store.Head(path));
  const auto file =
      std::make_shared<internal::StoreFile>(store, path, static_cast<int64_t>(info.size));
  const Status read = columnar::ReadParquet(file, columns, buffer_bytes, use);
  if (const auto failure = file->failure(); failure && !read.ok()) return *failure;
  SLUICE_RETURN_IF_ERROR(read, "file '{}'", path);
  return {};
}

}  // namespace sluice::lake
