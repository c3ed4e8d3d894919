#pragma once
/// \file
/// JSON events → typed Arrow columns, in one pass (simdjson on-demand,
/// https://arxiv.org/abs/1902.08318).

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/event/contract.h"
#include "sluice/os/clock.h"

namespace sluice::decode {

/// The columns of the journal's frames and, with `_id _partition _offset _received_at event_date`
/// put in front of landing, of the table: first the contract's fields in order, then the
/// envelope's:
///
///   event_time timestamp[us, UTC]  (the `$Sl.eventTime` field, else published, else received)
///   _id fixed_size_binary[16]      (null from the decoder; ingest fills it)
///   _published_at timestamp[us, UTC], _producer utf8, _epoch int64, _sequence int64, _domain utf8,
///   _entity utf8, _name utf8, _metadata utf8 (JSON), _event_id utf8, _schema_version int32, _extra
///   utf8 (JSON)
///
/// Types of fields: Bool bool; Int8..Int64 int8..int64; UInt8 int16; UInt16 int32; UInt32 int64;
/// UInt64 decimal128(20,0); Float32/64 float/double; Text utf8; Data binary; Enum utf8; Timestamp
/// timestamp[us, UTC]; Decimal decimal128; Uuid utf8; Struct struct, List list<element>; Void bool;
/// Which utf8. All nullable. The `$Sl.eventTime` field keeps its own column beside `event_time`.
columnar::Schema FrameSchema(const event::Contract& contract);
/// The type of one field's column.
std::shared_ptr<arrow::DataType> ArrowType(const event::Field& field);

/// How the body is framed.
enum class Framing : uint8_t {
  kNdjson,  ///< One event a line; a bad line is an error row.
  kJson,    ///< One object, or one array of objects; bad syntax refuses the whole body.
};

/// Where the topic is named.
enum class Shape : uint8_t {
  kContent,   ///< Rows are bare content of the topic in the address.
  kEnvelope,  ///< Rows are {event|topic, sequence, event_id, producer, epoch, metadata{…},
              ///< content}.
};

struct DecodeLimits {
  int64_t rows_max = 10'000;
  int64_t row_bytes_max = 1 << 20;
  int depth_max = 64;
  /// Values in the lists of one row, and of one body: what a list of objects costs are the columns
  /// of its elements, however short their text is.
  int64_t row_cells_max = 1 << 20;
  int64_t body_cells_max = 1 << 24;
};

/// Why a row did not become an event. Quotes no value of the row.
struct RowError {
  int64_t row = 0;           ///< Counted from 0 in the body, blank lines not counted.
  std::string topic;         ///< Empty if unknown.
  std::string code;          ///< `SL3012`
  std::string path;          ///< `userId`, `items[3].price`; empty for the whole row.
  std::string message;       ///< `expected Int64, found string`
  std::string_view payload;  ///< The row's bytes inside the body.
};

/// The good rows of one topic.
struct TopicRows {
  std::shared_ptr<const event::Contract> contract;
  columnar::Batch batch;                   ///< FrameSchema(contract)
  std::vector<int64_t> rows;               ///< For each row of the batch, its number in the body.
  std::vector<std::string_view> payloads;  ///< Its bytes inside the body.
};

struct Decoded {
  int64_t received = 0;  ///< Rows in the body, good and bad.
  std::vector<TopicRows> topics;
  std::vector<RowError> errors;  ///< By row.
  /// What payloads point into where it is not the body; null where it is.
  std::shared_ptr<const void> storage = {};
};

/// Finds the contract of a topic; null if there is none.
using ContractLookup =
    std::function<std::shared_ptr<const event::Contract>(std::string_view topic)>;

/// Decodes bodies, one at a time; keeps its buffers for the next.
///
/// Not thread-safe: one request handler owns it.
class JsonDecoder {
 public:
  JsonDecoder();
  ~JsonDecoder();

  /// `body` must be followed by 64 readable bytes (kPaddingBytes), whatever they hold.
  /// `topic` is used by Shape::kContent. Payload views point into `body`.
  /// kInvalid: the body could not be framed (bad JSON syntax in kJson, too many rows, not an
  /// object); the message has code and position; nothing of it may be kept.
  Result<Decoded> Decode(std::string_view body, Framing framing, Shape shape,
                         std::string_view topic, const ContractLookup& contracts,
                         os::Timestamp received, const DecodeLimits& limits = {});

  static constexpr size_t kPaddingBytes = 64;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Codes of RowError (docs/reference/errors.md explains each).
namespace codes {
inline constexpr std::string_view kSyntax = "SL3001";     ///< Not valid JSON.
inline constexpr std::string_view kNotObject = "SL3002";  ///< The row is not an object.
inline constexpr std::string_view kRowTooLarge = "SL3003";
inline constexpr std::string_view kTooDeep = "SL3004";
inline constexpr std::string_view kRepeatedKey = "SL3005";
inline constexpr std::string_view kTooManyRows =
    "SL3006";  ///< Of a body; it is refused as a whole.
inline constexpr std::string_view kTooManyCells = "SL3007";  ///< In the lists of a row or a body.
inline constexpr std::string_view kFraming = "SL3008";       ///< Of messages; the body is refused.
inline constexpr std::string_view kBadMessage = "SL3009";    ///< Of Cap'n Proto, inside.
inline constexpr std::string_view kNoTopic = "SL3010";       ///< The envelope names no topic.
inline constexpr std::string_view kUnknownTopic = "SL3011";  ///< No schema for the topic.
inline constexpr std::string_view kWrongType = "SL3012";
inline constexpr std::string_view kOutOfRange = "SL3013";
inline constexpr std::string_view kUnknownField = "SL3014";
inline constexpr std::string_view kUnknownEnumerant = "SL3015";
inline constexpr std::string_view kBadBase64 = "SL3016";
inline constexpr std::string_view kBadDecimal = "SL3017";
inline constexpr std::string_view kBadUuid = "SL3018";
inline constexpr std::string_view kTwoAlternatives = "SL3019";  ///< Of one union.
inline constexpr std::string_view kMissing =
    "SL3023";  ///< A `$Sl.required` field is null or absent.
inline constexpr std::string_view kBadTime =
    "SL3020";  ///< Event time is no RFC 3339 time with zone.
inline constexpr std::string_view kFarTime = "SL3021";  ///< Outside 1970 … received + 1 day.
inline constexpr std::string_view kNullTime =
    "SL3022";  ///< The `$Sl.eventTime` field is null or absent.
inline constexpr std::string_view kBadEnvelope =
    "SL3030";  ///< An envelope member has the wrong type.
}  // namespace codes

/// Whether a row received at `received` may have the event time `time` (both us since 1970, UTC):
/// from 1970 on, and at most a day ahead.
constexpr bool IsEventTime(int64_t time, int64_t received) {
  constexpr int64_t kDay = 86'400'000'000;
  return time >= 0 && time <= received + kDay;
}

}  // namespace sluice::decode
