#include "sluice/worker/internal/running_worker.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "sluice/base/trace.h"
#include "sluice/worker/internal/role.h"

namespace sluice::worker::internal {

namespace {

constexpr std::chrono::milliseconds kTick{100};  // How late a stop is seen at most.

uint8_t Number(MessageType type) { return static_cast<uint8_t>(type); }

}  // namespace

Result<std::unique_ptr<RunningWorker>> RunningWorker::Start(const PoolOptions& options,
                                                            const Tenant& tenant,
                                                            std::string folder,
                                                            os::Confined& confined) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Unavailable("cannot make '{}': {}", folder, error.message());
  const os::SpawnOptions spawn{
      .program = options.program,
      .arguments = {"sluice", std::string(kRole)},
      // No thread may run before the confinement, which holds for those that come after it; no
      // address space may be taken in advance, which is limited.
      .environment = {"JE_ARROW_MALLOC_CONF=background_thread:false",
                      "ARROW_DEFAULT_MEMORY_POOL=system", fmt::format("{}=1", kRoleVariable)}};
  os::Descriptor socket;
  SLUICE_ASSIGN_OR_RETURN(auto process, os::Process::Spawn(spawn, socket));
  std::unique_ptr<RunningWorker> worker(new RunningWorker(options, tenant.name, std::move(folder),
                                                          std::move(process), std::move(socket)));
  std::vector<std::string> folders;
  for (const std::string& each : tenant.files_folders) {
    if (std::filesystem::is_directory(each, error)) folders.push_back(each);
  }
  const struct Start start{
      .files_folders = std::move(folders),
      .temporary_folder = worker->folder_,
      .memory_bytes_max = options.memory_bytes_max,
      .temporary_bytes_max = options.temporary_bytes_max,
      // A query may begin with nearly all of it used, and take it on all threads.
      .processor_seconds_max = static_cast<uint64_t>(options.processor_time_max.count()) * 2,
      .threads = options.threads,
  };
  const os::Monotonic deadline = worker->clock_.Steady() + options.start_time_max;
  SLUICE_RETURN_IF_ERROR(
      worker->channel_.Send(Number(MessageType::kStart), Encode(start), {}, deadline));
  auto message = worker->channel_.Receive(deadline);
  if (!message.ok()) {
    return Unavailable("a query worker ended at its start: {}", worker->process_->Kill());
  }
  if (!*message) return Unavailable("a query worker did not start in time");
  if ((*message)->type == Number(MessageType::kEnd)) {
    End end;
    SLUICE_RETURN_IF_ERROR(Decode((*message)->body, end));
    if (end.error) return std::move(*end.error).Wrap("start a query worker");
  }
  if ((*message)->type != Number(MessageType::kReady)) return Corrupt("a query worker is no such");
  SLUICE_RETURN_IF_ERROR(Decode((*message)->body, confined));
  return worker;
}

RunningWorker::~RunningWorker() {
  process_->Kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Status RunningWorker::AnswerRelation(std::string_view body, const duck::RelationLookup& relations,
                                     RelationSharer& sharer, os::Monotonic deadline) {
  duck::RelationName name;
  SLUICE_RETURN_IF_ERROR(Decode(body, name));
  RelationSharer::Shared shared;
  auto relation = relations(name);
  if (!relation.ok()) {
    shared.answer.error = relation.error();
  } else if (*relation) {
    auto put = sharer.Share(tenant_, std::move(**relation));
    if (put.ok()) {
      shared = std::move(*put);
    } else {
      shared.answer.error = std::move(put).error();
    }
  }
  SLUICE_ASSIGN_OR_RETURN(const std::string answer, Encode(shared.answer));
  return channel_.Send(Number(MessageType::kRelation), answer, shared.descriptors, deadline);
}

Result<Outcome> RunningWorker::Run(const Query& query, os::Monotonic deadline,
                                   const duck::RelationLookup& relations, RelationSharer& sharer,
                                   BodySink& sink, const std::stop_token& stop,
                                   Diagnostic& diagnosis) {
  Outcome outcome;
  os::Monotonic kill_at = deadline + options_.grace;
  reusable_ = false;               // Until it has said its end.
  std::optional<Error> abandoned;  // Why nobody wants the rest.
  bool stopping = false;
  const auto give_up = [&] {
    if (std::exchange(stopping, true)) return;
    const os::Monotonic now = clock_.Steady();
    kill_at = std::min(kill_at, now + options_.grace);
    [[maybe_unused]] const Status told =
        channel_.Send(Number(MessageType::kCancel), {}, {}, kill_at);
  };
  const auto abandon = [&](Error error) {
    if (!abandoned) abandoned = std::move(error);
    give_up();
  };
  const auto gone = [&](const Error& error) -> Error {
    const std::string how = process_->Kill();
    if (abandoned) return *abandoned;
    trace::Warning("query worker died", {{"reason", error.ToString()}, {"end", how}});
    diagnosis = {.code = "SL2206"};
    return Unavailable(
        "the query's process died ({}); the query may need more memory or processor "
        "time than one may have",
        how);
  };
  if (const Status sent = channel_.Send(Number(MessageType::kQuery), Encode(query), {}, kill_at);
      !sent.ok()) {
    return gone(sent.error());
  }
  while (true) {
    const os::Monotonic now = clock_.Steady();
    if (stop.stop_requested()) give_up();
    if (now >= kill_at) {
      process_->Kill();
      if (abandoned) return *abandoned;
      diagnosis = {.code = stop.stop_requested() ? "SL2205" : "SL2201"};
      if (stop.stop_requested()) return Unavailable("the query was stopped");
      return Unavailable("the query took too long");
    }
    auto received = channel_.Receive(std::min(kill_at, now + kTick));
    if (!received.ok()) return gone(received.error());
    if (!*received) continue;
    const os::Message& message = **received;
    switch (static_cast<MessageType>(message.type)) {
      case MessageType::kFindRelation: {
        const Status answered = AnswerRelation(message.body, relations, sharer, kill_at);
        if (!answered.ok()) return gone(answered.error());
        break;
      }
      case MessageType::kBytes: {
        if (abandoned) break;
        BytesHead head;
        std::string_view bytes;
        if (const Status read = Decode(message.body, head, bytes); !read.ok()) {
          return gone(read.error());
        }
        outcome.bytes += bytes.size();
        outcome.rows = head.rows;
        if (outcome.bytes > query.limits.bytes_max) {
          return gone(Corrupt("it sent more than it may"));
        }
        const Status taken =
            sink.Write(bytes, head.whole_rows ? std::optional(head.rows) : std::nullopt, deadline);
        if (!taken.ok()) {
          diagnosis = {.code = std::string(sink.ErrorCodeOfWrite())};
          abandon(taken.error());
        }
        break;
      }
      case MessageType::kEnd: {
        End end;
        if (const Status read = Decode(message.body, end); !read.ok()) return gone(read.error());
        reusable_ = true;
        LookAtUse();
        if (abandoned) return *abandoned;
        if (end.error) {
          diagnosis = std::move(end.diagnosis);
          // DuckDB is not to be trusted after these.
          if (end.error->code() == ErrorCode::kInternal || diagnosis.code == "SL2202") {
            reusable_ = false;
          }
          return *std::move(end.error);
        }
        outcome.rows = end.rows;
        return outcome;
      }
      default:
        return gone(Corrupt("it sent a message that is none of its"));
    }
  }
}

void RunningWorker::LookAtUse() {
  // Near its limit something may have failed to get memory without a word of it, and be broken.
  if (process_->PeakResidentBytes() > options_.memory_bytes_max + kDataBytes / 2 ||
      process_->ResidentBytes() > options_.resident_bytes_max ||
      process_->ProcessorMilliseconds() >
          std::chrono::milliseconds(options_.processor_time_max).count()) {
    reusable_ = false;
  }
}

}  // namespace sluice::worker::internal
