#pragma once
/// \file
/// One row of a body → the columns of its topic.

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sluice/decode/internal/json_syntax.h"
#include "sluice/decode/internal/time_text.h"
#include "sluice/decode/internal/topic_columns.h"
#include "sluice/decode/json_decoder.h"

namespace sluice::decode::internal {

/// Why a row failed. The syntax of the row is to be checked before it is believed: the parser stops
/// at what it meets first.
struct Failure {
  std::string_view code;
  std::string path;
  std::string message;
};

/// What a body says of all its rows.
struct BodyContext {
  Shape shape = Shape::kContent;
  std::string_view topic;  ///< Of Shape::kContent.
  const ContractLookup* contracts = nullptr;
  int64_t received = 0;  ///< Microseconds since 1970.
  int depth_max = 0;
  int64_t row_cells_max = 0;
};

/// Decodes rows one after the other. After each, either FinishRow() or DiscardRow() must follow.
///
/// The values that the parser passes over (unknown members, metadata) are checked strictly here, so
/// a row that decodes is valid JSON throughout.
///
/// Not thread-safe.
class RowDecoder {
 public:
  /// Forgets all rows. What `context` refers to must stay until the next call.
  void Begin(const BodyContext& context);

  /// Decodes `text`, which is one row and nothing else. simdjson::SIMDJSON_PADDING bytes must be
  /// readable behind it. False: failure() tells why.
  bool DecodeText(std::string_view text);
  /// The same for an object inside a larger document.
  bool DecodeObject(simdjson::ondemand::object& object);

  void FinishRow(int64_t row, std::string_view payload);
  void DiscardRow();

  const Failure& failure() const { return failure_; }
  /// The topic of the row in work, if it is known and has a topic's form.
  std::string topic() const;

  /// Values that the lists of all rows hold so far.
  int64_t cells() const { return cells_; }

  /// The good rows, topic by topic.
  Result<std::vector<TopicRows>> Finish();

 private:
  using Value = simdjson::ondemand::value;
  using Object = simdjson::ondemand::object;
  using Member = simdjson::ondemand::field;

  // A topic met in this body; `columns` is null if there is no contract.
  struct Topic {
    TopicColumns* columns = nullptr;
    std::vector<int64_t> rows;
    std::vector<std::string_view> payloads;
  };
  // Members of the row's envelope, as far as seen. Views point into the body or into a parser's
  // buffer.
  struct Envelope {
    uint32_t seen = 0;  // Bits of EnvelopeName.
    std::string_view topic;
    std::optional<std::string_view> event_id, producer, domain, entity, name;
    std::optional<int64_t> sequence, epoch, published;
    std::string_view metadata, content, id, data;  // JSON; empty if absent.
    bool decoded = false;                          // `content` was decoded in place.
    std::string unknown;                           // `"name":value,…`
    bool published_far = false;
  };

  // The name of a member: as written, unescaped, and its number in `names`.
  struct Name {
    std::string_view written;
    std::string_view text;
    size_t index = NameTable::kNone;
  };

  bool Fail(std::string_view code, std::string_view path, std::string message);
  bool Suspect();
  // `path_` and behind it `name`, as messages show it.
  std::string PathTo(std::string_view name) const;

  Topic& FindTopic(std::string_view name);
  bool UseTopic(std::string_view name, std::string_view path);

  bool DecodeEnvelope(Object& object);
  bool DecodeEnvelopeMember(size_t which, std::string_view name, Value& value);
  bool DecodeMetadata(Value& value);
  bool DecodeLateContent();
  bool FinishEnvelope();

  bool DecodeContent(Object& object);
  bool DecodeSchemaless(Object& object);
  bool DecodeMembers(const ObjectPlan& plan, Column* columns, int64_t row, Object& object);
  bool FinishMembers(const ObjectPlan& plan, Column* columns, int64_t row);
  bool ChooseAlternative(const ObjectPlan& plan, Column* columns, int64_t row);
  bool KeepUnknown(const Name& name, Value& value);
  bool DecodeLooseSchemaless();
  bool FinishContent();
  bool ReadEventTime();
  bool CheckTime(int64_t time, std::string_view path);
  void PrepareDefaults(const ObjectPlan& plan);

  // These put a value into `row` of the column; the row need not be that of the event.
  bool DecodeValue(const FieldPlan& plan, Column& column, int64_t row, Value& value);
  bool DecodeText(const FieldPlan& plan, Column& column, int64_t row, Value& value);
  bool DecodeTimestamp(const FieldPlan& plan, Column& column, int64_t row, Value& value);
  bool DecodeDecimal(const FieldPlan& plan, Column& column, int64_t row, Value& value);
  bool DecodeStruct(const FieldPlan& plan, Column& column, int64_t row, Value& value);
  bool DecodeList(const FieldPlan& plan, Column& column, int64_t row, Value& value);
  template <typename Stored, int64_t kMinimum, int64_t kMaximum>
  bool DecodeInteger(const FieldPlan& plan, Column& column, int64_t row, Value& value);
  template <typename Stored>
  bool DecodeFloat(const FieldPlan& plan, Column& column, int64_t row, Value& value);
  // Copies the text of a string into the row in work. Nothing: it is no string, or failed (then
  // `failure_` is set).
  std::optional<size_t> CopyText(Column& column, int64_t row, Value& value);
  // Makes a value that did not read as `type` null if it is, or fails.
  bool NullOrWrong(const FieldPlan& plan, Column& column, int64_t row, Value& value);

  bool ReadName(Member& member, const NameTable& names, size_t expected, Name& name);
  bool ReadText(Value& value, std::string_view path, std::optional<std::string_view>& out);
  bool ReadInteger(Value& value, std::string_view path, std::optional<int64_t>& out);
  // The text of a value that nothing here reads, once it is known to be valid.
  bool ReadJson(Value& value, int depth, std::string_view& out);
  bool NoteUnknownName(std::string_view prefix, std::string_view name);
  bool CheckUnknownNames(std::string_view prefix);

  BodyContext context_;
  std::unordered_map<const event::Contract*, std::unique_ptr<TopicColumns>> columns_;
  size_t columns_bytes_ = 0;                               // Of those that this body does not use.
  std::unordered_map<const FieldPlan*, Column> defaults_;  // Each in row 0.
  std::unordered_map<std::string, Topic> topics_;          // Of this body.
  std::vector<Topic*> order_;                              // Those with rows, by first row.
  std::string last_name_;                                  // Key of `last_topic_`.
  Topic* last_topic_ = nullptr;

  // The row in work.
  Topic* topic_ = nullptr;
  TopicColumns* rows_ = nullptr;  // Of topic_.
  int64_t row_ = 0;               // In rows_.
  int64_t event_time_ = 0;
  bool has_event_time_ = false;
  int content_depth_ = 1;
  Envelope envelope_;
  std::string extra_;                            // `"name":value,…`
  std::vector<std::string_view> unknown_names_;  // Of the objects in work, outermost first.
  size_t unknown_base_ = 0;                      // Where those of the innermost begin.
  struct Step {
    std::string_view name;  // Empty for a list in a list.
    int64_t element = -1;   // Of a list.
  };
  std::vector<Step> path_;  // From the content to the object or list in work.
  int64_t cells_ = 0;       // Of all rows.
  int64_t row_cells_ = 0;   // Up to the row in work, it not included.
  Failure failure_;

  JsonSyntax syntax_;
  TimeReader times_;
  BatchMaker maker_;
  simdjson::ondemand::parser parser_;
  simdjson::ondemand::document document_;
  simdjson::ondemand::parser content_parser_;  // Of content that stood before its topic.
  simdjson::ondemand::document content_document_;
};

/// `name` if it can be shown: a name is the sender's text, and may be anything. Else empty.
std::string ShownName(std::string_view prefix, std::string_view name);

/// Starts the parser on `text`, growing its buffers in steps.
bool Iterate(simdjson::ondemand::parser& parser, std::string_view text,
             simdjson::ondemand::document& document);

}  // namespace sluice::decode::internal
