#pragma once
/// \file
/// CloudEvents 1.0 over HTTP: https://github.com/cloudevents/spec, HTTP binding and JSON format.

#include <optional>
#include <string>
#include <string_view>

#include "sluice/api/http_server.h"
#include "sluice/base/error.h"

namespace sluice::api::internal {

/// How a request carries events.
enum class CloudEventsMode {
  kNone,        ///< It carries no CloudEvents.
  kBinary,      ///< One: attributes are headers, the body is its data.
  kStructured,  ///< One, as JSON.
  kBatch,       ///< An array of them, as JSON.
  kUnknown,     ///< In a format that is not taken: Avro, protobuf, XML.
};

/// Tells by Content-Type, and by `ce-specversion` where that says nothing.
CloudEventsMode ModeOf(const Request& request);

/// Returns the events of `body` as the envelopes that JsonDecoder takes: one object, or an array of
/// as many; its bytes need no room behind them.
///
/// `type` names the topic, unless `topic` does. Identity is `source` and `id`, written as
/// `event_id`, with a space between, which no source has. `time` is `metadata.published`; all other
/// attributes are members of `metadata`. `data` is the content as it is written; `data_base64` what
/// it stands for; what is no JSON becomes a text, which no schema takes.
///
/// kInvalid, with SL4006: no JSON of that form; an attribute that must be there is not, or is no
/// text; a name or a header's value that may not be. The message counts events from 0 and quotes
/// no value.
Result<std::string> ToEnvelopes(const Request& request, CloudEventsMode mode, std::string_view body,
                                const std::optional<std::string>& topic);

}  // namespace sluice::api::internal
