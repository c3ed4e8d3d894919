#pragma once
/// \file
/// From paths in the log to objects in stores.

#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/lake/delta_table.h"
#include "sluice/store/object_store.h"

namespace sluice::lake::internal {

struct FilePlace {
  store::ObjectStore* store = nullptr;
  std::string path;
};

/// Thread-safe. What is given must outlive it.
class FilePlaces {
 public:
  FilePlaces(store::ObjectStore& store, std::string root, const ForeignFiles& foreign)
      : store_(store), root_(std::move(root)), foreign_(foreign) {}

  /// kDenied: an absolute address, and the table was opened without a way to follow such.
  Result<FilePlace> Find(std::string_view path) const;

 private:
  store::ObjectStore& store_;
  const std::string root_;
  const ForeignFiles& foreign_;
};

}  // namespace sluice::lake::internal
