#pragma once
/// \file
/// What queries run and ran.

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/os/clock.h"
#include "sluice/os/random.h"

namespace sluice::sql {

struct QueryStatus {
  std::string id;
  std::string tenant;
  std::string principal;  ///< Who asked: the token's id, `local`, or `sluice` itself.
  std::string sql;        ///< In memory only: it may have values that are nobody else's business.
  std::string state;      ///< `running`, `done`, `failed` or `cancelled`.
  os::Timestamp started{};
  int64_t elapsed_ms = 0;
  int64_t rows = 0;   ///< Of the answer so far.
  int64_t bytes = 0;  ///< Of the answer so far.
  std::string code;   ///< Of the error: `SL2201`; empty without one.
};

/// The queries that run, and the last thousand that ran.
///
/// A program that shows how things are asks again and again. Such queries are listed while they
/// run, and can be stopped, but do not push out of the list what people asked.
///
/// Thread-safe.
class QueryLog {
 public:
  QueryLog(const os::Clock& clock, os::Random& random) : clock_(clock), random_(random) {}

  /// A query that runs, until End().
  class Running {
   public:
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    const std::string& id() const { return id_; }
    std::stop_token stop() const { return stop_.get_token(); }
    void Stop() { stop_.request_stop(); }
    /// Tells how far the answer is.
    void Progress(int64_t rows, int64_t bytes);
    /// Tells how it ended; `code` is empty if well. Must be called, once.
    void End(std::string_view code);

   private:
    friend class QueryLog;
    Running(QueryLog& log, std::string id) : log_(log), id_(std::move(id)) {}
    QueryLog& log_;
    const std::string id_;
    std::stop_source stop_;
    std::atomic<int64_t> rows_{0};
    std::atomic<int64_t> bytes_{0};
  };

  struct Asker {
    std::string tenant;
    std::string principal;
    bool background = false;  ///< Nobody asked just now: a program shows something.
  };
  /// Notes a query. `id` may be the caller's own choice of up to 64 letters, digits and `-_`.
  /// kConflict: a query of that id runs. kInvalid: it is no such id.
  Result<std::shared_ptr<Running>> Begin(Asker asker, std::string sql, std::string id = {});

  /// Whose queries are meant.
  struct Of {
    std::string_view tenant;
    std::optional<std::string_view> principal = {};  ///< Absent: everybody's.
  };
  /// How many were begun since the start, those in the background left out.
  int64_t CountAsked(const Of& of) const;
  /// Newest first.
  std::vector<QueryStatus> List(const Of& of) const;
  std::optional<QueryStatus> Find(const Of& of, std::string_view id) const;
  /// Asks a running query to stop. kNotFound: there is none of this id.
  Status Cancel(const Of& of, std::string_view id);

 private:
  struct Entry {
    QueryStatus status;
    os::Monotonic begun{};
    std::weak_ptr<Running> running;
    bool background = false;
  };

  QueryStatus Describe(const Entry& entry) const;
  const Entry* Look(const Of& of, std::string_view id) const;

  const os::Clock& clock_;
  os::Random& random_;
  mutable std::mutex mutex_;   // Guards what follows.
  std::deque<Entry> entries_;  // Newest first.
  /// By tenant and principal: as many as there are tokens.
  std::map<std::pair<std::string, std::string>, int64_t, std::less<>> asked_;
};

}  // namespace sluice::sql
