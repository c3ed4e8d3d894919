#pragma once
/// \file
/// Objects in a bucket of S3, or of a store that speaks its protocol.

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/os/disk.h"
#include "sluice/os/random.h"
#include "sluice/store/object_store.h"

namespace sluice::store {

struct S3Options {
  std::string bucket;
  /// `http://127.0.0.1:9000`; empty: that of AWS in `region`.
  std::string endpoint = {};
  std::string region = "us-east-1";
  std::string access_key = {};  ///< Empty: requests are not signed.
  std::string secret_key = {};
  std::string session_token = {};
  std::chrono::milliseconds time_max{30'000};  ///< One request; large ones get more by their size.
  int attempts_max = 6;                        ///< Of a request that may be sent again.
  uint64_t part_bytes = 16 << 20;              ///< Larger objects go up in such parts.
  int parts_max = 10'000;                      ///< Of one object: stores take no more.
  uint64_t object_bytes_max = 4ULL << 30;      ///< An answer with more is cut off.
  size_t list_max = 2'000'000;                 ///< Objects in one listing.
};

/// Returns the options for a bucket from the usual places: AWS_ACCESS_KEY_ID,
/// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION or AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_S3
/// or AWS_ENDPOINT_URL; else the profile AWS_PROFILE (`default`) of the files `credentials` and
/// `config` in ~/.aws. kInvalid: a file that is there cannot be understood.
Result<S3Options> S3OptionsFromEnvironment(os::Disk& disk, std::string bucket);

/// A bucket.
///
/// Requests that may be sent twice are, after a pause that grows and varies, when the store answers
/// 429 or 5xx (but 501) or not at all. A conditional put carries an id of its own: when its outcome
/// is not known, the id on the object tells ours from another writer's, so it is neither lost nor
/// written twice. Before the first one, the store is tried out: one that ignores conditions is
/// refused.
///
/// Thread-safe.
class S3Store final : public ObjectStore {
 public:
  /// `random` must outlive the store.
  S3Store(S3Options options, os::Random& random);
  ~S3Store() override;

  Result<std::string> Get(std::string_view path) override;
  Result<std::string> GetRange(std::string_view path, uint64_t offset, uint64_t size) override;
  Result<ObjectInfo> Head(std::string_view path) override;
  Status Put(std::string_view path, std::string_view bytes) override;
  /// Holds one part in memory; an object that has no second one goes up as with Put(). What a
  /// process that dies has sent stays in the bucket, unseen, until a rule of the bucket's for
  /// unfinished uploads removes it.
  Result<std::unique_ptr<ObjectWriter>> StartPut(std::string_view path) override;
  Status PutIfAbsent(std::string_view path, std::string_view bytes) override;
  Result<std::vector<ObjectInfo>> List(std::string_view prefix,
                                       std::string_view after = {}) override;
  Status Delete(std::string_view path) override;
  bool is_remote() const override { return true; }
  std::string Location(std::string_view path) const override;

  /// Tries out whether the bucket honours conditional puts; once, when that is known.
  /// kUnsupported: it does not, and nothing may be committed to it.
  Status CheckConditions();

  /// Requests sent so far, and those of them that were sent again.
  uint64_t requests() const { return requests_; }
  uint64_t retries() const { return retries_; }

 private:
  struct Request;
  struct Response;
  class Connection;
  class Upload;
  class Writer;

  Result<Response> Send(const Request& request);
  Result<Response> SendRetried(const Request& request);
  void Pause(int attempt);
  Status PutOnce(std::string_view path, std::string_view bytes, const std::string& id,
                 bool& unknown);
  std::string Url(std::string_view path, std::string_view query) const;

  const S3Options options_;
  os::Random& random_;
  std::atomic<uint64_t> requests_{0};
  std::atomic<uint64_t> retries_{0};
  std::mutex mutex_;  // Guards what follows.
  std::vector<std::unique_ptr<Connection>> idle_;
  bool probed_ = false;
};

}  // namespace sluice::store
