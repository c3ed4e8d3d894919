#include "sluice/lake/table_files.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string>
#include <string_view>

#include "sluice/lake/internal/log_names.h"

namespace sluice::lake {

namespace {

constexpr size_t kVersionDigits = 20;

/// The version that a file of the log is about, the last one if there are two in its name; -1 if
/// its name tells none.
Version LastVersionIn(std::string_view name) {
  Version last = -1;
  while (name.size() >= kVersionDigits) {
    Version version = 0;
    const char* const end = name.data() + kVersionDigits;
    const auto parsed = std::from_chars(name.data(), end, version);
    if (parsed.ec != std::errc() || parsed.ptr != end) break;
    last = version;
    name.remove_prefix(kVersionDigits);
    if (!name.starts_with('.')) break;
    name.remove_prefix(1);
  }
  return last;
}

bool BelongsTo(std::string_view name_in_log, Version version) {
  if (name_in_log == "_last_checkpoint") return false;
  return LastVersionIn(name_in_log) <= version;  // Sidecars have no version, and lie in a folder.
}

}  // namespace

Result<std::vector<store::ObjectInfo>> ObjectsUpTo(const DeltaTable& table,
                                                   const Snapshot& snapshot) {
  const std::string prefix = table.root().empty() ? std::string() : table.root() + "/";
  const std::string log = internal::LogFolder(table.root());
  SLUICE_ASSIGN_OR_RETURN(auto objects, table.store().List(prefix));
  std::erase_if(objects, [&](const store::ObjectInfo& object) {
    return object.path.starts_with(log) &&
           !BelongsTo(std::string_view(object.path).substr(log.size()), snapshot.version());
  });
  std::set<std::string_view> paths;
  for (const store::ObjectInfo& object : objects) paths.insert(object.path);
  for (const DataFile& file : snapshot.files()) {
    const std::string path = table.StorePath(file);
    if (path.empty()) {
      return Unsupported("table '{}': a file lies outside of its folder", table.name());
    }
    if (!paths.contains(path)) return NotFound("'{}' of version {}", path, snapshot.version());
  }
  return objects;
}

}  // namespace sluice::lake
