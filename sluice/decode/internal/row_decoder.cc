#include "sluice/decode/internal/row_decoder.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace sluice::decode::internal {

namespace {

constexpr size_t kCachedContractsMax = 1024;
constexpr size_t kCachedBytesMax = 64 << 20;

}  // namespace

std::string ShownName(std::string_view prefix, std::string_view name) {
  constexpr size_t kShownMax = 64;
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '$';
  };
  if (name.empty() || name.size() > kShownMax || !std::all_of(name.begin(), name.end(), plain) ||
      (name[0] >= '0' && name[0] <= '9')) {
    return "";
  }
  return std::string(prefix).append(name);
}

bool Iterate(simdjson::ondemand::parser& parser, std::string_view text,
             simdjson::ondemand::document& document) {
  if (text.size() > parser.capacity() &&
      parser.allocate(std::bit_ceil(std::max<size_t>(text.size(), 4096)))) {
    return false;
  }
  const simdjson::padded_string_view padded(text, text.size() + simdjson::SIMDJSON_PADDING);
  return !parser.iterate(padded).get(document);
}

void RowDecoder::Begin(const BodyContext& context) {
  context_ = context;
  // Only what the last body used has anything to clear: there may be a thousand topics.
  for (const auto& [name, topic] : topics_) {
    if (topic.columns == nullptr) continue;
    topic.columns->Clear();
    columns_bytes_ += topic.columns->MemoryBytes();
  }
  if (columns_.size() > kCachedContractsMax || columns_bytes_ > kCachedBytesMax) {
    columns_.clear();
    defaults_.clear();
    columns_bytes_ = 0;
  }
  cells_ = row_cells_ = 0;
  topics_.clear();
  order_.clear();
  last_topic_ = nullptr;
}

bool RowDecoder::Fail(std::string_view code, std::string_view path, std::string message) {
  failure_ = {code, PathTo(path), std::move(message)};
  return false;
}

std::string RowDecoder::PathTo(std::string_view name) const {
  std::string path;
  for (const Step& step : path_) {
    if (!step.name.empty()) path.append(path.empty() ? "" : ".").append(step.name);
    if (step.element >= 0) path.append(fmt::format("[{}]", step.element));
  }
  if (!name.empty()) path.append(path.empty() ? "" : ".").append(name);
  return path;
}

bool RowDecoder::Suspect() { return Fail(codes::kSyntax, "", "not valid JSON"); }

std::string RowDecoder::topic() const {
  const std::string_view name =
      context_.shape == Shape::kContent ? context_.topic : std::string_view(envelope_.topic);
  return event::CheckTopicName(name).ok() ? std::string(name) : "";
}

RowDecoder::Topic& RowDecoder::FindTopic(std::string_view name) {
  if (last_topic_ != nullptr && last_name_ == name) return *last_topic_;
  last_name_ = name;
  const auto [found, added] = topics_.try_emplace(last_name_);
  last_topic_ = &found->second;
  if (!added) return *last_topic_;
  std::shared_ptr<const event::Contract> contract;
  if (event::CheckTopicName(name).ok()) contract = (*context_.contracts)(name);
  if (contract == nullptr) return *last_topic_;
  auto& columns = columns_[contract.get()];
  if (columns == nullptr) {
    columns = std::make_unique<TopicColumns>(std::move(contract));
    PrepareDefaults(columns->plan());
  } else {
    columns_bytes_ -= columns->MemoryBytes();
  }
  last_topic_->columns = columns.get();
  return *last_topic_;
}

bool RowDecoder::UseTopic(std::string_view name, std::string_view path) {
  topic_ = &FindTopic(name);
  rows_ = topic_->columns;
  if (rows_ == nullptr) return Fail(codes::kUnknownTopic, path, "no schema for this topic");
  row_ = rows_->rows();
  return true;
}

bool RowDecoder::DecodeText(std::string_view text) {
  Object object;
  if (!Iterate(parser_, text, document_)) {
    rows_ = nullptr;
    envelope_ = {};
    return Suspect();
  }
  if (document_.get_object().get(object)) {
    rows_ = nullptr;
    envelope_ = {};
    return Fail(codes::kNotObject, "", "expected an object");
  }
  if (!DecodeObject(object)) return false;
  return document_.at_end() || Suspect();
}

bool RowDecoder::DecodeObject(Object& object) {
  rows_ = nullptr;
  has_event_time_ = false;
  content_depth_ = context_.shape == Shape::kEnvelope ? 2 : 1;
  extra_.clear();
  unknown_names_.clear();
  unknown_base_ = 0;
  path_.clear();
  row_cells_ = cells_;
  if (context_.shape == Shape::kEnvelope) return DecodeEnvelope(object);
  if (!UseTopic(context_.topic, "")) return false;
  const bool decoded =
      rows_->contract().schemaless ? DecodeSchemaless(object) : DecodeContent(object);
  return decoded && FinishContent();
}

void RowDecoder::FinishRow(int64_t row, std::string_view payload) {
  if (topic_->rows.empty()) order_.push_back(topic_);
  topic_->rows.push_back(row);
  topic_->payloads.push_back(payload);
  rows_->FinishRow();
  row_cells_ = cells_;
}

void RowDecoder::DiscardRow() {
  if (rows_ != nullptr) rows_->DiscardRow();
  cells_ = row_cells_;
}

Result<std::vector<TopicRows>> RowDecoder::Finish() {
  std::vector<TopicRows> out;
  out.reserve(order_.size());
  for (Topic* topic : order_) {
    SLUICE_ASSIGN_OR_RETURN(auto batch, topic->columns->MakeBatch(maker_));
    out.push_back({topic->columns->shared_contract(), std::move(batch), std::move(topic->rows),
                   std::move(topic->payloads)});
  }
  return out;
}

// ---- What both shapes need of single members.

bool RowDecoder::ReadName(Member& member, const NameTable& names, size_t expected, Name& name) {
  name.written = name.text = member.escaped_key();
  name.index = names.Find(name.text, expected);
  if (name.index != NameTable::kNone || name.text.find('\\') == std::string_view::npos) return true;
  // The parser has checked no escape yet; an escaped name is also another way to write a known one.
  if (member.unescaped_key().get(name.text)) return Suspect();
  name.index = names.Find(name.text, expected);
  return true;
}

bool RowDecoder::ReadJson(Value& value, int depth, std::string_view& out) {
  if (value.raw_json().get(out)) return Suspect();
  // A scalar is not consumed yet, and the parser would take a string before a colon for a key when
  // it skips it: `"x": "a": 1`. The view ends where the next token begins.
  const char behind = out.data()[out.size()];
  if (!out.starts_with('{') && !out.starts_with('[') && behind != ',' && behind != '}') {
    return Suspect();
  }
  out = TrimEnd(out);
  const Verdict verdict = syntax_.CheckValue(out.data(), out.data() + out.size());
  if (!verdict.ok() || verdict.at != out.data() + out.size()) return Suspect();
  if (depth + verdict.depth > context_.depth_max) {
    return Fail(codes::kTooDeep, "", fmt::format("deeper than {} levels", context_.depth_max));
  }
  return true;
}

bool RowDecoder::NoteUnknownName(std::string_view prefix, std::string_view name) {
  constexpr size_t kLookedThrough = 16;
  const auto begin = unknown_names_.begin() + static_cast<ptrdiff_t>(unknown_base_);
  if (unknown_names_.size() - unknown_base_ < kLookedThrough &&
      std::find(begin, unknown_names_.end(), name) != unknown_names_.end()) {
    return Fail(codes::kRepeatedKey, ShownName(prefix, name),
                "the name stands twice in its object");
  }
  unknown_names_.push_back(name);
  return true;
}

bool RowDecoder::CheckUnknownNames(std::string_view prefix) {
  if (unknown_names_.size() - unknown_base_ > 1) {
    const auto begin = unknown_names_.begin() + static_cast<ptrdiff_t>(unknown_base_);
    std::sort(begin, unknown_names_.end());
    const auto twice = std::adjacent_find(begin, unknown_names_.end());
    if (twice != unknown_names_.end()) {
      return Fail(codes::kRepeatedKey, ShownName(prefix, *twice),
                  "the name stands twice in its object");
    }
  }
  unknown_names_.resize(unknown_base_);
  return true;
}

bool RowDecoder::CheckTime(int64_t time, std::string_view path) {
  if (IsEventTime(time, context_.received)) return true;
  return Fail(codes::kFarTime, path, "the event time is before 1970, or more than a day ahead");
}

}  // namespace sluice::decode::internal
