#include "sluice/lake/internal/files_in_writing.h"

#include <algorithm>
#include <utility>

namespace sluice::lake::internal {

void FilesInWriting::Begin(std::string path, os::Monotonic now) {
  const std::lock_guard lock(mutex_);
  if (now - looked_ >= kTimeMax) {
    std::erase_if(begun_, [&](const auto& file) { return now - file.second >= kTimeMax; });
    looked_ = now;
  }
  begun_.insert_or_assign(std::move(path), now);
}

void FilesInWriting::End(const std::string& path) {
  const std::lock_guard lock(mutex_);
  begun_.erase(path);
}

std::unordered_set<std::string> FilesInWriting::List(os::Monotonic now,
                                                     std::chrono::milliseconds age) const {
  std::unordered_set<std::string> paths;
  const std::lock_guard lock(mutex_);
  for (const auto& [path, begun] : begun_) {
    if (now - begun < std::min<os::Monotonic::duration>(age, kTimeMax)) paths.insert(path);
  }
  return paths;
}

}  // namespace sluice::lake::internal
