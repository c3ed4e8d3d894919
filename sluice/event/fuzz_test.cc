// Texts of schemas with something done to them: an error with a place, never a crash.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <regex>
#include <string>
#include <vector>

#include "sluice/base/text_mutator.h"
#include "sluice/event/contract.h"
#include "sluice/event/internal/mutated_schemas.h"

namespace sluice::event {
namespace {

const std::vector<std::string>& Samples() {
  static const std::vector<std::string> samples = {
      R"(@0x9a41c6de07b35f18;
using Sl = import "sluice.capnp";
struct UserEvent $Sl.event("shop.user-events") $Sl.retain("30d") {
  eventId @0 :Text $Sl.id;  userId @1 :Int64 $Sl.subject;  page @3 :Text = "/";
  eventType @2 :Type;        timestamp @4 :Text $Sl.eventTime;       source @5 :Source;
  price @6 :Text $Sl.decimal(precision = 10, scale = 2); items @7 :List(Item);
  enum Type { login @0; click @1; purchase @2; logout @3; }
  enum Source { web @0; mobile @1; }
  struct Item { sku @0 :Text; counts @1 :List(UInt16); at @2 :Int64 $Sl.timestamp(seconds); }
})",
      R"(@0xb7c1f3e2a9d84c02;
using Sl = import "sluice.capnp";
using import "other.capnp".Box;
const limit :Int32 = 5;
struct A $Sl.event("a") {
  box @0 :Box(Text);
  union { left @1 :Text; right :group { x @2 :Float64 = 1.5e3; y @3 :Data = 0x"ff 00"; } none @4 :Void; }
  choice :union { a @5 :Int8 = .limit; b @6 :List(List(Bool)); }
  email @7 :Text $Sl.pii("contact") $Sl.drop;
}
interface I { call @0 (x :Int32) -> (y :Text); }
annotation mine(field) :Text $Sl.alias("pii");)",
  };
  return samples;
}

const std::vector<std::string>& Pieces() {
  static const std::vector<std::string> pieces = {"{",
                                                  "}",
                                                  "(",
                                                  ")",
                                                  "[",
                                                  "]",
                                                  ";",
                                                  ":",
                                                  "@",
                                                  "$",
                                                  "=",
                                                  ",",
                                                  ".",
                                                  "->",
                                                  "\"",
                                                  "#",
                                                  "*",
                                                  "union",
                                                  "group",
                                                  "struct",
                                                  "enum",
                                                  "List",
                                                  "List(",
                                                  "using",
                                                  "import",
                                                  "const",
                                                  "annotation",
                                                  "interface",
                                                  "extends",
                                                  "Void",
                                                  "Text",
                                                  "AnyPointer",
                                                  "UInt64",
                                                  "@0",
                                                  "@65535",
                                                  "@99999999999",
                                                  "0x",
                                                  "-1",
                                                  "1e999",
                                                  "0x\"zz\"",
                                                  "inf",
                                                  "nan",
                                                  "true",
                                                  "\xff",
                                                  std::string(1, '\0'),
                                                  "ä",
                                                  "\\",
                                                  "Box(Box(Box(Text)))",
                                                  "UserEvent",
                                                  "Item",
                                                  "import \"t.capnp\"",
                                                  "import \"missing.capnp\"",
                                                  "$Sl.event(\"\")",
                                                  "$Sl.id",
                                                  "$Sl.hash(hmacSha256)",
                                                  "$Sl.uuid",
                                                  "$Sl.timestamp(rfc3339)",
                                                  "$Sl.decimal(precision = 99)",
                                                  "$Metadata.hash.sha256",
                                                  "$Sl.alias(\"x\")",
                                                  "(((((((((("};
  return pieces;
}

TEST(SchemaFuzzTest, TenThousandTextsGetAContractOrAnErrorWithAPlace) {
  const uint32_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  TextMutator mutate(seed, Samples(), Pieces());
  const std::regex place(R"([a-z]+\.capnp:[1-9][0-9]*:[1-9][0-9]*: SL11[0-9][0-9]: .+)");
  internal::ExpectContractsOrPlacedErrors(mutate, place, [](const std::string& text) {
    return CompileCapnp(
        {{"t.capnp", text},
         {"other.capnp", "@0x9a41c6de07b35f01; struct Box(T) { value @0 :T; next @1 :Int32; }"}},
        "t.capnp");
  });
}

}  // namespace
}  // namespace sluice::event
