#pragma once
/// \file
/// Server's side of one worker.

#include <memory>
#include <string>

#include "sluice/os/channel.h"
#include "sluice/os/process.h"
#include "sluice/worker/internal/messages.h"
#include "sluice/worker/internal/relation_sharer.h"
#include "sluice/worker/pool.h"

namespace sluice::worker::internal {

/// A process that serves queries of one tenant, one at a time. Killed on destruction; its folder of
/// spilled files goes with it.
///
/// Not thread-safe: whoever has it owns it.
class RunningWorker {
 public:
  /// Starts and waits until it is ready. `folder` is made for what it spills.
  static Result<std::unique_ptr<RunningWorker>> Start(const PoolOptions& options,
                                                      const Tenant& tenant, std::string folder,
                                                      os::Confined& confined);
  ~RunningWorker();

  /// Runs one query as Pool::Run() says. After it, reusable() tells whether there can be another.
  Result<Outcome> Run(const Query& query, os::Monotonic deadline,
                      const duck::RelationLookup& relations, RelationSharer& sharer, BodySink& sink,
                      const std::stop_token& stop, Diagnostic& diagnosis);

  bool reusable() const { return reusable_; }
  const std::string& tenant() const { return tenant_; }

 private:
  RunningWorker(const PoolOptions& options, std::string tenant, std::string folder,
                std::unique_ptr<os::Process> process, os::Descriptor socket)
      : options_(options),
        tenant_(std::move(tenant)),
        folder_(std::move(folder)),
        process_(std::move(process)),
        channel_(std::move(socket)) {}

  Status AnswerRelation(std::string_view body, const duck::RelationLookup& relations,
                        RelationSharer& sharer, os::Monotonic deadline);
  void LookAtUse();

  const PoolOptions& options_;
  const os::SystemClock clock_;
  const std::string tenant_;
  const std::string folder_;
  const std::unique_ptr<os::Process> process_;
  os::Channel channel_;
  bool reusable_ = true;
};

}  // namespace sluice::worker::internal
