#pragma once
/// \file
/// A small S3 on a loopback port, that fails on purpose: for tests alone.

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sluice::store::internal {

/// What one request of a kind meets instead of its answer.
struct S3Fault {
  std::string method = "PUT";
  enum class When : uint8_t {
    kBefore,  ///< Nothing is done.
    kAfter,   ///< It is done, and then answered otherwise.
    kIgnore,  ///< The condition of a put is ignored.
  };
  When when = When::kBefore;
  int status = 503;            ///< 0: the connection is closed without an answer.
  std::string path_part = {};  ///< Only of objects with this in their path.
};

/// Knows one bucket, `bucket`; keeps connections open; pages of three objects. Asks that requests
/// be signed, and does not check the signature.
///
/// Thread-safe.
class FakeS3 {
 public:
  FakeS3();
  ~FakeS3();

  std::string endpoint() const;
  /// Each fault meets one request, in this order.
  void Add(S3Fault fault);
  /// From now on conditions of puts are ignored, as some stores do.
  void IgnoreConditions() { ignore_conditions_ = true; }
  int requests() const { return requests_; }
  size_t faults_left();
  /// Objects that are being put in parts: neither finished nor given up.
  size_t uploads();

 private:
  struct Object {
    std::string bytes;
    std::string put_id;
  };
  struct Request;
  struct Answer;

  void Accept();
  void Serve(int socket);
  Answer Handle(const Request& request);
  Answer Put(const Request& request);
  Answer List(const Request& request);
  Answer Post(const Request& request);

  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> ignore_conditions_ = false;
  std::atomic<int> requests_ = 0;
  std::mutex mutex_;  // Guards what follows.
  std::map<std::string, Object> objects_;
  std::map<std::string, std::map<int, std::string>> uploads_;
  int next_upload_ = 0;
  std::vector<S3Fault> faults_;
  std::vector<int> sockets_;
  std::vector<std::jthread> threads_;
  std::jthread acceptor_;
};

}  // namespace sluice::store::internal
