#pragma once
/// \file
/// How the server is, at a glance: GET /v1/overview.

#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "sluice/api/router.h"
#include "sluice/api/routes.h"

namespace sluice::api::internal {

/// Thread-safe; all references must outlive it.
class OverviewRoutes {
 public:
  OverviewRoutes(const Services& services, const Hooks& hooks);

  void AddTo(Router& router);

 private:
  Response Show(const Call& call);
  /// Returns how many errors are open; a number a few seconds old if that is asked for often.
  int64_t CountOpenErrors();
  int64_t CountQueries(const govern::Principal& principal) const;
  int64_t CountEvents(std::string_view topic, std::string_view outcome) const;

  const Services services_;
  const Hooks& hooks_;
  const std::chrono::steady_clock::time_point started_;
  /// By partition: the offset that was next when the server started.
  std::map<uint32_t, int64_t> first_offsets_;

  std::mutex mutex_;  // Guards what follows.
  std::chrono::steady_clock::time_point counted_at_{};
  int64_t open_errors_ = 0;
};

}  // namespace sluice::api::internal
