#include "sluice/decode/message_decoder.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sluice/decode/internal/message_json.h"
#include "sluice/decode/internal/message_layout.h"
#include "sluice/decode/internal/packing.h"

namespace sluice::decode {

namespace {

using internal::MessageLayout;
using internal::Words;

constexpr size_t kLayoutsMax = 64;
constexpr size_t kSegmentsMax = 512;  // As the library.
constexpr size_t kWordBytes = 8;

// What the payloads of a body point into.
struct Storage {
  Words messages;
  std::string json;  // A line for each message that has one.
};

uint32_t ReadUint32(const char* at) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(at);
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

// Words of the message that begins at `at`, its table of segments included.
Result<size_t> MessageWords(std::string_view body, size_t at) {
  const std::string_view rest = body.substr(at);
  const auto cut = [&] {
    return Invalid("{}: the message at byte {} ends too early", codes::kFraming, at);
  };
  if (rest.size() < kWordBytes) return cut();
  const size_t segments = size_t{ReadUint32(rest.data())} + 1;
  if (segments > kSegmentsMax) {
    return Invalid(
        "{}: the message at byte {} says that it has {} segments; at most {} are taken; a packed "
        "body needs packed=1 in its Content-Type",
        codes::kFraming, at, segments, kSegmentsMax);
  }
  size_t words = segments / 2 + 1;  // The table, filled up to a word.
  if (rest.size() < words * kWordBytes) return cut();
  for (size_t i = 0; i < segments; ++i) words += ReadUint32(rest.data() + 4 + 4 * i);
  if (rest.size() / kWordBytes < words) return cut();
  return words;
}

}  // namespace

struct MessageDecoder::State {
  JsonDecoder json;
  // By contract, which the layout keeps alive.
  std::unordered_map<const event::Contract*, std::shared_ptr<const MessageLayout>> layouts;

  Result<std::shared_ptr<const MessageLayout>> Layout(
      const std::shared_ptr<const event::Contract>& contract);
};

MessageDecoder::MessageDecoder() : state_(std::make_unique<State>()) {}
MessageDecoder::~MessageDecoder() = default;

Result<std::shared_ptr<const MessageLayout>> MessageDecoder::State::Layout(
    const std::shared_ptr<const event::Contract>& contract) {
  if (const auto found = layouts.find(contract.get()); found != layouts.end()) {
    return found->second;
  }
  SLUICE_ASSIGN_OR_RETURN(auto layout, MessageLayout::Make(contract));
  if (layouts.size() >= kLayoutsMax) layouts.clear();
  layouts.emplace(contract.get(), layout);
  return layout;
}

Result<Decoded> MessageDecoder::Decode(std::string_view body, Packing packing,
                                       std::string_view topic, const ContractLookup& contracts,
                                       os::Timestamp received, const DecodeLimits& limits) {
  const auto contract = contracts(topic);
  if (contract == nullptr) return NotFound("there is no topic '{}'", topic);
  SLUICE_ASSIGN_OR_RETURN(const auto layout, state_->Layout(contract));

  const auto storage = std::make_shared<Storage>();
  std::vector<uint64_t>& words = storage->messages.words;
  size_t size = body.size();
  if (packing == Packing::kPacked) {
    SLUICE_ASSIGN_OR_RETURN(
        size, internal::Unpack(body, kBytesMax, JsonDecoder::kPaddingBytes, storage->messages));
  } else {
    words.resize((size + JsonDecoder::kPaddingBytes) / kWordBytes + 1);
    std::memcpy(words.data(), body.data(), size);
  }
  const std::string_view messages(storage->messages.bytes(), size);

  std::vector<int64_t> rows;  // Of each line, the message that it was.
  std::vector<RowError> errors;
  int64_t row = 0;
  for (size_t at = 0; at < size; ++row) {
    if (row == limits.rows_max) {
      return Invalid("{}: more than {} rows; send fewer in a request", codes::kTooManyRows,
                     limits.rows_max);
    }
    SLUICE_ASSIGN_OR_RETURN(const size_t length, MessageWords(messages, at));
    const std::string_view message = messages.substr(at, length * kWordBytes);
    const size_t line = storage->json.size();
    Status written = Invalid("{}: {} bytes; at most {} are allowed", codes::kRowTooLarge,
                             message.size(), limits.row_bytes_max);
    if (message.size() <= static_cast<size_t>(limits.row_bytes_max)) {
      const auto* begin = reinterpret_cast<const capnp::word*>(words.data()) + at / kWordBytes;
      written = internal::AppendMessage(*layout, kj::arrayPtr(begin, length),
                                        static_cast<size_t>(limits.row_bytes_max), storage->json);
    }
    at += message.size();
    if (written.ok()) {
      storage->json += '\n';
      rows.push_back(row);
    } else {
      storage->json.resize(line);
      std::string_view what = written.error().message();
      const bool large = what.starts_with(codes::kRowTooLarge);
      if (large) what.remove_prefix(codes::kRowTooLarge.size() + 2);
      errors.push_back({.row = row,
                        .topic = contract->topic,
                        .code = std::string(large ? codes::kRowTooLarge : codes::kBadMessage),
                        .path = {},
                        .message = std::string(what),
                        .payload = message});
    }
    if (storage->json.size() > kBytesMax) {
      return Invalid("{}: the rows are more than {} bytes as JSON; send fewer in a request",
                     codes::kRowTooLarge, kBytesMax);
    }
  }

  const size_t text_size = storage->json.size();
  storage->json.resize(text_size + JsonDecoder::kPaddingBytes);
  SLUICE_ASSIGN_OR_RETURN(
      Decoded decoded,
      state_->json.Decode(
          std::string_view(storage->json).substr(0, text_size), Framing::kNdjson, Shape::kContent,
          topic, [&](std::string_view) { return contract; }, received, limits));
  decoded.received = row;
  for (TopicRows& part : decoded.topics) {
    for (int64_t& number : part.rows) number = rows[static_cast<size_t>(number)];
  }
  for (RowError& error : decoded.errors) error.row = rows[static_cast<size_t>(error.row)];
  decoded.errors.insert(decoded.errors.end(), errors.begin(), errors.end());
  std::ranges::stable_sort(decoded.errors, {}, &RowError::row);
  decoded.storage = storage;
  return decoded;
}

}  // namespace sluice::decode
