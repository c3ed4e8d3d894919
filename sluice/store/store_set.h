#pragma once
/// \file
/// Stores by address: folders of this machine, and buckets.

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"
#include "sluice/store/object_store.h"

namespace sluice::store {

class S3Store;

/// Whether an address names something in a bucket: `s3://` or `s3a://`.
bool IsBucketAddress(std::string_view address);

/// An object, or a folder of objects, in a store.
struct Place {
  ObjectStore* store = nullptr;
  std::string path;  ///< Relative to the store; "" is the store itself.
};

/// Opens stores as they are asked for, and keeps them.
///
/// Thread-safe.
class StoreSet {
 public:
  /// `disk` and `random` must outlive the set. Buckets take credentials and endpoint as
  /// S3OptionsFromEnvironment() finds them.
  StoreSet(os::Disk& disk, os::Random& random);
  ~StoreSet();

  /// Returns a folder, as a store of its own: `/a/b`, `a/b`, `file:///a/b` or `s3://bucket/a`.
  /// kUnsupported: another scheme. kInvalid: no such address.
  Result<Place> Folder(std::string_view address);
  /// As Folder(), for those who commit: kUnsupported if it is in a bucket that ignores conditional
  /// puts.
  Result<Place> WritableFolder(std::string_view address);
  /// Returns one object, by an absolute address.
  Result<Place> Object(std::string_view address);

 private:
  Result<ObjectStore*> Local(const std::string& folder);
  Result<S3Store*> Bucket(const std::string& name);

  os::Disk& disk_;
  os::Random& random_;
  std::mutex mutex_;  // Guards what follows.
  std::map<std::string, std::unique_ptr<ObjectStore>> folders_;
  std::map<std::string, std::unique_ptr<S3Store>> buckets_;
};

}  // namespace sluice::store
