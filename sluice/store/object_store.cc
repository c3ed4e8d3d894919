#include "sluice/store/object_store.h"

namespace sluice::store {

namespace {

class CollectingWriter final : public ObjectWriter {
 public:
  CollectingWriter(ObjectStore& store, std::string path) : store_(store), path_(std::move(path)) {}

  Status Write(std::string_view bytes) override {
    bytes_ += bytes;
    return {};
  }
  Status Finish() override { return store_.Put(path_, bytes_); }

 private:
  ObjectStore& store_;
  const std::string path_;
  std::string bytes_;
};

}  // namespace

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

Result<std::unique_ptr<ObjectWriter>> ObjectStore::StartPut(std::string_view path) {
  SLUICE_RETURN_IF_ERROR(CheckPath(path));
  return std::unique_ptr<ObjectWriter>(
      std::make_unique<CollectingWriter>(*this, std::string(path)));
}

Status ObjectStore::DeleteAll(std::span<const std::string> paths) {
  for (const std::string& path : paths) SLUICE_RETURN_IF_ERROR(Delete(path));
  return {};
}

}  // namespace sluice::store
