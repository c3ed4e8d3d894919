#include "sluice/decode/message_decoder.h"

#include <arrow/api.h>
#include <capnp/dynamic.h>
#include <capnp/serialize-packed.h>
#include <capnp/serialize.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <kj/io.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "sluice/base/base64.h"
#include "sluice/base/json.h"
#include "sluice/decode/internal/message_layout.h"
#include "sluice/decode/internal/packing.h"
#include "sluice/decode/internal/random_schemas.h"

namespace sluice::decode {
namespace {

using capnp::DynamicList;
using capnp::DynamicStruct;
using event::Field;
using event::FieldType;

constexpr int kSchemas = 150;
const os::Timestamp kReceived = std::chrono::sys_days(std::chrono::year(2026) / 1 / 5);

std::string Bytes(capnp::MessageBuilder& message, Packing packing) {
  kj::VectorOutputStream out;
  if (packing == Packing::kPacked) {
    capnp::writePackedMessage(out, message);
  } else {
    capnp::writeMessage(out, message);
  }
  return {reinterpret_cast<const char*>(out.getArray().begin()), out.getArray().size()};
}

// Puts the same random values into a message, by the schema as it was written, and into JSON.
class EventMaker {
 public:
  explicit EventMaker(internal::SchemaGenerator& random) : random_(random) {}

  void Fill(const std::vector<Field>& fields, DynamicStruct::Builder to, std::string& json) {
    std::vector<size_t> alternatives;
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].alternative) alternatives.push_back(i);
    }
    const size_t chosen =
        alternatives.empty() ? SIZE_MAX : alternatives[random_.Below(alternatives.size())];
    json += '{';
    bool first = true;
    for (size_t i = 0; i < fields.size(); ++i) {
      const Field& field = fields[i];
      if (field.type == FieldType::kWhich || (field.alternative && i != chosen)) continue;
      const auto member = to.getSchema().getFieldByName(field.name.c_str());
      // A group is always there.
      const bool absent =
          !member.getProto().isGroup() && IsPointer(member.getType()) && random_.OneIn(5);
      if (absent && !field.alternative) continue;
      json += fmt::format("{}\"{}\":", first ? "" : ",", field.name);
      first = false;
      if (absent || field.type == FieldType::kVoid) {
        to.clear(member);
        json += "null";
      } else if (field.type == FieldType::kStruct) {
        Fill(field.children, to.init(member).as<DynamicStruct>(), json);
      } else if (field.type == FieldType::kList) {
        const auto size = static_cast<capnp::uint>(random_.Below(5));
        List(field.children[0], to.init(member, size).as<DynamicList>(), json);
      } else {
        to.set(member, Scalar(field, member.getType(), json));
      }
    }
    json += '}';
  }

 private:
  static bool IsPointer(capnp::Type type) {
    return type.isText() || type.isData() || type.isList() || type.isStruct();
  }

  void List(const Field& element, DynamicList::Builder to, std::string& json) {
    json += '[';
    for (capnp::uint i = 0; i < to.size(); ++i) {
      if (i > 0) json += ',';
      if (element.type == FieldType::kStruct) {
        Fill(element.children, to[i].as<DynamicStruct>(), json);
      } else if (element.type == FieldType::kList) {
        const auto size = static_cast<capnp::uint>(random_.Below(4));
        List(element.children[0], to.init(i, size).as<DynamicList>(), json);
      } else {
        to.set(i, Scalar(element, to.getSchema().getElementType(), json));
      }
    }
    json += ']';
  }

  template <typename T>
  capnp::DynamicValue::Reader Number(std::string& json) {
    using Limits = std::numeric_limits<T>;
    const T values[] = {0, 1, 5, 100, Limits::min(), Limits::max()};
    const T value = values[random_.Below(6)];
    json += fmt::format("{}", value);
    return value;
  }

  // `type`: of the schema as it was written.
  capnp::DynamicValue::Reader Scalar(const Field& field, capnp::Type type, std::string& json) {
    switch (type.which()) {
      case capnp::schema::Type::BOOL: {
        const bool value = random_.OneIn(2);
        json += value ? "true" : "false";
        return value;
      }
      case capnp::schema::Type::INT8:
        return Number<int8_t>(json);
      case capnp::schema::Type::INT16:
        return Number<int16_t>(json);
      case capnp::schema::Type::INT32:
        return Number<int32_t>(json);
      case capnp::schema::Type::INT64:
        return Number<int64_t>(json);
      case capnp::schema::Type::UINT8:
        return Number<uint8_t>(json);
      case capnp::schema::Type::UINT16:
        return Number<uint16_t>(json);
      case capnp::schema::Type::UINT32:
        return Number<uint32_t>(json);
      case capnp::schema::Type::UINT64:
        return Number<uint64_t>(json);
      case capnp::schema::Type::FLOAT32:
        return Number<float>(json);
      case capnp::schema::Type::FLOAT64:
        return Number<double>(json);
      case capnp::schema::Type::ENUM: {
        const auto number = static_cast<uint16_t>(random_.Below(random_.OneIn(20) ? 5 : 3));
        AppendJsonString(json, number < field.enumerants.size() ? field.enumerants[number]
                                                                : std::to_string(number));
        return capnp::DynamicEnum(type.asEnum(), number);
      }
      case capnp::schema::Type::DATA: {
        kept_.push_back(std::string("\x00\x01\xff\n", random_.Below(5)));
        AppendJsonString(json, EncodeBase64(kept_.back()));
        return capnp::Data::Reader(reinterpret_cast<const capnp::byte*>(kept_.back().data()),
                                   kept_.back().size());
      }
      default: {
        const std::vector<std::string_view> texts = {"", "plain", "a \"quoted\"\n\ttext", "é𝄞",
                                                     std::string_view("\0in", 3)};
        const std::string_view text =
            random_.OneIn(10)                     ? random_.OneOf(texts)
            : field.type == FieldType::kUuid      ? "0B0C7A52-6d0e-4b52-9a41-0d7b7a1f6a11"
            : field.type == FieldType::kDecimal   ? "12.25"
            : field.type == FieldType::kTimestamp ? "2026-01-05T01:00:00.25+01:00"
                                                  : random_.OneOf(texts);
        kept_.emplace_back(text);
        AppendJsonString(json, text);
        return capnp::Text::Reader(kept_.back().c_str(), kept_.back().size());
      }
    }
  }

  internal::SchemaGenerator& random_;
  std::deque<std::string> kept_;  // What values point to.
};

void ExpectSame(const Decoded& found, const Decoded& wanted) {
  ASSERT_EQ(found.received, wanted.received);
  ASSERT_EQ(found.errors.size(), wanted.errors.size());
  for (size_t i = 0; i < found.errors.size(); ++i) {
    const RowError& a = found.errors[i];
    const RowError& b = wanted.errors[i];
    ASSERT_EQ(std::tie(a.row, a.topic, a.code, a.path, a.message),
              std::tie(b.row, b.topic, b.code, b.path, b.message));
  }
  ASSERT_EQ(found.topics.size(), wanted.topics.size());
  for (size_t i = 0; i < found.topics.size(); ++i) {
    ASSERT_EQ(found.topics[i].rows, wanted.topics[i].rows);
    const arrow::RecordBatch& batch = *found.topics[i].batch;
    ASSERT_TRUE(batch.Equals(*wanted.topics[i].batch, arrow::EqualOptions().nans_equal(true)))
        << batch.ToString() << wanted.topics[i].batch->ToString();
  }
}

TEST(MessageDecoderTest, RandomMessagesMakeTheRowsThatTheirJsonMakes) {
  const char* const given = std::getenv("SLUICE_SEED");
  const uint32_t seed =
      given != nullptr ? static_cast<uint32_t>(std::stoul(given)) : std::random_device()();
  SCOPED_TRACE(fmt::format("SLUICE_SEED={}", seed));
  internal::SchemaGenerator random(seed);
  MessageDecoder messages;
  JsonDecoder plain;
  size_t good = 0;
  size_t bad = 0;
  for (int number = 0; number < kSchemas;) {
    const std::string text = random.Schema();
    auto compiled = event::CompileCapnp({{"t.capnp", text}}, "t.capnp");
    if (!compiled.ok()) continue;  // SchemaPropertyTest knows which may.
    ++number;
    const auto parsed = internal::ParseSchemaText(text);
    ASSERT_TRUE(parsed.ok()) << parsed.error().ToString();
    const auto written = parsed->root.getNested("T").asStruct();
    // As it comes back from the catalog: the layout is made of what is kept there.
    const auto contract =
        std::make_shared<const event::Contract>(*event::FromJson(event::ToJson(compiled->front())));
    const auto contracts = [&](std::string_view) { return contract; };

    std::string lines;
    std::string bodies[2];
    for (int row = 0; row < 20; ++row) {
      capnp::MallocMessageBuilder message(1 + static_cast<capnp::uint>(random.Below(60)),
                                          capnp::AllocationStrategy::FIXED_SIZE);
      EventMaker maker(random);
      maker.Fill(contract->fields, message.initRoot<DynamicStruct>(written), lines);
      lines += '\n';
      bodies[0] += Bytes(message, Packing::kNone);
      bodies[1] += Bytes(message, Packing::kPacked);
    }
    const size_t size = lines.size();
    lines.resize(size + JsonDecoder::kPaddingBytes);
    const auto wanted = plain.Decode(std::string_view(lines).substr(0, size), Framing::kNdjson,
                                     Shape::kContent, "t", contracts, kReceived);
    ASSERT_TRUE(wanted.ok()) << wanted.error().ToString();
    for (const Packing packing : {Packing::kNone, Packing::kPacked}) {
      const auto found = messages.Decode(bodies[packing == Packing::kPacked ? 1 : 0], packing, "t",
                                         contracts, kReceived);
      ASSERT_TRUE(found.ok()) << found.error().ToString() << text;
      ExpectSame(*found, *wanted);
      if (HasFatalFailure()) FAIL() << text << lines;
    }
    bad += wanted->errors.size();
    good += static_cast<size_t>(wanted->received) - wanted->errors.size();
  }
  EXPECT_GT(good, size_t{kSchemas} * 5);
  EXPECT_GT(bad, size_t{20});
}

constexpr std::string_view kSchema = R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct T $Sl.event("t") {
  id @0 :Text $Sl.id;  amount @1 :Float64 = 2.5;  numbers @2 :List(UInt8);  flags @3 :List(Bool);
  kind @4 :Kind = used;
  enum Kind { new @0; used @1; }
}
)";

class MessageTest : public ::testing::Test {
 protected:
  MessageTest()
      : contract_(std::make_shared<const event::Contract>(
            event::CompileCapnp({{"t.capnp", std::string(kSchema)}}, "t.capnp")->front())),
        parsed_(*internal::ParseSchemaText(kSchema)),
        written_(parsed_.root.getNested("T").asStruct()) {}

  Result<Decoded> Decode(std::string_view body, Packing packing = Packing::kNone,
                         const DecodeLimits& limits = {}) {
    return decoder_.Decode(
        body, packing, "t", [&](std::string_view) { return contract_; }, kReceived, limits);
  }

  std::string Message(const std::function<void(DynamicStruct::Builder)>& fill,
                      Packing packing = Packing::kNone) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<DynamicStruct>(written_));
    return Bytes(message, packing);
  }

  std::shared_ptr<const event::Contract> contract_;
  internal::ParsedText parsed_;
  capnp::StructSchema written_;
  MessageDecoder decoder_;
};

TEST_F(MessageTest, ValuesThatJsonCannotHoldAreErrorRowsThatCanBeMended) {
  std::string body = Message([](DynamicStruct::Builder row) {
    row.set("id", "a");
    row.set("amount", std::numeric_limits<double>::infinity());
  });
  body += Message([](DynamicStruct::Builder row) { row.set("id", "b\xff"); });
  body += Message([&](DynamicStruct::Builder row) {
    const auto kind = row.getSchema().getFieldByName("kind").getType().asEnum();
    row.set("kind", capnp::DynamicEnum(kind, 9));
  });
  body += Message([](DynamicStruct::Builder row) { row.set("id", "d"); });
  const auto decoded = Decode(body);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  ASSERT_EQ(decoded->errors.size(), 3u);
  EXPECT_EQ(decoded->errors[0].code, codes::kWrongType);
  EXPECT_EQ(decoded->errors[0].path, "amount");
  EXPECT_EQ(decoded->errors[0].payload, R"({"id":"a","amount":"Infinity","kind":"used"})");
  EXPECT_EQ(decoded->errors[1].code, codes::kSyntax);
  EXPECT_EQ(decoded->errors[1].row, 1);
  EXPECT_EQ(decoded->errors[2].code, codes::kUnknownEnumerant);
  ASSERT_EQ(decoded->topics.size(), 1u);
  EXPECT_EQ(decoded->topics[0].rows, std::vector<int64_t>{3});
  EXPECT_EQ(decoded->topics[0].payloads[0], R"({"id":"d","amount":2.5,"kind":"used"})");
}

TEST_F(MessageTest, ABodyWhoseMessagesCannotBeToldApartIsRefusedWhole) {
  const std::string good = Message([](DynamicStruct::Builder row) { row.set("id", "a"); });
  const auto refused = [&](std::string_view body, Packing packing = Packing::kNone) {
    const auto decoded = Decode(body, packing);
    return decoded.ok() ? std::string("taken") : decoded.error().ToString();
  };
  EXPECT_EQ(refused(good), "taken");
  EXPECT_EQ(refused(""), "taken");
  EXPECT_EQ(refused(good + "abc"),
            fmt::format("SL3008: the message at byte {} ends too early (invalid)", good.size()));
  EXPECT_EQ(refused(good.substr(0, good.size() - 8)),
            "SL3008: the message at byte 0 ends too early (invalid)");
  EXPECT_EQ(refused(std::string("\xff\xff\xff\xff\0\0\0\0", 8)),
            "SL3008: the message at byte 0 says that it has 4294967296 segments; at most 512 are "
            "taken; a packed body needs packed=1 in its Content-Type (invalid)");
  EXPECT_EQ(refused(std::string("\0\0\0\0\xff\xff\xff\xff", 8)),
            "SL3008: the message at byte 0 ends too early (invalid)");
  EXPECT_EQ(refused(std::string("\x01\0\0\0\0\0\0\0", 8)),
            "SL3008: the message at byte 0 ends too early (invalid)");
  EXPECT_EQ(refused(std::string("\xff\x01", 2), Packing::kPacked),
            "SL3008: the packed body ends too early, within the word that begins at byte 0 "
            "(invalid)");
  EXPECT_EQ(refused("\x01", Packing::kPacked),
            "SL3008: the packed body ends too early, within the word that begins at byte 0 "
            "(invalid)");
  std::string zeros;
  for (size_t i = 0; i < 40'000; ++i) zeros.append("\0\xff", 2);
  EXPECT_EQ(refused(zeros, Packing::kPacked),
            "SL3008: the body is more than 67108864 bytes when it is unpacked; send fewer rows "
            "(invalid)");
  DecodeLimits few;
  few.rows_max = 2;
  EXPECT_EQ(Decode(good + good + good, Packing::kNone, few).error().ToString(),
            "SL3006: more than 2 rows; send fewer in a request (invalid)");
}

TEST_F(MessageTest, AMessageThatIsNotSoundIsAnErrorRowAndItsNeighboursAreTaken) {
  const std::string good = Message([](DynamicStruct::Builder row) { row.set("id", "a"); });
  std::string outside = good;  // The root's first pointer leads far out of the message.
  const size_t pointers = 16 + 8 * (4 - 2);
  const uint32_t far_away = 0x10000000 << 2 | 1;
  std::memcpy(outside.data() + pointers, &far_away, sizeof(far_away));
  const auto decoded = Decode(good + outside + good);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(decoded->received, 3);
  ASSERT_EQ(decoded->errors.size(), 1u);
  EXPECT_EQ(decoded->errors[0].row, 1);
  EXPECT_EQ(decoded->errors[0].code, codes::kBadMessage);
  EXPECT_EQ(decoded->errors[0].payload, outside);
  EXPECT_EQ(decoded->topics[0].rows, (std::vector<int64_t>{0, 2}));
}

TEST_F(MessageTest, AShortMessageMayNotBecomeALongRow) {
  const std::string body = Message([](DynamicStruct::Builder row) {
    row.init("flags", 1 << 20);  // 128 KiB of bits, 6 MiB of JSON.
  });
  const auto decoded = Decode(body);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  ASSERT_EQ(decoded->errors.size(), 1u);
  EXPECT_EQ(decoded->errors[0].code, codes::kRowTooLarge);
  EXPECT_EQ(decoded->errors[0].message, "more than 1048576 bytes as JSON");
  EXPECT_EQ(decoded->errors[0].payload, body);
}

TEST_F(MessageTest, ManyPointersToTheSameBytesAreRefused) {
  constexpr std::string_view kMany = R"(@0x9a41c6de07b35f19;
using Sl = import "sluice.capnp";
struct T $Sl.event("t") { texts @0 :List(Text); }
)";
  contract_ = std::make_shared<const event::Contract>(
      event::CompileCapnp({{"t.capnp", std::string(kMany)}}, "t.capnp")->front());
  // A list of 1,000 pointers that all lead to one text of 800 bytes.
  constexpr uint64_t kPointers = 1000;
  constexpr uint64_t kTextBytes = 800;
  std::vector<uint64_t> words = {(2 + kPointers + kTextBytes / 8) << 32,
                                 uint64_t{1} << 48,  // Struct: one pointer.
                                 1 | (kPointers << 3 | 6) << 32};
  for (uint64_t i = 0; i < kPointers; ++i) {
    words.push_back(1 | (kPointers - 1 - i) << 2 | (kTextBytes << 3 | 2) << 32);
  }
  for (uint64_t i = 0; i < kTextBytes / 8; ++i) words.push_back(0x6161616161616161);
  words.back() &= ~uint64_t{0} >> 8;  // Text ends with a zero.
  const auto decoded =
      Decode({reinterpret_cast<const char*>(words.data()), words.size() * sizeof(uint64_t)});
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  ASSERT_EQ(decoded->errors.size(), 1u);
  EXPECT_EQ(decoded->errors[0].code, codes::kBadMessage);
  EXPECT_NE(decoded->errors[0].message.find("traversal limit"), std::string::npos)
      << decoded->errors[0].message;
}

TEST_F(MessageTest, DamagedBodiesLoseNoRow) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  std::mt19937 random(seed);
  for (const Packing packing : {Packing::kNone, Packing::kPacked}) {
    std::string body;
    for (int i = 0; i < 4; ++i) {
      body += Message(
          [&](DynamicStruct::Builder row) {
            row.set("id", fmt::format("row {}", i).c_str());
            row.init("numbers", 9);
            row.init("flags", 100);
          },
          packing);
    }
    for (int run = 0; run < 5'000; ++run) {
      std::string damaged = body;
      for (size_t flips = 1 + random() % 4; flips > 0; --flips) {
        damaged[random() % damaged.size()] = static_cast<char>(random() % 256);
      }
      if (run % 5 == 0) damaged.resize(random() % damaged.size());
      const auto decoded = Decode(damaged, packing);
      if (!decoded.ok()) continue;
      int64_t rows = static_cast<int64_t>(decoded->errors.size());
      for (const TopicRows& topic : decoded->topics) {
        rows += topic.batch->num_rows();
        ASSERT_TRUE(topic.batch->ValidateFull().ok());
      }
      ASSERT_EQ(rows, decoded->received);
    }
  }
}

TEST_F(MessageTest, TopicsOfOtherSchemasTakeNoMessages) {
  const auto json =
      event::CompileJsonSchema({{"t.json", R"({"x-sluice": {"event": "t"}, "type": "object",
                      "properties": {"id": {"type": "string"}}})"}},
                               "t.json");
  for (const event::Contract& other : {json->front(), event::SchemalessContract("t")}) {
    contract_ = std::make_shared<const event::Contract>(other);
    const auto decoded = Decode("");
    ASSERT_FALSE(decoded.ok());
    EXPECT_EQ(decoded.error().ToString(),
              "SL4152: topic 't' has no schema in Cap'n Proto, by which its messages could be "
              "read; send JSON (unsupported)");
  }
}

TEST(PackingTest, UnpacksWhatTheLibraryPacks) {
  std::mt19937 random(7);
  for (int run = 0; run < 300; ++run) {
    std::vector<uint64_t> words(random() % 600);
    const auto kind = random() % 3;
    for (uint64_t& word : words) {
      word = kind == 0 || random() % 4 == 0 ? 0 : random() | uint64_t{random()} << 32;
      if (kind == 2) word &= uint64_t{0xff00ff00ff00ff00};
    }
    kj::VectorOutputStream out;
    {
      capnp::_::PackedOutputStream packer(out);
      packer.write(words.data(), words.size() * sizeof(uint64_t));
    }
    const std::string_view packed(reinterpret_cast<const char*>(out.getArray().begin()),
                                  out.getArray().size());
    internal::Words found;
    const auto size = internal::Unpack(packed, words.size() * 8, 64, found);
    ASSERT_TRUE(size.ok()) << size.error().ToString();
    ASSERT_EQ(*size, words.size() * 8);
    found.words.resize(words.size());
    ASSERT_EQ(found.words, words);
    if (words.empty()) continue;
    EXPECT_FALSE(internal::Unpack(packed, words.size() * 8 - 1, 64, found).ok());
  }
}

}  // namespace
}  // namespace sluice::decode
