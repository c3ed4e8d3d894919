#include "sluice/ingest/ingest.h"

#include <arrow/api.h>

#include <algorithm>
#include <future>
#include <set>
#include <utility>

#include "sluice/base/trace.h"
#include "sluice/columnar/arrow_bridge.h"
#include "sluice/columnar/parquet.h"
#include "sluice/ingest/internal/topic_state.h"
#include "sluice/land/table_schema.h"
#include "sluice/privacy/seal.h"

namespace sluice::ingest {
namespace {

using columnar::Batch;
using columnar::FromArrow;
using internal::TopicState;

constexpr size_t kErrorsShownMax = 100;
constexpr std::string_view kOtherContent = "SL3040";
constexpr std::string_view kSealContext = "error payload";
const privacy::Hash128 kNoIdentity{};

std::string_view ShapeName(decode::Shape shape) {
  return shape == decode::Shape::kContent ? "content" : "envelope";
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
      random_(random),
      threads_(threads),
      metrics_(metrics) {}

Ingest::~Ingest() = default;

std::shared_ptr<TopicState> Ingest::Find(std::string_view topic) const {
  const std::shared_lock lock(mutex_);
  const auto found = topics_.find(std::string(topic));
  return found == topics_.end() ? nullptr : found->second;
}

std::vector<catalog::Topic> Ingest::Topics() const {
  const std::shared_lock lock(mutex_);
  std::vector<catalog::Topic> topics;
  for (const auto& [name, state] : topics_) topics.push_back(state->topic);
  return topics;
}

Result<std::shared_ptr<TopicState>> Ingest::Attach(const catalog::Topic& topic) {
  SLUICE_ASSIGN_OR_RETURN(const journal::Offset next, lander_.Open(topic));
  journal_.RaiseNextOffset(topic.partition, next);
  const auto known = Find(topic.contract->topic);
  auto seen = known ? known->seen : std::make_shared<TopicState::Seen>(options_.dedupe);
  auto state = std::make_shared<TopicState>(internal::MakeTopicState(topic, std::move(seen)));
  const std::unique_lock lock(mutex_);
  topics_[topic.contract->topic] = state;
  return state;
}

Status Ingest::Recover() {
  SLUICE_RETURN_IF_ERROR(catalog_.Put(ErrorsContract()).status());
  std::unordered_map<uint32_t, std::shared_ptr<TopicState>> by_partition;
  for (const catalog::Topic& topic : catalog_.All()) {
    SLUICE_ASSIGN_OR_RETURN(const auto state, Attach(topic));
    SLUICE_RETURN_IF_ERROR(RestoreFromLake(*state), "topic '{}'", topic.contract->topic);
    by_partition[topic.partition] = state;
  }

  std::unordered_map<uint64_t, columnar::Schema> schemas;
  std::set<uint32_t> begun;
  const Status read = journal_.Read([&](const journal::Frame& frame) -> Status {
    if (frame.kind == journal::FrameKind::kSchema) {
      SLUICE_ASSIGN_OR_RETURN(schemas[frame.schema_id], columnar::DeserializeSchema(frame.payload));
      return {};
    }
    const auto state = by_partition.find(frame.partition);
    if (state == by_partition.end()) {
      return Corrupt("the journal has rows of partition {}, which the catalog does not know",
                     frame.partition);
    }
    const auto schema = schemas.find(frame.schema_id);
    if (schema == schemas.end()) {
      return Corrupt("a frame of partition {} names an unknown schema", frame.partition);
    }
    SLUICE_ASSIGN_OR_RETURN(const Batch rows,
                            columnar::DeserializeBatch(schema->second, frame.payload));
    if (begun.insert(frame.partition).second) lander_.SetFirstKept(frame.partition, frame.base);
    lander_.Add(frame.partition, frame.base, frame.received, rows);
    TopicState& topic = *state->second;
    std::vector<std::string> columns;
    for (const std::string& column : topic.content_columns) {
      if (rows->GetColumnByName(column) != nullptr) columns.push_back(column);
    }
    SLUICE_ASSIGN_OR_RETURN(const auto contents, columnar::HashRows(*rows, columns));
    const auto ids = internal::StoredIds(rows);
    const std::lock_guard lock(topic.seen->mutex);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] != kNoIdentity) topic.seen->dedupe.Restore(ids[i], contents[i], frame.received);
    }
    return {};
  });
  SLUICE_RETURN_IF_ERROR(read, "recover from the journal");
  for (const auto& [partition, state] : by_partition) {
    if (!schemas.contains(state->schema_id)) SLUICE_RETURN_IF_ERROR(JournalSchema(*state));
  }
  return {};
}

Status Ingest::RestoreFromLake(TopicState& state) {
  if (!state.contract().identity.by_producer && !state.contract().identity.id_field) return {};
  const os::Timestamp since = clock_.Now() - options_.dedupe.horizon;
  std::vector<std::string> columns = state.content_columns;
  columns.emplace_back("_id");
  columns.emplace_back("_received_at");
  SLUICE_ASSIGN_OR_RETURN(const auto files, lander_.FilesSince(state.topic.partition, since));
  for (const std::string& path : files) {
    SLUICE_ASSIGN_OR_RETURN(const std::string bytes, store_.Get(path));
    SLUICE_ASSIGN_OR_RETURN(const auto batches, columnar::ReadParquet(bytes, columns));
    for (const Batch& batch : batches) {
      if (batch->GetColumnByName("_id") == nullptr) break;  // Another writer's rows.
      std::vector<std::string> present;
      for (const std::string& column : state.content_columns) {
        if (batch->GetColumnByName(column) != nullptr) present.push_back(column);
      }
      SLUICE_ASSIGN_OR_RETURN(const auto contents, columnar::HashRows(*batch, present));
      const auto ids = internal::StoredIds(batch);
      const auto received =
          std::static_pointer_cast<arrow::TimestampArray>(batch->GetColumnByName("_received_at"));
      const std::lock_guard lock(state.seen->mutex);
      for (size_t i = 0; i < ids.size(); ++i) {
        const auto row = static_cast<int64_t>(i);
        if (ids[i] == kNoIdentity || received == nullptr || received->IsNull(row)) continue;
        const os::Timestamp at{std::chrono::microseconds(received->Value(row))};
        if (at >= since) state.seen->dedupe.Restore(ids[i], contents[i], at);
      }
    }
  }
  return {};
}

Status Ingest::JournalSchema(TopicState& state) {
  std::vector<journal::NewFrame> frames;
  frames.push_back({.kind = journal::FrameKind::kSchema,
                    .partition = state.topic.partition,
                    .schema_id = state.schema_id,
                    .rows = 0,
                    .payload = state.frame_schema_bytes});
  std::promise<Status> promise;
  journal_.Append(std::move(frames), [&](Result<journal::Appended> appended) {
    promise.set_value(appended.status());
  });
  return threads_.Await(promise.get_future());
}

Result<catalog::Topic> Ingest::Register(const event::Contract& contract) {
  const std::lock_guard lock(register_mutex_);
  SLUICE_ASSIGN_OR_RETURN(const catalog::Topic topic, catalog_.Put(contract));
  if (const auto known = Find(contract.topic);
      known != nullptr && known->contract().version == topic.contract->version) {
    return topic;
  }
  // The schema is durable before a row can name it, and the table is there before a row can land.
  TopicState next = internal::MakeTopicState(topic, nullptr);
  SLUICE_RETURN_IF_ERROR(JournalSchema(next), "topic '{}'", contract.topic);
  SLUICE_RETURN_IF_ERROR(Attach(topic).status(), "topic '{}'", contract.topic);
  return topic;
}

Result<catalog::Topic> Ingest::RegisterAtStart(const event::Contract& contract) {
  auto registered = Register(contract);
  if (registered.ok() || registered.error().code() != ErrorCode::kConflict) return registered;
  const auto known = catalog_.Find(contract.topic);
  if (!known || !event::CheckSuccessor(contract, *known->contract).ok()) return registered;
  trace::Warning("schema file older than the catalog",
                 {{"topic", contract.topic}, {"version", known->contract->version}});
  return *known;
}

std::unique_ptr<decode::JsonDecoder> Ingest::TakeDecoder() {
  const std::lock_guard lock(decoders_mutex_);
  if (decoders_.empty()) return std::make_unique<decode::JsonDecoder>();
  auto decoder = std::move(decoders_.back());
  decoders_.pop_back();
  return decoder;
}

void Ingest::ReturnDecoder(std::unique_ptr<decode::JsonDecoder> decoder) {
  const std::lock_guard lock(decoders_mutex_);
  decoders_.push_back(std::move(decoder));
}

void Ingest::Submit(const Submission& submission, std::function<void(Result<Receipt>)> done) {
  auto draft = std::make_shared<internal::Draft>();
  draft->done = std::move(done);
  draft->wait = submission.wait;
  draft->start = clock_.Steady();

  auto decoder = TakeDecoder();
  auto decoded = decoder->Decode(
      submission.body, submission.framing, submission.shape, submission.topic,
      [this](std::string_view name) -> std::shared_ptr<const event::Contract> {
        if (name == catalog::kErrorsTopic) return nullptr;
        const auto state = Find(name);
        return state ? state->topic.contract : nullptr;
      },
      clock_.Now(), options_.limits);
  ReturnDecoder(std::move(decoder));
  if (!decoded.ok()) {
    metrics_.GetCounter("sluice_ingest_refused_total").Add();
    return draft->done(std::move(decoded).error());
  }
  if (const Status drafted = Draft(submission, std::move(*decoded), draft); !drafted.ok()) {
    trace::Error("request failed", {{"reason", drafted.error().ToString()}});
    return Settle(draft, false);
  }
  Commit(std::move(draft));
}

Status Ingest::Draft(const Submission& submission, decode::Decoded decoded,
                     const std::shared_ptr<internal::Draft>& draft) {
  Receipt& receipt = draft->receipt;
  receipt.received = decoded.received;
  for (decode::TopicRows& rows : decoded.topics) {
    const auto state = Find(rows.contract->topic);
    SLUICE_CHECK(state != nullptr);
    // A new version may have come between decoding and now: the rows keep the one they were made
    // with.
    auto topic = state;
    if (state->topic.contract != rows.contract) {
      catalog::Topic older = state->topic;
      older.contract = rows.contract;
      topic = std::make_shared<TopicState>(internal::MakeTopicState(older, state->seen));
    }
    SLUICE_ASSIGN_OR_RETURN(auto ids,
                            internal::IdentifyRows(*topic, rows.batch, keys_, options_.tenant,
                                                   submission.fallback_identity));
    SLUICE_ASSIGN_OR_RETURN(const auto contents,
                            columnar::HashRows(*rows.batch, topic->content_columns));
    std::vector<int64_t> kept;
    kept.reserve(ids.size());
    Dedupe::ClaimId claim = 0;
    std::set<Dedupe::ClaimId> met;
    {
      const std::lock_guard lock(topic->seen->mutex);
      Dedupe& dedupe = topic->seen->dedupe;
      const os::Timestamp now = clock_.Now();
      claim = dedupe.Begin();
      for (size_t i = 0; i < ids.size(); ++i) {
        if (ids[i] == kNoIdentity) {
          ++receipt.without_identity;
          kept.push_back(static_cast<int64_t>(i));
          continue;
        }
        const Dedupe::Answer answer = dedupe.Claim(claim, ids[i], contents[i], now);
        switch (answer.verdict) {
          case Dedupe::Verdict::kNew:
            kept.push_back(static_cast<int64_t>(i));
            break;
          case Dedupe::Verdict::kInFlight:
            if (answer.claim != claim && met.insert(answer.claim).second) {
              ++draft->outstanding;
              dedupe.Await(answer.claim, [this, draft](bool ok) { Arrive(draft, ok); });
            }
            ++receipt.duplicate;
            break;
          case Dedupe::Verdict::kDuplicate:
            ++receipt.duplicate;
            break;
          case Dedupe::Verdict::kOtherContent:
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
    if (kept.empty()) {
      draft->claims.push_back({.topic = topic, .rows = nullptr, .claim = claim});
      continue;
    }
    // From here on a failure must settle the claim, so the part is listed first.
    draft->parts.push_back({.topic = topic, .rows = nullptr, .claim = claim});
    draft->frames.emplace_back();
    SLUICE_ASSIGN_OR_RETURN(Batch frame, internal::ToFrameRows(*topic, rows.batch, ids));
    if (kept.size() < ids.size()) {
      SLUICE_ASSIGN_OR_RETURN(frame, columnar::Take(*frame, kept));
    }
    SLUICE_ASSIGN_OR_RETURN(std::string payload, columnar::SerializeBatch(*frame));
    receipt.accepted += frame->num_rows();
    draft->frames.back() = {.kind = journal::FrameKind::kData,
                            .partition = topic->topic.partition,
                            .schema_id = topic->schema_id,
                            .rows = frame->num_rows(),
                            .payload = std::move(payload)};
    draft->parts.back().rows = std::move(frame);
  }
  std::sort(decoded.errors.begin(), decoded.errors.end(),
            [](const auto& a, const auto& b) { return a.row < b.row; });
  return DraftErrors(submission, decoded.errors, *draft);
}

namespace {

/// Builds rows of the errors topic column by column.
class ErrorRows {
 public:
  explicit ErrorRows(const TopicState& topic) : topic_(topic) {}

  Status Add(std::string_view state, std::optional<int64_t> of, const decode::RowError& error,
             std::string_view shape, const std::string& sealed) {
    const auto text = [](arrow::StringBuilder& into, std::string_view value) {
      return FromArrow(value.empty() ? into.AppendNull() : into.Append(value));
    };
    SLUICE_RETURN_IF_ERROR(text(state_, state));
    SLUICE_RETURN_IF_ERROR(FromArrow(of ? of_.Append(*of) : of_.AppendNull()));
    SLUICE_RETURN_IF_ERROR(text(topic_name_, error.topic));
    SLUICE_RETURN_IF_ERROR(text(code_, error.code));
    SLUICE_RETURN_IF_ERROR(text(path_, error.path));
    SLUICE_RETURN_IF_ERROR(text(message_, error.message));
    SLUICE_RETURN_IF_ERROR(FromArrow(of ? row_.AppendNull() : row_.Append(error.row)));
    SLUICE_RETURN_IF_ERROR(text(shape_, shape));
    return FromArrow(sealed.empty() ? payload_.AppendNull() : payload_.Append(sealed));
  }

  Result<Batch> Finish(os::Timestamp now) {
    std::unordered_map<std::string, std::shared_ptr<arrow::Array>> made;
    const auto finish = [&](const char* name, arrow::ArrayBuilder& builder) -> Status {
      SLUICE_ASSIGN_OR_RETURN(made[name], FromArrow(builder.Finish()));
      return {};
    };
    SLUICE_RETURN_IF_ERROR(finish("state", state_));
    SLUICE_RETURN_IF_ERROR(finish("error_offset", of_));
    SLUICE_RETURN_IF_ERROR(finish("topic", topic_name_));
    SLUICE_RETURN_IF_ERROR(finish("code", code_));
    SLUICE_RETURN_IF_ERROR(finish("path", path_));
    SLUICE_RETURN_IF_ERROR(finish("message", message_));
    SLUICE_RETURN_IF_ERROR(finish("row_number", row_));
    SLUICE_RETURN_IF_ERROR(finish("shape", shape_));
    SLUICE_RETURN_IF_ERROR(finish("payload", payload_));
    const int64_t rows = made["state"]->length();
    arrow::ArrayVector columns;
    for (const auto& field : topic_.frame_schema->fields()) {
      std::shared_ptr<arrow::Array> column;
      if (const auto found = made.find(field->name()); found != made.end()) {
        column = found->second;
      } else if (field->name() == "event_time") {
        SLUICE_ASSIGN_OR_RETURN(
            column,
            FromArrow(arrow::MakeArrayFromScalar(
                arrow::TimestampScalar(now.time_since_epoch().count(), field->type()), rows)));
      } else if (field->name() == "_schema_version") {
        SLUICE_ASSIGN_OR_RETURN(column, FromArrow(arrow::MakeArrayFromScalar(
                                            arrow::Int32Scalar(topic_.contract().version), rows)));
      } else {
        SLUICE_ASSIGN_OR_RETURN(column, FromArrow(arrow::MakeArrayOfNull(field->type(), rows)));
      }
      columns.push_back(std::move(column));
    }
    return arrow::RecordBatch::Make(topic_.frame_schema, rows, std::move(columns));
  }

 private:
  const TopicState& topic_;
  arrow::StringBuilder state_, topic_name_, code_, path_, message_, shape_;
  arrow::Int64Builder of_, row_;
  arrow::BinaryBuilder payload_;
};

}  // namespace

Status Ingest::DraftErrors(const Submission& submission,
                           const std::vector<decode::RowError>& errors, internal::Draft& draft) {
  Receipt& receipt = draft.receipt;
  receipt.error = static_cast<int64_t>(errors.size());
  if (errors.empty()) return {};
  const auto topic = Find(catalog::kErrorsTopic);
  SLUICE_CHECK(topic != nullptr);
  ErrorRows rows(*topic);
  for (const decode::RowError& error : errors) {
    if (receipt.errors.size() < kErrorsShownMax) {
      receipt.errors.push_back({error.row, error.code, error.path, error.message});
    }
    metrics_.GetCounter("sluice_error_events_total", fmt::format("code=\"{}\"", error.code)).Add();
    SLUICE_ASSIGN_OR_RETURN(const std::string sealed,
                            privacy::Seal(keys_.sealing(), error.payload, kSealContext, random_));
    SLUICE_RETURN_IF_ERROR(
        rows.Add("open", std::nullopt, error, ShapeName(submission.shape), sealed));
  }
  SLUICE_ASSIGN_OR_RETURN(const Batch batch, rows.Finish(clock_.Now()));
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
  if (draft->frames.empty()) return Settle(draft, true);
  std::vector<journal::NewFrame> frames = std::move(draft->frames);
  journal_.Append(std::move(frames), [this, draft](Result<journal::Appended> appended) {
    if (!appended.ok()) return Settle(draft, false);
    for (size_t i = 0; i < draft->parts.size(); ++i) {
      const internal::Draft::Part& part = draft->parts[i];
      const journal::Offset base = appended->bases[i];
      lander_.Add(part.topic->topic.partition, base, appended->received, part.rows);
      if (part.topic->contract().topic != catalog::kErrorsTopic) {
        draft->receipt.offsets.push_back({.topic = part.topic->contract().topic,
                                          .partition = part.topic->topic.partition,
                                          .first = base,
                                          .last = base + part.rows->num_rows() - 1});
      }
    }
    Settle(draft, true);
  });
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
  const bool durable = !draft->failed;
  if (durable) {
    const Receipt& receipt = draft->receipt;
    const auto count = [&](std::string_view outcome, int64_t rows) {
      if (rows > 0) {
        metrics_.GetCounter("sluice_ingest_events_total", fmt::format("outcome=\"{}\"", outcome))
            .Add(rows);
      }
    };
    count("received", receipt.received);
    count("accepted", receipt.accepted);
    count("duplicate", receipt.duplicate);
    count("error", receipt.error);
    metrics_.GetHistogram("sluice_ingest_ack_seconds")
        .Observe(std::chrono::duration<double>(clock_.Steady() - draft->start).count());
  }
  if (!draft->done) return;
  if (!durable) {
    return draft->done(Unavailable("the rows could not be made durable; send the same body again"));
  }
  if (draft->wait != WaitLevel::kTable || draft->receipt.offsets.empty()) {
    draft->receipt.landed = draft->wait == WaitLevel::kTable;
    return draft->done(std::move(draft->receipt));
  }
  draft->outstanding = static_cast<int>(draft->receipt.offsets.size());
  draft->receipt.landed = true;
  const os::Monotonic deadline =
      clock_.Steady() +
      std::chrono::duration_cast<std::chrono::microseconds>(options_.table_wait_max);
  const std::vector<OffsetRange> ranges = draft->receipt.offsets;
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
    SLUICE_RETURN_IF_ERROR(rows.Add(state, offset, {}, {}, {}));
  }
  auto draft = std::make_shared<internal::Draft>();
  SLUICE_ASSIGN_OR_RETURN(const Batch batch, rows.Finish(clock_.Now()));
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
  return privacy::Unseal(keys_.sealing(), sealed, kSealContext);
}

}  // namespace sluice::ingest
