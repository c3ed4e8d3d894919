// Ingest: which topics there are, and what makes one known.

#include <algorithm>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/in_parallel.h"
#include "sluice/base/trace.h"
#include "sluice/ingest/ingest.h"
#include "sluice/ingest/internal/topic_state.h"

namespace sluice::ingest {
namespace {

using internal::TopicState;

// Each waits for the disk to make it durable, and those that wait at the same time wait together.
constexpr int kTablesAtOnce = 16;
constexpr size_t kSchemaBytesAtOnce = 1 << 20;  // In a group of the journal.

}  // namespace

DedupeOptions Ingest::DedupeOptionsOf(const catalog::Topic& topic) const {
  const auto differs = options_.topic_dedupe.find(topic.contract->topic);
  DedupeOptions options =
      differs == options_.topic_dedupe.end() ? options_.dedupe : differs->second;
  options.folder += fmt::format("/{}", topic.partition);
  return options;
}

Result<std::shared_ptr<TopicState>> Ingest::Attach(const catalog::Topic& topic) {
  SLUICE_ASSIGN_OR_RETURN(const journal::Offset next, lander_.Open(topic));
  journal_.RaiseNextOffset(topic.partition, next);
  // Each side may know of more: the table after the loss of a journal, the journal after a crash.
  journal_.RaiseDuplicates(
      topic.partition,
      lander_.RaiseDuplicates(topic.partition, journal_.Duplicates(topic.partition)));
  const auto known = Find(topic.contract->topic);
  auto seen = known ? known->seen : std::make_shared<TopicState::Seen>(DedupeOptionsOf(topic));
  SLUICE_ASSIGN_OR_RETURN(TopicState made,
                          internal::MakeTopicState(topic, std::move(seen), keys_, options_.tenant));
  auto state = std::make_shared<TopicState>(std::move(made));
  if (known != nullptr && !internal::SameRules(known->contract(), *topic.contract)) {
    const std::lock_guard guard(state->seen->mutex);
    state->seen->dedupe.ForgetContents();
  }
  if (known == nullptr) {
    const auto labels = fmt::format("topic=\"{}\"", topic.contract->topic);
    const auto gauge = [&](std::string_view name, auto value) {
      metrics_.AddGauge(name, labels, [weak = std::weak_ptr(state->seen), value] {
        const auto topic_seen = weak.lock();
        if (topic_seen == nullptr) return 0.0;
        const std::lock_guard guard(topic_seen->mutex);
        return value(topic_seen->dedupe);
      });
    };
    metrics_.AddGauge("sluice_topic_stopped", labels, [weak = std::weak_ptr(state->seen)] {
      const auto topic_seen = weak.lock();  // What it asks for changes no more once it serves.
      return topic_seen != nullptr && !topic_seen->unreadable.empty() ? 1.0 : 0.0;
    });
    gauge("sluice_dedupe_ids",
          [](const Dedupe& dedupe) { return static_cast<double>(dedupe.size()); });
    gauge("sluice_dedupe_forgotten_early",
          [](const Dedupe& dedupe) { return static_cast<double>(dedupe.forgotten_early()); });
    gauge("sluice_dedupe_open_claims",
          [](const Dedupe& dedupe) { return static_cast<double>(dedupe.Unsettled().size()); });
    gauge("sluice_dedupe_ids_on_disk",
          [](const Dedupe& dedupe) { return static_cast<double>(dedupe.ids_on_disk()); });
    gauge("sluice_dedupe_held_seconds", [&expiry = expiry_](const Dedupe& dedupe) {
      return std::chrono::duration<double>(dedupe.Held(expiry.Counted())).count();
    });
  }
  const std::unique_lock lock(mutex_);
  topics_[topic.contract->topic] = state;
  return state;
}

Status Ingest::JournalSchemas(std::span<const TopicState> states) {
  std::vector<journal::NewFrame> frames;
  size_t bytes = 0;
  for (size_t i = 0; i < states.size(); ++i) {
    const TopicState& state = states[i];
    bytes += state.frame_schema_bytes.size();
    frames.push_back({.kind = journal::FrameKind::kSchema,
                      .partition = state.topic.partition,
                      .schema_id = state.schema_id,
                      .rows = 0,
                      .payload = state.frame_schema_bytes});
    if (bytes < kSchemaBytesAtOnce && i + 1 < states.size()) continue;
    std::promise<Status> promise;
    journal_.Append(std::exchange(frames, {}), [&](Result<journal::Appended> appended) {
      promise.set_value(appended.status());
    });
    SLUICE_RETURN_IF_ERROR(threads_.Await(promise.get_future()));
    bytes = 0;
  }
  return {};
}

Result<catalog::Topic> Ingest::Register(const event::Contract& contract) {
  SLUICE_ASSIGN_OR_RETURN(auto topics, RegisterAll({&contract, 1}));
  return std::move(topics.front());
}

Result<std::vector<catalog::Topic>> Ingest::RegisterAll(
    std::span<const event::Contract> contracts) {
  const std::lock_guard lock(register_mutex_);
  SLUICE_RETURN_IF_ERROR(CheckTopicsMax(contracts));
  SLUICE_ASSIGN_OR_RETURN(auto topics, catalog_.PutAll(contracts));
  std::vector<TopicState> changed;
  for (const catalog::Topic& topic : topics) {
    const auto known = Find(topic.contract->topic);
    if (known != nullptr && known->contract().version == topic.contract->version) continue;
    SLUICE_ASSIGN_OR_RETURN(changed.emplace_back(),
                            internal::MakeTopicState(topic, nullptr, keys_, options_.tenant));
  }
  // Schemas are durable before a row can name them, and tables are there before a row can land.
  SLUICE_RETURN_IF_ERROR(JournalSchemas(changed), "schemas of {} topics", changed.size());
  std::vector<Status> attached(changed.size());
  InParallel(changed.size(), kTablesAtOnce, [&](size_t i) {
    attached[i] = Attach(changed[i].topic).status();
    return attached[i].ok();
  });
  for (size_t i = 0; i < changed.size(); ++i) {
    SLUICE_RETURN_IF_ERROR(std::move(attached[i]), "topic '{}'", changed[i].contract().topic);
  }
  return topics;
}

Status Ingest::RegisterAtStart(std::vector<event::Contract> contracts) {
  std::vector<event::Contract> taken;
  taken.reserve(contracts.size());
  for (event::Contract& contract : contracts) {
    SLUICE_ASSIGN_OR_RETURN(const auto later, catalog_.FindLater(contract), "topic '{}'",
                            contract.topic);
    if (!later) {
      taken.push_back(std::move(contract));
      continue;
    }
    trace::Warning("schema file older than the catalog",
                   {{"topic", contract.topic}, {"version", later->contract->version}});
  }
  return RegisterAll(taken).status();
}

Result<catalog::Topic> Ingest::Remove(std::string_view topic) {
  const std::lock_guard lock(register_mutex_);
  // Without its errors or its audit the system cannot do what it promises.
  if (topic.starts_with(catalog::kSystemPrefix)) return Invalid("'{}' cannot be deleted", topic);
  const auto state = Find(topic);
  if (state == nullptr) return NotFound("there is no topic '{}'", topic);
  // All that is acknowledged lands while the catalog still knows the topic: a start takes the rows
  // of a deleted one for landed.
  Close(*state);
  const Status landed = LandAllOf(*state);
  auto removed = landed.ok() ? catalog_.Remove(topic) : Result<catalog::Topic>(landed.error());
  if (!removed.ok()) {
    const std::lock_guard seen(state->seen->mutex);
    state->seen->closed = false;
    return std::move(removed).error().Wrap(fmt::format("topic '{}' is not deleted", topic));
  }
  {
    const std::unique_lock topics(mutex_);
    topics_.erase(std::string(topic));
  }
  lander_.Drop(removed->partition);
  journal_.Release(removed->partition, journal_.NextOffset(removed->partition));
  trace::Warning("topic deleted", {{"topic", topic}, {"table", removed->table_path}});
  return removed;
}

void Ingest::Close(const TopicState& state) {
  TopicState::Seen& seen = *state.seen;
  std::vector<std::future<bool>> settled;
  {
    const std::lock_guard lock(seen.mutex);
    seen.closed = true;
    for (const Dedupe::ClaimId claim : seen.dedupe.Unsettled()) {
      const auto promise = std::make_shared<std::promise<bool>>();
      settled.push_back(promise->get_future());
      seen.dedupe.Await(claim, [promise](bool durable) { promise->set_value(durable); });
    }
  }
  for (auto& request : settled) threads_.Await(std::move(request));
}

Status Ingest::LandAllOf(const TopicState& state) {
  for (const land::TableStatus& table : lander_.Tables()) {
    if (table.partition != state.topic.partition || table.landed + 1 >= table.end) continue;
    const std::string& schema = state.topic.schema_name;
    const os::Monotonic deadline = clock_.Steady() + options_.table_wait_max;
    return lander_.BeginChange(schema, state.contract().table, deadline).status();
  }
  return {};
}

Status Ingest::CheckTopicsMax(std::span<const event::Contract> contracts) const {
  const auto counts = [](std::string_view topic) {
    return !topic.starts_with(catalog::kSystemPrefix);
  };
  const std::shared_lock lock(mutex_);
  std::set<std::string_view> added;
  for (const event::Contract& contract : contracts) {
    if (counts(contract.topic) && !topics_.contains(contract.topic)) added.insert(contract.topic);
  }
  if (added.empty()) return {};
  const auto present = static_cast<size_t>(
      std::ranges::count_if(topics_, [&](const auto& topic) { return counts(topic.first); }));
  if (present + added.size() <= options_.topics_max) return {};
  return Error(ErrorCode::kUnsupported,
               fmt::format("SL4221: there are {} topics and would be {} more, but limits.topics is "
                           "{}: delete some (`sluice topic delete`), or raise the limit",
                           present, added.size(), options_.topics_max));
}

}  // namespace sluice::ingest
