#pragma once
/// \file
/// Messages of Cap'n Proto → typed Arrow columns, by way of the JSON that they stand for.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sluice/base/error.h"
#include "sluice/decode/json_decoder.h"

namespace sluice::decode {

/// How messages are written.
enum class Packing : uint8_t {
  kNone,
  kPacked,  ///< https://capnproto.org/encoding.html#packing
};

/// Decodes bodies of messages of one topic, one after the other, each with its table of segments
/// (https://capnproto.org/encoding.html#serialization-over-a-stream); one at a time.
///
/// The rows are those that JsonDecoder makes of the same events: each message becomes JSON first
/// (docs/adr/0009-messages.md), which is also what is kept of an event that is refused. A number,
/// boolean or enum that was not set has its default, as messages cannot tell; a pointer that is
/// null is an absent field.
///
/// Not thread-safe: one request handler owns it.
class MessageDecoder {
 public:
  MessageDecoder();
  ~MessageDecoder();

  /// As JsonDecoder::Decode(). `body` needs nothing behind it; payload views point into
  /// Decoded::storage.
  ///
  /// kInvalid: where messages begin and end could not be told, or there are too many, or their JSON
  /// is too large; nothing of it may be kept. kUnsupported: the topic's contract was not made of
  /// Cap'n Proto. kNotFound: `contracts` has none for the topic.
  Result<Decoded> Decode(std::string_view body, Packing packing, std::string_view topic,
                         const ContractLookup& contracts, os::Timestamp received,
                         const DecodeLimits& limits = {});

  /// Of a body unpacked, and of its JSON.
  static constexpr size_t kBytesMax = size_t{64} << 20;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::decode
