#include "sluice/worker/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>

#include "sluice/os/channel.h"
#include "sluice/os/confine.h"
#include "sluice/os/process.h"
#include "sluice/worker/internal/form_writer.h"
#include "sluice/worker/internal/messages.h"
#include "sluice/worker/internal/relation_reader.h"
#include "sluice/worker/internal/role.h"

namespace sluice::worker {

namespace {

using internal::MessageType;

constexpr std::chrono::seconds kStartTimeMax{30};
constexpr int kNiceness = 10;  // Taking events comes first.
// What is mapped for reading counts as address space, though not as memory of this process.
constexpr uint64_t kMappedBytes = 8ull << 30;

uint8_t Number(MessageType type) { return static_cast<uint8_t>(type); }

/// One worker: the main thread listens, another runs the queries, so that a planner which cannot be
/// interrupted does not keep the process from seeing that its server has gone.
class Worker {
 public:
  explicit Worker(os::Channel& channel) : channel_(channel) {}

  Status Start() {
    SLUICE_ASSIGN_OR_RETURN(const auto message, channel_.Receive(clock_.Steady() + kStartTimeMax));
    if (!message || message->type != Number(MessageType::kStart)) {
      return Corrupt("the first message is no start");
    }
    internal::Start start;
    SLUICE_RETURN_IF_ERROR(internal::Decode(message->body, start));
    setpriority(PRIO_PROCESS, 0, kNiceness);

    os::Confined confined;
    duck::EngineOptions options;
    options.files_folders = start.files_folders;
    options.temporary_folder = start.temporary_folder;
    options.temporary_bytes_max = start.temporary_bytes_max;
    options.memory_bytes_max = start.memory_bytes_max;
    options.threads = start.threads;
    options.confine = [&]() -> Status {
      os::Confinement confinement;
      confinement.read_only = start.files_folders;
      confinement.read_write = {start.temporary_folder};
      confinement.data_bytes_max = start.memory_bytes_max + internal::kDataBytes;
      confinement.address_bytes_max = confinement.data_bytes_max + kMappedBytes;
      confinement.file_bytes_max = std::max<uint64_t>(start.temporary_bytes_max, 1);
      confinement.processor_seconds_max = start.processor_seconds_max;
      SLUICE_ASSIGN_OR_RETURN(confined, os::ConfineThisProcess(confinement));
      return {};
    };
    SLUICE_ASSIGN_OR_RETURN(engine_, duck::Engine::Open(options));
    return channel_.Send(Number(MessageType::kReady), internal::Encode(confined));
  }

  /// Listens until the server is gone or says what it must not.
  Status Run() {
    const std::jthread queries([this](const std::stop_token& stop) { RunQueries(stop); });
    while (true) {
      auto received = channel_.Receive();
      if (!received.ok()) {
        // The query thread may be deep in a planner: nothing to wait for, nothing to save.
        _exit(received.error().code() == ErrorCode::kUnavailable ? 0 : 1);
      }
      os::Message& message = **received;
      const std::lock_guard lock(mutex_);
      switch (static_cast<MessageType>(message.type)) {
        case MessageType::kQuery:
          query_ = std::move(message);
          stop_ = std::stop_source();
          break;
        case MessageType::kRelation:
          relation_ = std::move(message);
          break;
        case MessageType::kCancel:
          stop_.request_stop();
          break;
        default:
          _exit(1);
      }
      changed_.notify_all();
    }
  }

 private:
  void RunQueries(const std::stop_token& stop) {
    while (true) {
      os::Message message;
      std::stop_token cancelled;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait(lock, stop, [this] { return query_.has_value(); })) return;
        message = std::move(*std::exchange(query_, std::nullopt));
        cancelled = stop_.get_token();
      }
      Query query;
      internal::End end;
      if (!internal::Decode(message.body, query).ok()) _exit(1);
      RunOne(query, cancelled, end);
      if (!channel_.Send(Number(MessageType::kEnd), internal::Encode(end)).ok()) _exit(0);
    }
  }

  void RunOne(const Query& query, const std::stop_token& cancelled, internal::End& end) {
    uint64_t bytes_sent = 0;
    int64_t rows_sent = 0;
    bool too_large = false;
    const auto emit = [&](std::string_view bytes, std::optional<int64_t> rows) -> Status {
      bytes_sent += bytes.size();
      if (bytes_sent > query.limits.bytes_max) {
        too_large = true;
        return Unavailable("the answer has more than {} bytes", query.limits.bytes_max);
      }
      rows_sent = rows.value_or(rows_sent);
      const internal::BytesHead head{.rows = rows_sent, .whole_rows = rows.has_value()};
      return channel_.Send(Number(MessageType::kBytes), internal::Encode(head, bytes));
    };
    const auto writer = internal::MakeFormWriter(query.form, emit);
    const duck::QueryLimits limits{.rows_max = query.limits.rows_max,
                                   .time_max = query.limits.time_max};
    const auto ask = query.asked == Asked::kChanges ? &duck::Engine::Change : &duck::Engine::Query;
    Status status = (*engine_.*ask)(
        query.sql, [this](const auto& name) { return Find(name); }, *writer, limits, cancelled,
        query.parameters, &end.diagnosis);
    if (status.ok()) status = writer->Finish();
    end.rows = writer->rows();
    if (status.ok()) return;
    if (too_large) end.diagnosis = {.code = "SL2204"};
    end.error = std::move(status).error();
  }

  Result<std::optional<duck::Relation>> Find(const duck::RelationName& name) {
    SLUICE_RETURN_IF_ERROR(
        channel_.Send(Number(MessageType::kFindRelation), internal::Encode(name)));
    os::Message message;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return relation_.has_value(); });
      message = std::move(*std::exchange(relation_, std::nullopt));
    }
    internal::RelationAnswer answer;
    SLUICE_RETURN_IF_ERROR(internal::Decode(message.body, answer));
    if (answer.error) return *answer.error;
    if (!answer.found) return std::optional<duck::Relation>();
    SLUICE_ASSIGN_OR_RETURN(duck::Relation relation,
                            reader_.Read(std::move(answer), message.descriptors));
    return std::optional<duck::Relation>(std::move(relation));
  }

  os::Channel& channel_;
  const os::SystemClock clock_;
  std::unique_ptr<duck::Engine> engine_;
  internal::RelationReader reader_;  // The query thread's.

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable_any changed_;
  std::optional<os::Message> query_;
  std::optional<os::Message> relation_;
  std::stop_source stop_;  // Of the query at hand.
};

}  // namespace

bool IsWorker(int argc, const char* const* argv) {
  return argc == 2 && argv[1] == internal::kRole && std::getenv(internal::kRoleVariable) != nullptr;
}

int RunWorker() {
  os::Channel channel{os::Descriptor(os::Process::kSocket)};
  Worker worker(channel);
  Status status = worker.Start();
  if (!status.ok()) {
    internal::End end;
    end.error = status.error();
    [[maybe_unused]] const Status told =
        channel.Send(Number(MessageType::kEnd), internal::Encode(end));
    return 1;
  }
  status = worker.Run();
  return status.ok() ? 0 : 1;
}

}  // namespace sluice::worker
