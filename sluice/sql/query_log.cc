#include "sluice/sql/query_log.h"

#include <algorithm>
#include <utility>

namespace sluice::sql {

namespace {

constexpr size_t kEntriesMax = 1'000;
constexpr size_t kSqlBytesMax = 2'000;  // Of a text that is shown; it may be much longer.
constexpr size_t kIdBytesMax = 64;

bool IsId(std::string_view id) {
  return !id.empty() && id.size() <= kIdBytesMax && std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
  });
}

bool Is(const QueryStatus& status, const QueryLog::Of& of) {
  return status.tenant == of.tenant && (!of.principal || status.principal == *of.principal);
}

}  // namespace

void QueryLog::Running::Progress(int64_t rows, int64_t bytes) {
  rows_ = rows;
  bytes_ = bytes;
}

void QueryLog::Running::End(std::string_view code) {
  const std::lock_guard lock(log_.mutex_);
  for (auto at = log_.entries_.begin(); at != log_.entries_.end(); ++at) {
    Entry& entry = *at;
    if (entry.status.id != id_ || entry.status.state != "running") continue;
    if (entry.background) {
      log_.entries_.erase(at);
      return;
    }
    entry.status.state = code.empty() ? "done" : code == "SL2205" ? "cancelled" : "failed";
    entry.status.code = code;
    entry.status.rows = rows_;
    entry.status.bytes = bytes_;
    entry.status.elapsed_ms =
        std::chrono::floor<std::chrono::milliseconds>(log_.clock_.Steady() - entry.begun).count();
    return;
  }
}

Result<std::shared_ptr<QueryLog::Running>> QueryLog::Begin(Asker asker, std::string sql,
                                                           std::string id) {
  if (id.empty()) id = fmt::format("{:016x}", random_.Next());
  if (!IsId(id)) return Invalid("a query's id has up to 64 letters, digits, '-' and '_'");
  if (sql.size() > kSqlBytesMax) {
    sql.resize(kSqlBytesMax);
    while (!sql.empty() && (sql.back() & 0x80) != 0) sql.pop_back();  // No half character.
    sql += "...";
  }
  const std::shared_ptr<Running> running(new Running(*this, id));
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.status.id == id && !entry.running.expired()) {
      return Conflict("a query of this id runs already");
    }
  }
  if (!asker.background) ++asked_[{asker.tenant, asker.principal}];
  entries_.push_front({.status = {.id = std::move(id),
                                  .tenant = std::move(asker.tenant),
                                  .principal = std::move(asker.principal),
                                  .sql = std::move(sql),
                                  .state = "running",
                                  .started = clock_.Now(),
                                  .code = {}},
                       .begun = clock_.Steady(),
                       .running = running,
                       .background = asker.background});
  // Running ones are few, and stay.
  if (entries_.size() > kEntriesMax) {
    const auto oldest = std::find_if(entries_.rbegin(), entries_.rend(), [](const Entry& entry) {
      return entry.status.state != "running";
    });
    if (oldest != entries_.rend()) entries_.erase(std::next(oldest).base());
  }
  return running;
}

QueryStatus QueryLog::Describe(const Entry& entry) const {
  QueryStatus status = entry.status;
  const auto running = entry.running.lock();
  if (running && status.state == "running") {
    status.rows = running->rows_;
    status.bytes = running->bytes_;
    status.elapsed_ms =
        std::chrono::floor<std::chrono::milliseconds>(clock_.Steady() - entry.begun).count();
  }
  return status;
}

const QueryLog::Entry* QueryLog::Look(const Of& of, std::string_view id) const {
  for (const Entry& entry : entries_) {
    if (entry.status.id == id && Is(entry.status, of)) return &entry;
  }
  return nullptr;
}

int64_t QueryLog::CountAsked(const Of& of) const {
  const std::lock_guard lock(mutex_);
  int64_t count = 0;
  for (const auto& [who, queries] : asked_) {
    if (who.first == of.tenant && (!of.principal || who.second == *of.principal)) count += queries;
  }
  return count;
}

std::vector<QueryStatus> QueryLog::List(const Of& of) const {
  const std::lock_guard lock(mutex_);
  std::vector<QueryStatus> all;
  for (const Entry& entry : entries_) {
    if (Is(entry.status, of)) all.push_back(Describe(entry));
  }
  return all;
}

std::optional<QueryStatus> QueryLog::Find(const Of& of, std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const Entry* const entry = Look(of, id);
  return entry == nullptr ? std::nullopt : std::optional(Describe(*entry));
}

Status QueryLog::Cancel(const Of& of, std::string_view id) {
  std::shared_ptr<Running> running;
  {
    const std::lock_guard lock(mutex_);
    const Entry* const entry = Look(of, id);
    if (entry != nullptr && entry->status.state == "running") running = entry->running.lock();
  }
  if (running == nullptr) return NotFound("no query of this id runs");
  running->Stop();
  return {};
}

}  // namespace sluice::sql
