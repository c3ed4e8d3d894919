#pragma once
/// \file
/// Where the fields of a contract stand in messages of Cap'n Proto.

#include <capnp/dynamic.h>
#include <capnp/schema-parser.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/event/contract.h"

namespace sluice::decode::internal {

/// A parsed text of Cap'n Proto. Its schemas live as long as it does.
struct ParsedText {
  std::unique_ptr<capnp::SchemaParser> parser;
  capnp::ParsedSchema root;
};

/// Parses a text that imports nothing but "sluice.capnp".
Result<ParsedText> ParseSchemaText(std::string_view text);

/// A text with a struct `Root` whose layout is that of the contract's struct: numbers, types,
/// defaults, groups and unions make it. Fields are called f0, f1 … by their place in the contract.
///
/// kUnsupported: the contract was not made of Cap'n Proto.
Result<std::string> LayoutText(const event::Contract& contract);

/// A value of a message, made ready for reading.
struct MessageField {
  const event::Field* field = nullptr;
  capnp::StructSchema::Field wire;  ///< Not of an element.
  std::vector<MessageField>
      children;  ///< Of a struct its fields but kWhich; of a list its element.
};

/// The layout of one contract.
///
/// Immutable once made.
class MessageLayout {
 public:
  static Result<std::shared_ptr<const MessageLayout>> Make(
      std::shared_ptr<const event::Contract> contract);

  capnp::StructSchema root() const { return root_; }
  const std::vector<MessageField>& fields() const { return fields_; }

 private:
  MessageLayout() = default;

  std::shared_ptr<const event::Contract> contract_;
  ParsedText text_;
  capnp::StructSchema root_;
  std::vector<MessageField> fields_;
};

}  // namespace sluice::decode::internal
