#include "sluice/ingest/ingest.h"

#include <arrow/api.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <future>
#include <set>
#include <utility>

#include "sluice/base/trace.h"
#include "sluice/ingest/internal/batch_mark.h"
#include "sluice/ingest/internal/error_quota.h"
#include "sluice/ingest/internal/error_rows.h"
#include "sluice/ingest/internal/open_errors.h"
#include "sluice/ingest/internal/topic_state.h"
#include "sluice/land/table_schema.h"
#include "sluice/privacy/seal.h"

namespace sluice::ingest {
namespace {

using columnar::Batch;
using internal::ErrorRows;
using internal::kNoIdentity;
using internal::TopicState;

constexpr size_t kErrorsShownMax = 100;
constexpr size_t kPrefetchRows = 12;  // Covers the wait for memory at some 10 ns a row.
constexpr std::string_view kSealContext = "error payload";

std::string_view ShapeName(decode::Shape shape) {
  return shape == decode::Shape::kContent ? "content" : "envelope";
}

/// Makes error rows of what could not be protected, one a row; returns which rows of the batch.
std::set<int64_t> RefuseUnprotected(const std::vector<privacy::RowProblem>& problems,
                                    const decode::TopicRows& rows,
                                    std::vector<decode::RowError>& errors) {
  std::set<int64_t> refused;
  for (const privacy::RowProblem& problem : problems) {
    if (!refused.insert(problem.row).second) continue;
    const auto at = static_cast<size_t>(problem.row);
    errors.push_back({.row = rows.rows[at],
                      .topic = rows.contract->topic,
                      .code = std::string(problem.code),
                      .path = problem.path,
                      .message = problem.message,
                      .payload = rows.payloads[at]});
  }
  return refused;
}

}  // namespace

Ingest::Ingest(const IngestOptions& options, journal::Journal& journal, land::Lander& lander,
               catalog::Catalog& catalog, store::ObjectStore& store, const privacy::Keys& keys,
               const os::Clock& clock, os::Random& random, os::Threads& threads, Metrics& metrics)
    : options_(options),
      journal_(journal),
      lander_(lander),
      catalog_(catalog),
      store_(store),
      keys_(keys),
      clock_(clock),
      own_expiry_(clock),
      expiry_(options.expiry != nullptr ? *options.expiry : own_expiry_),
      random_(random),
      threads_(threads),
      metrics_(metrics),
      ack_seconds_(metrics.GetHistogram("sluice_ingest_ack_seconds")),
      queryable_seconds_(metrics.GetHistogram("sluice_queryable_delay_seconds")),
      open_errors_(std::make_unique<internal::OpenErrors>()),
      error_quota_(std::make_unique<internal::ErrorQuota>(options.error_bytes_a_day)) {
  metrics_.GetCounter("sluice_ingest_refused_total");  // Shown from the start, as 0.
  metrics_.GetCounter("sluice_error_events_not_kept_total");
  metrics_.GetCounter("sluice_ingest_put_off_total");
}

Ingest::~Ingest() = default;

std::shared_ptr<TopicState> Ingest::Find(std::string_view topic) const {
  const std::shared_lock lock(mutex_);
  const auto found = topics_.find(std::string(topic));
  return found == topics_.end() ? nullptr : found->second;
}

std::vector<catalog::Topic> Ingest::Topics() const {
  const std::shared_lock lock(mutex_);
  std::vector<catalog::Topic> topics;
  topics.reserve(topics_.size());
  for (const auto& [name, state] : topics_) topics.push_back(state->topic);
  return topics;
}

std::unique_ptr<Ingest::Decoders> Ingest::TakeDecoders() {
  const std::lock_guard lock(decoders_mutex_);
  if (decoders_.empty()) return std::make_unique<Decoders>();
  auto decoders = std::move(decoders_.back());
  decoders_.pop_back();
  return decoders;
}

void Ingest::ReturnDecoders(std::unique_ptr<Decoders> decoders) {
  const std::lock_guard lock(decoders_mutex_);
  decoders_.push_back(std::move(decoders));
}

void Ingest::Submit(const Submission& submission, std::function<void(Result<Receipt>)> done) {
  auto draft = std::make_shared<internal::Draft>();
  draft->done = std::move(done);
  draft->wait = submission.wait;
  draft->start = clock_.Steady();
  if (lander_.Behind()) {
    metrics_.GetCounter("sluice_ingest_put_off_total").Add();
    return draft->done(Unavailable("the tables are behind; send the same body again later"));
  }
  if (submission.shape == decode::Shape::kContent) {
    Status named = event::CheckTopicName(submission.topic);
    if (named.ok() && submission.topic == catalog::kErrorsTopic) {
      named = Invalid("'{}' takes no events", submission.topic);
    }
    if (!named.ok()) return draft->done(Error(ErrorCode::kNotFound, named.error().message()));
  }

  bool denied = false;
  const decode::ContractLookup contract_of =
      [&](std::string_view name) -> std::shared_ptr<const event::Contract> {
    denied |= submission.may_send && !submission.may_send(name);
    if (name == catalog::kErrorsTopic) return nullptr;
    if (name.starts_with(catalog::kSystemPrefix) && !submission.system) return nullptr;
    const auto state = Find(name);
    return state ? state->topic.contract : nullptr;
  };
  auto decoders = TakeDecoders();
  auto decoded =
      submission.messages
          ? decoders->messages.Decode(submission.body, *submission.messages, submission.topic,
                                      contract_of, expiry_.Stamp(), options_.limits)
          : decoders->json.Decode(submission.body, submission.framing, submission.shape,
                                  submission.topic, contract_of, expiry_.Stamp(), options_.limits);
  ReturnDecoders(std::move(decoders));
  if (denied) {
    return draft->done(Denied("the token may not send to a topic of the body; nothing was kept"));
  }
  if (decoded.ok() && submission.replaces && decoded->received != 1) {
    decoded = Invalid("expected one event, found {}", decoded->received);
  }
  if (!decoded.ok()) {
    metrics_.GetCounter("sluice_ingest_refused_total").Add();
    return draft->done(std::move(decoded).error());
  }
  for (const decode::TopicRows& rows : decoded->topics) {
    const auto state = Find(rows.contract->topic);
    if (state == nullptr) continue;
    if (!state->seen->unreadable.empty()) {
      metrics_.GetCounter("sluice_ingest_put_off_total").Add();
      return draft->done(Unavailable(
          "topic '{}' takes no events, since nobody can say which ones it has: {}; put the file "
          "back from a copy, and start again",
          rows.contract->topic, state->seen->unreadable));
    }
    if (Status room = lander_.CheckRoom(state->topic.partition); !room.ok()) {
      metrics_.GetCounter("sluice_ingest_put_off_total").Add();
      return draft->done(std::move(room).error());
    }
  }
  if (const Status drafted = Draft(submission, std::move(*decoded), draft); !drafted.ok()) {
    if (drafted.error().code() == ErrorCode::kConflict || draft->refusal) {
      metrics_.GetCounter("sluice_ingest_refused_total").Add();
      draft->refusal = drafted.error();
    } else {
      trace::Error("request failed", {{"reason", drafted.error().ToString()}});
    }
    return Settle(draft, false);
  }
  Commit(std::move(draft));
}

Status Ingest::Draft(const Submission& submission, decode::Decoded decoded,
                     const std::shared_ptr<internal::Draft>& draft) {
  Receipt& receipt = draft->receipt;
  receipt.received = decoded.received;
  const internal::RequestIdentity request = IdentityOf(submission);
  for (decode::TopicRows& rows : decoded.topics) {
    const auto state = Find(rows.contract->topic);
    if (state == nullptr) return Unavailable("topic '{}' was just deleted", rows.contract->topic);
    // A new version may have come between decoding and now: the rows keep the one they were made
    // with.
    auto topic = state;
    if (state->topic.contract != rows.contract) {
      catalog::Topic older = state->topic;
      older.contract = rows.contract;
      SLUICE_ASSIGN_OR_RETURN(TopicState made,
                              internal::MakeTopicState(older, state->seen, keys_, options_.tenant));
      topic = std::make_shared<TopicState>(std::move(made));
    }
    SLUICE_ASSIGN_OR_RETURN(
        auto ids, internal::IdentifyRows(topic->contract(), rows.batch, rows.rows, request, keys_,
                                         options_.tenant));
    // From here on nothing is clear any more. The identity was made of clear values, so that it
    // does not change with the keys; the content is compared as stored, so that it can be rebuilt.
    SLUICE_ASSIGN_OR_RETURN(privacy::ProtectedRows stored,
                            topic->protector->Protect(rows.batch, expiry_.Stamp()));
    SLUICE_ASSIGN_OR_RETURN(auto contents,
                            topic->protector->ContentHashes(stored, topic->content_columns));
    std::optional<uint64_t> batch_sum;
    if (request.Binds(topic->contract())) {
      batch_sum = internal::BatchSum(keys_.identity(), submission.body);
      std::fill(contents.begin(), contents.end(), *batch_sum);
    }
    const std::set<int64_t> refused = RefuseUnprotected(stored.problems, rows, decoded.errors);
    internal::Draft::Outcomes& outcomes = draft->outcomes[topic->contract().topic];
    const bool any_open_errors = !open_errors_->empty();
    int64_t replaced = 0;  // Rows of the batch that were corrected since, or of another batch.
    std::vector<int64_t> kept;
    kept.reserve(ids.size());
    Dedupe::ClaimId claim = 0;
    std::set<Dedupe::ClaimId> met;
    {
      SawReceived(expiry_.Stamp());  // The journal's time does not go back either.
      const std::lock_guard lock(topic->seen->mutex);
      if (topic->seen->closed) {
        draft->refusal = Unavailable("topic '{}' is being deleted", rows.contract->topic);
        return *draft->refusal;
      }
      Dedupe& dedupe = topic->seen->dedupe;
      const SeenAt now(expiry_.Counted(), last_received_);
      claim = dedupe.Begin();
      for (size_t i = 0; i < ids.size(); ++i) {
        if (i + kPrefetchRows < ids.size()) dedupe.Prefetch(ids[i + kPrefetchRows]);
        if (refused.contains(static_cast<int64_t>(i))) continue;
        if (ids[i] == kNoIdentity) {
          ++receipt.without_identity;
          kept.push_back(static_cast<int64_t>(i));
          continue;
        }
        const Dedupe::Answer answer = dedupe.Claim(claim, ids[i], contents[i], now);
        switch (answer.verdict) {
          case Dedupe::Verdict::kNew:
            kept.push_back(static_cast<int64_t>(i));
            if (any_open_errors) {
              const auto superseded = open_errors_->Of(ids[i]);
              draft->closes.insert(draft->closes.end(), superseded.begin(), superseded.end());
            }
            break;
          case Dedupe::Verdict::kInFlight:
            if (answer.claim != claim && met.insert(answer.claim).second) {
              ++draft->outstanding;
              dedupe.Await(answer.claim, [this, draft](bool ok) { Arrive(draft, ok); });
            }
            ++outcomes.duplicate;
            break;
          case Dedupe::Verdict::kDuplicate:
            ++outcomes.duplicate;
            break;
          case Dedupe::Verdict::kOtherContent:
            if (batch_sum) {
              ++replaced;
              break;
            }
            decoded.errors.push_back({.row = rows.rows[i],
                                      .topic = rows.contract->topic,
                                      .code = std::string(kOtherContent),
                                      .path = {},
                                      .message = "the same identity came before with other content",
                                      .payload = rows.payloads[i]});
            break;
        }
      }
    }
    if (replaced > 0 &&
        outcomes.duplicate == 0) {  // One row with this sum would prove it the same.
      draft->claims.push_back({.topic = topic, .rows = nullptr, .claim = claim});
      return Conflict(
          "SL4091: the batch came before with other content; send a new one under a new batch_id");
    }
    outcomes.duplicate += replaced;
    receipt.duplicate += outcomes.duplicate;
    if (kept.empty()) {
      draft->claims.push_back({.topic = topic, .rows = nullptr, .claim = claim});
      continue;
    }
    // From here on a failure must settle the claim, so the part is listed first.
    draft->parts.push_back({.topic = topic, .rows = nullptr, .claim = claim});
    draft->frames.emplace_back();
    SLUICE_ASSIGN_OR_RETURN(Batch frame,
                            internal::ToFrameRows(*topic, stored.rows, ids, batch_sum));
    if (kept.size() < ids.size()) {
      SLUICE_ASSIGN_OR_RETURN(frame, columnar::Take(*frame, kept));
    }
    SLUICE_ASSIGN_OR_RETURN(std::string payload, columnar::SerializeBatch(*frame));
    receipt.accepted += frame->num_rows();
    outcomes.accepted += frame->num_rows();
    draft->frames.back() = {.kind = journal::FrameKind::kData,
                            .partition = topic->topic.partition,
                            .schema_id = topic->schema_id,
                            .rows = frame->num_rows(),
                            .payload = std::move(payload)};
    draft->parts.back().rows = std::move(frame);
  }
  std::sort(decoded.errors.begin(), decoded.errors.end(),
            [](const auto& a, const auto& b) { return a.row < b.row; });
  if (submission.replaces) draft->closes.push_back(submission.replaces->offset);
  std::sort(draft->closes.begin(), draft->closes.end());
  draft->closes.erase(std::unique(draft->closes.begin(), draft->closes.end()), draft->closes.end());
  return DraftErrors(submission, request, decoded.errors, *draft);
}

internal::RequestIdentity Ingest::IdentityOf(const Submission& submission) const {
  internal::RequestIdentity request;
  if (!submission.batch_id.empty()) request.batch = submission.client + '\0' + submission.batch_id;
  if (!submission.replaces) return request;
  if (submission.replaces->id.size() == sizeof(privacy::Hash128)) {
    std::memcpy(&request.own.emplace(), submission.replaces->id.data(), sizeof(privacy::Hash128));
  } else {
    request.own =
        privacy::KeyedHash(keys_.identity(), fmt::format("error {}", submission.replaces->offset));
  }
  return request;
}

bool Ingest::IsBeyondHorizon(std::string_view topic, os::Timestamp received) const {
  const auto state = Find(topic);
  if (state == nullptr) return false;
  // A clock that stands, or was ahead then, says nothing about how long ago it was.
  const os::Timestamp now = std::max(clock_.Now(), expiry_.Counted());
  return received > now || received + state->seen->horizon / 2 < now;
}

std::string Ingest::ReplayIdentity(const Submission& submission) {
  const decode::RowError row{.row = 0,
                             .topic = submission.topic,
                             .code = {},
                             .path = {},
                             .message = {},
                             .payload = submission.body};
  const privacy::Hash128 id = IdentifyError(submission, IdentityOf(submission), row);
  return {reinterpret_cast<const char*>(&id), sizeof(id)};
}

privacy::Hash128 Ingest::IdentifyError(const Submission& submission,
                                       const internal::RequestIdentity& request,
                                       const decode::RowError& error) {
  if (error.topic.empty()) return request.own.value_or(kNoIdentity);
  const auto state = Find(error.topic);
  // Events of unknown topics may still have an `event_id`.
  static const auto unknown = internal::IdentityContract({});
  const auto contract = state != nullptr ? state->identity_contract : unknown;
  if (request.Binds(*contract)) {
    return internal::BatchRowIdentity(error.topic, request, error.row, keys_, options_.tenant);
  }
  auto decoders = TakeDecoders();
  const auto decoded = decoders->json.Decode(
      error.payload, decode::Framing::kJson, submission.shape, error.topic,
      [&](std::string_view) { return contract; }, expiry_.Stamp(), options_.limits);
  ReturnDecoders(std::move(decoders));
  if (decoded.ok() && decoded->topics.size() == 1 && decoded->topics[0].rows.size() == 1) {
    const decode::TopicRows& rows = decoded->topics[0];
    event::Contract named = *contract;
    named.topic = error.topic;
    const auto ids =
        internal::IdentifyRows(named, rows.batch, rows.rows, request, keys_, options_.tenant);
    if (ids.ok()) return ids->front();
  }
  return request.own.value_or(kNoIdentity);
}

Status Ingest::DraftErrors(const Submission& submission, const internal::RequestIdentity& request,
                           const std::vector<decode::RowError>& errors, internal::Draft& draft) {
  Receipt& receipt = draft.receipt;
  receipt.error = static_cast<int64_t>(errors.size());
  if (errors.empty() && draft.closes.empty()) return {};
  const auto topic = Find(catalog::kErrorsTopic);
  SLUICE_CHECK(topic != nullptr);
  ErrorRows rows(*topic);
  for (const decode::RowError& error : errors) {
    // Names that nobody declared must make neither metrics nor quotas grow.
    const std::string known = Find(error.topic) != nullptr ? error.topic : std::string();
    // What replaces an error is an operator's, and was kept before.
    const auto verdict =
        submission.replaces || submission.system
            ? internal::ErrorQuota::Verdict::kKeep
            : error_quota_->Take(submission.sender, known,
                                 static_cast<int64_t>(error.payload.size()), clock_.Steady());
    if (verdict == internal::ErrorQuota::Verdict::kRefuse) {
      draft.refusal = Unavailable(
          "SL4291: too many of the sender's events do not fit{}; nothing of the body was kept: "
          "mend them, or send again later",
          known.empty() ? std::string() : fmt::format(" topic '{}'", known));
      return *draft.refusal;
    }
    const bool kept = verdict == internal::ErrorQuota::Verdict::kKeep;
    if (!kept) {
      ++receipt.events_not_kept;
      metrics_.GetCounter("sluice_error_events_not_kept_total").Add();
    }
    if (receipt.errors.size() < kErrorsShownMax) {
      receipt.errors.push_back({error.row, error.code, error.path, error.message});
    }
    metrics_.GetCounter("sluice_error_events_total", fmt::format("code=\"{}\"", error.code)).Add();
    ++draft.outcomes[known].error;
    draft.error_ids.push_back(IdentifyError(submission, request, error));
    std::string sealed;
    if (kept) {
      SLUICE_ASSIGN_OR_RETURN(sealed, privacy::SealForDay(keys_, options_.tenant, expiry_.Stamp(),
                                                          error.payload, kSealContext, random_));
    }
    SLUICE_RETURN_IF_ERROR(rows.Add("open", std::nullopt, error, ShapeName(submission.shape),
                                    sealed, draft.error_ids.back()));
    if (!internal::SupersededByIdentity(error.code)) draft.error_ids.back() = kNoIdentity;
  }
  for (const journal::Offset offset : draft.closes) {
    SLUICE_RETURN_IF_ERROR(rows.Add("fixed", offset, {}, {}, {}, kNoIdentity));
  }
  SLUICE_ASSIGN_OR_RETURN(const Batch batch, rows.Finish(expiry_.Stamp()));
  SLUICE_ASSIGN_OR_RETURN(std::string payload, columnar::SerializeBatch(*batch));
  draft.frames.push_back({.kind = journal::FrameKind::kData,
                          .partition = topic->topic.partition,
                          .schema_id = topic->schema_id,
                          .rows = batch->num_rows(),
                          .payload = std::move(payload)});
  draft.parts.push_back({.topic = topic, .rows = batch, .claim = 0});
  return {};
}

void Ingest::Commit(std::shared_ptr<internal::Draft> draft) {
  if (draft->wait == WaitLevel::kNone) {
    Receipt receipt = draft->receipt;
    receipt.durable = false;
    std::exchange(draft->done, nullptr)(std::move(receipt));
  }
  std::vector<journal::NewFrame> frames = std::move(draft->frames);
  if (draft->outstanding == 1 && !draft->failed) {
    // Counted with the rows; else when all outcomes are known.
    CountDuplicates(*draft, frames);
  }
  if (frames.empty()) return Settle(draft, true);
  journal_.Append(std::move(frames), [this, draft](Result<journal::Appended> appended) {
    if (!appended.ok()) return Settle(draft, false);
    for (size_t i = 0; i < draft->parts.size(); ++i) {
      const internal::Draft::Part& part = draft->parts[i];
      const journal::Offset base = appended->bases[i];
      lander_.Add(part.topic->topic.partition, base, appended->received, part.rows);
      if (part.topic->contract().topic == catalog::kErrorsTopic) {
        for (size_t row = 0; row < draft->error_ids.size(); ++row) {
          open_errors_->Open(base + static_cast<journal::Offset>(row), draft->error_ids[row]);
        }
      } else {
        draft->receipt.offsets.push_back({.topic = part.topic->contract().topic,
                                          .partition = part.topic->topic.partition,
                                          .first = base,
                                          .last = base + part.rows->num_rows() - 1});
      }
    }
    for (const journal::Offset offset : draft->closes) open_errors_->Close(offset);
    for (const auto& [name, outcomes] : draft->outcomes) {
      const auto state = outcomes.error > 0 ? Find(name) : nullptr;
      if (state != nullptr) lander_.AddErrors(state->topic.partition, outcomes.error);
    }
    queryable_seconds_.Observe(
        std::chrono::duration<double>(clock_.Steady() - draft->start).count());
    Settle(draft, true);
  });
}

void Ingest::CountDuplicates(internal::Draft& draft, std::vector<journal::NewFrame>& frames) const {
  draft.duplicates_counted = true;
  for (const auto& [name, outcomes] : draft.outcomes) {
    const auto state = outcomes.duplicate > 0 ? Find(name) : nullptr;
    if (state == nullptr) continue;
    frames.push_back({.kind = journal::FrameKind::kDuplicates,
                      .partition = state->topic.partition,
                      .rows = outcomes.duplicate,
                      .payload = {}});
  }
}

void Ingest::Settle(const std::shared_ptr<internal::Draft>& draft, bool durable) {
  // Who met our identities in flight learns the outcome of our own rows at once: waiting here for
  // what we ourselves met would let two requests wait for each other.
  std::vector<std::function<void(bool)>> waiters;
  for (auto* const list : {&draft->parts, &draft->claims}) {
    for (const internal::Draft::Part& part : *list) {
      if (part.claim == 0) continue;
      const std::lock_guard lock(part.topic->seen->mutex);
      auto told = part.topic->seen->dedupe.Settle(part.claim, durable);
      waiters.insert(waiters.end(), std::make_move_iterator(told.begin()),
                     std::make_move_iterator(told.end()));
    }
  }
  for (const auto& waiter : waiters) waiter(durable);
  Arrive(draft, durable);
}

void Ingest::Arrive(const std::shared_ptr<internal::Draft>& draft, bool ok) {
  if (!ok) draft->failed = true;
  if (draft->outstanding.fetch_sub(1) != 1) return;
  std::vector<journal::NewFrame> counts;
  if (!draft->failed && !draft->duplicates_counted) CountDuplicates(*draft, counts);
  if (counts.empty()) return Answer(draft);
  journal_.Append(std::move(counts), [this, draft](const Result<journal::Appended>& appended) {
    if (!appended.ok()) draft->failed = true;
    Answer(draft);
  });
}

void Ingest::Count(const internal::TopicState* state, std::string_view topic, size_t outcome,
                   int64_t rows) {
  if (rows == 0) return;
  std::atomic<Counter*>* const kept = state == nullptr ? nullptr : &state->seen->counters[outcome];
  Counter* counter = kept == nullptr ? nullptr : kept->load(std::memory_order_relaxed);
  if (counter == nullptr) {
    constexpr std::array<std::string_view, internal::kOutcomes> kNames = {"received", "accepted",
                                                                          "duplicate", "error"};
    counter =
        &metrics_.GetCounter("sluice_ingest_events_total",
                             fmt::format("topic=\"{}\",outcome=\"{}\"", topic, kNames.at(outcome)));
    if (kept != nullptr) kept->store(counter, std::memory_order_relaxed);
  }
  counter->Add(rows);
}

void Ingest::Answer(const std::shared_ptr<internal::Draft>& draft) {
  const bool durable = !draft->failed;
  if (durable) {
    for (const auto& [topic, outcomes] : draft->outcomes) {
      const auto state = Find(topic);
      Count(state.get(), topic, internal::kReceived,
            outcomes.accepted + outcomes.duplicate + outcomes.error);
      Count(state.get(), topic, internal::kAccepted, outcomes.accepted);
      Count(state.get(), topic, internal::kDuplicate, outcomes.duplicate);
      if (state != nullptr && outcomes.duplicate > 0) {
        lander_.AddDuplicates(state->topic.partition, outcomes.duplicate);
      }
      Count(state.get(), topic, internal::kError, outcomes.error);
    }
    ack_seconds_.Observe(std::chrono::duration<double>(clock_.Steady() - draft->start).count());
  }
  if (!draft->done) return;
  if (draft->refusal) return draft->done(*draft->refusal);
  if (!durable) {
    return draft->done(Unavailable("the rows could not be made durable; send the same body again"));
  }
  std::vector<OffsetRange> ranges;
  if (draft->wait == WaitLevel::kTable) {
    ranges = draft->receipt.offsets;
    for (const auto& [topic, outcomes] : draft->outcomes) {
      // A duplicate promises what its original does: all that is durable now is to land.
      const auto state = outcomes.duplicate > 0 ? Find(topic) : nullptr;
      if (state == nullptr) continue;
      const uint32_t partition = state->topic.partition;
      ranges.push_back(
          {.topic = topic, .partition = partition, .last = journal_.NextOffset(partition) - 1});
    }
  }
  if (ranges.empty()) {
    draft->receipt.landed = draft->wait == WaitLevel::kTable;
    return draft->done(std::move(draft->receipt));
  }
  draft->outstanding = static_cast<int>(ranges.size());
  draft->receipt.landed = true;
  const os::Monotonic deadline =
      clock_.Steady() +
      std::chrono::duration_cast<std::chrono::microseconds>(options_.table_wait_max);
  for (const OffsetRange& range : ranges) {
    lander_.WaitLanded(range.partition, range.last, deadline, [draft](bool landed) {
      if (!landed) draft->failed = true;
      if (draft->outstanding.fetch_sub(1) != 1) return;
      draft->receipt.landed = !draft->failed;
      draft->done(std::move(draft->receipt));
    });
  }
}

Status Ingest::ResolveErrors(const std::vector<journal::Offset>& offsets, std::string_view state) {
  const auto topic = Find(catalog::kErrorsTopic);
  SLUICE_CHECK(topic != nullptr);
  ErrorRows rows(*topic);
  for (const journal::Offset offset : offsets) {
    SLUICE_RETURN_IF_ERROR(rows.Add(state, offset, {}, {}, {}, kNoIdentity));
  }
  auto draft = std::make_shared<internal::Draft>();
  draft->start = clock_.Steady();
  draft->closes = offsets;
  SLUICE_ASSIGN_OR_RETURN(const Batch batch, rows.Finish(expiry_.Stamp()));
  SLUICE_ASSIGN_OR_RETURN(std::string payload, columnar::SerializeBatch(*batch));
  draft->frames.push_back({.kind = journal::FrameKind::kData,
                           .partition = topic->topic.partition,
                           .schema_id = topic->schema_id,
                           .rows = batch->num_rows(),
                           .payload = std::move(payload)});
  draft->parts.push_back({.topic = topic, .rows = batch, .claim = 0});
  std::promise<Status> promise;
  draft->done = [&](Result<Receipt> receipt) { promise.set_value(receipt.status()); };
  Commit(draft);
  return threads_.Await(promise.get_future());
}

Result<std::string> Ingest::OpenPayload(std::string_view sealed) const {
  return privacy::UnsealOfDay(keys_, options_.tenant, sealed, kSealContext);
}

}  // namespace sluice::ingest
