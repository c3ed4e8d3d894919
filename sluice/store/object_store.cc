#include "sluice/store/object_store.h"

namespace sluice::store {

Status CheckPath(std::string_view path) {
  if (path.find('\0') != std::string_view::npos) return Invalid("object path has a NUL byte");
  std::string_view rest = path;
  while (true) {
    const size_t slash = rest.find('/');
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == "..") {
      return Invalid("'{}' is no object path: it has the part '{}'", path, part);
    }
    if (slash == std::string_view::npos) return {};
    rest.remove_prefix(slash + 1);
  }
}

Status ObjectStore::DeleteAll(std::span<const std::string> paths) {
  for (const std::string& path : paths) SLUICE_RETURN_IF_ERROR(Delete(path));
  return {};
}

}  // namespace sluice::store
