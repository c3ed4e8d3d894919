#pragma once
/// \file
/// Certificate and key of the server, from files that may be replaced while it runs.

#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <mutex>
#include <string>

#include "sluice/api/http_server.h"
#include "sluice/base/error.h"
#include "sluice/os/clock.h"
#include "sluice/os/disk.h"

namespace sluice::api::internal {

/// What new connections begin TLS with: version 1.2 or newer, no renegotiation, no compression.
///
/// Thread-safe.
class Certificates {
 public:
  /// kInvalid: a file is missing, no certificate or key in PEM, or the key is not that of the
  /// certificate.
  static Result<std::unique_ptr<Certificates>> Load(TlsFiles files);

  /// Returns the context as of now. The files are looked at once a second; while those there cannot
  /// be used, the ones before stay, and the trace says so.
  std::shared_ptr<boost::asio::ssl::context> Current();

 private:
  explicit Certificates(TlsFiles files) : files_(std::move(files)) {}
  struct Texts {
    std::string certificate;
    std::string key;
    bool operator==(const Texts&) const = default;
  };
  Result<Texts> Read();
  static Result<std::shared_ptr<boost::asio::ssl::context>> Make(const Texts& texts);

  const TlsFiles files_;
  os::SystemDisk disk_;
  os::SystemClock clock_;
  std::mutex mutex_;  // Guards what follows.
  Texts tried_;       // The last ones, whether they could be used or not.
  std::shared_ptr<boost::asio::ssl::context> context_;
  os::Monotonic looked_at_{};
};

}  // namespace sluice::api::internal
