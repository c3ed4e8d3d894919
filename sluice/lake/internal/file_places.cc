#include "sluice/lake/internal/file_places.h"

#include "sluice/base/percent.h"
#include "sluice/lake/internal/path_encoding.h"

namespace sluice::lake::internal {

Result<FilePlace> FilePlaces::Find(std::string_view path) const {
  if (!IsAbsolute(path)) {
    const std::string decoded = PercentDecode(path);
    return FilePlace{&store_, root_.empty() ? decoded : root_ + "/" + decoded};
  }
  const std::string address = CanonicalPath(path);
  const std::string own = store_.Location("") + "/";
  if (own.size() > 1 && address.starts_with(own)) {
    return FilePlace{&store_, address.substr(own.size())};
  }
  if (!foreign_) {
    return Denied("file '{}' lies outside of the table's store, which may not be read here", path);
  }
  SLUICE_ASSIGN_OR_RETURN(ForeignFile found, foreign_(address));
  return FilePlace{found.store, std::move(found.path)};
}

}  // namespace sluice::lake::internal
