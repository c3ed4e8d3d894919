#include "sluice/event/compatibility.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::event {
namespace {

Contract Make(std::string_view fields, Compatibility level = Compatibility::kBackward) {
  const std::string text = fmt::format(
      "@0x9a41c6de07b35f18;\nusing Sl = import \"sluice.capnp\";\n"
      "struct A $Sl.event(\"a\") {{ {} }}\nenum K {{ one @0; two @1; }}\n"
      "enum L {{ one @0; two @1; three @2; }}\nstruct P {{ x @0 :Int32; y @1 :K; }}\n"
      "struct Q {{ x @0 :Int32; y @1 :L; }}\nstruct R {{ x @0 :Int32; y @1 :K; z @2 :Text; }}\n"
      "struct T {{ x @0 :Int32; }}\n",
      fields);
  auto result = CompileCapnp({{"t.capnp", text}}, "t.capnp");
  SLUICE_CHECK(result.ok());
  result->front().compatibility = level;
  return result->front();
}

// The levels that take the step, as letters: b(ackward), f(orward), n(one).
std::string Takes(const Contract& before, Contract after) {
  std::string levels;
  for (const auto& [level, letter] :
       {std::pair{Compatibility::kBackward, 'b'}, std::pair{Compatibility::kForward, 'f'},
        std::pair{Compatibility::kNone, 'n'}}) {
    after.compatibility = level;
    if (CheckSuccessor(before, after).ok()) levels += letter;
  }
  after.compatibility = Compatibility::kFull;
  EXPECT_EQ(CheckSuccessor(before, after).ok(), levels == "bfn");
  return levels;
}

struct Step {
  std::string_view before;
  std::string_view after;
  std::string_view levels;  // That take it.
};

TEST(CompatibilityTest, KnowsWhomAStepBreaks) {
  const std::vector<Step> steps = {
      // Fields come and go.
      {"a @0 :Text;", "a @0 :Text;", "bfn"},
      {"a @0 :Text;", "a @0 :Text; b @1 :Int32;", "bfn"},
      {"a @0 :Text;", "a @0 :Text; b @1 :Int32 = 5;", "bfn"},
      {"a @0 :Text;", "a @0 :Text; b @1 :List(P);", "bfn"},
      {"a @0 :Text;", "a @0 :Text; b @1 :Int32 $Sl.required;", "fn"},
      {"a @0 :Text; b @1 :Int32;", "a @0 :Text;", "bfn"},
      {"a @0 :Text; b @1 :Int32 $Sl.required;", "a @0 :Text;", "bn"},
      {"a @0 :Text; b @1 :Text;", "a @0 :Text; c @1 :Text;", "n"},
      {"a @0 :Text; b @1 :Text;", "b @0 :Text; a @1 :Text;", "n"},
      {"a @0 :Text; b @1 :Text $Sl.drop;", "a @0 :Text; b @1 :Text $Sl.drop; c @2 :Text;", "bfn"},
      // Types.
      {"a @0 :Int32;", "a @0 :Int64;", ""},
      {"a @0 :Int32;", "a @0 :Text;", ""},
      {"a @0 :Float32;", "a @0 :Float64;", ""},
      {"a @0 :UInt8;", "a @0 :Int16;", "bn"},
      {"a @0 :Int16;", "a @0 :UInt8;", "fn"},
      {"a @0 :UInt32;", "a @0 :Int64;", "bn"},
      {"a @0 :K;", "a @0 :Text;", "bn"},
      {"a @0 :Text;", "a @0 :K;", "fn"},
      {"a @0 :Text $Sl.uuid;", "a @0 :Text;", "bn"},
      {"a @0 :Text;", "a @0 :Text $Sl.timestamp(rfc3339);", ""},
      {"a @0 :Int64 $Sl.timestamp(seconds);", "a @0 :Int64 $Sl.timestamp(milliseconds);", "n"},
      {"a @0 :Text $Sl.decimal(precision = 9);", "a @0 :Text $Sl.decimal(precision = 10);", ""},
      {"a @0 :List(Text);", "a @0 :Text;", ""},
      {"a @0 :List(UInt8);", "a @0 :List(Int16);", "bn"},
      // Enumerants, at any depth.
      {"a @0 :K;", "a @0 :L;", "bn"},
      {"a @0 :L;", "a @0 :K;", "fn"},
      {"a @0 :P;", "a @0 :Q;", "bn"},
      {"a @0 :List(Q);", "a @0 :List(P);", "fn"},
      // Inside a column fields come, but none goes or is renamed.
      {"a @0 :P;", "a @0 :R;", "bfn"},
      {"a @0 :List(P);", "a @0 :List(R);", "bfn"},
      {"a @0 :R;", "a @0 :P;", ""},
      {"u :group { a @0 :Text; }", "u :group { a @0 :Text; b @1 :Text $Sl.required; }", "fn"},
      {"u :group { a @0 :Text; }", "u :group { b @0 :Text; }", ""},
      {"u :group { a @0 :Text; }", "u :group { a @0 :Int32; }", ""},
      {"u :union { a @0 :Text; b @1 :Void; }", "u :union { a @0 :Text; b @1 :Void; c @2 :Void; }",
       "bfn"},
      // What fields mean.
      {"a @0 :Text;", "a @0 :Text $Sl.required;", "fn"},
      {"a @0 :Text $Sl.required;", "a @0 :Text;", "bn"},
      {"a @0 :Int32 = 1;", "a @0 :Int32 = 2;", "bfn"},
      {"a @0 :Text;", "a @0 :Text $Sl.id;", "n"},
      {"a @0 :Text $Sl.id; b @1 :Text;", "a @0 :Text; b @1 :Text $Sl.id;", "n"},
      {"a @0 :Text;", "a @0 :Text $Sl.eventTime;", "n"},
      {"a @0 :Text $Sl.key;", "a @0 :Text;", "bfn"},
      {"a @0 :Text;", "a @0 :Text; union { b @1 :Text; c @2 :Text; }", "bfn"},
      {"a @0 :Text; b @1 :Text;", "union { a @0 :Text; b @1 :Text; }", "fn"},
      // Privacy: more of it is always welcome, less of it never.
      {"a @0 :Text $Sl.pii(\"x\");", "a @0 :Text $Sl.pii(\"x\") $Sl.drop;", "bfn"},
      {"a @0 :Text $Sl.pii(\"x\") $Sl.drop;", "a @0 :Text $Sl.pii(\"x\");", ""},
      {"a @0 :Text $Sl.pii(\"x\"); b @1 :Text $Sl.drop;", "a @0 :Text; b @1 :Text $Sl.drop;", ""},
      {"a @0 :Text $Sl.subject;", "a @0 :Text;", ""},
      {"a @0 :Text $Sl.pii(\"x\");", "a @0 :Text;", ""},
      {"a @0 :Text $Sl.hash(hmacSha256);", "a @0 :Text $Sl.tokenize;", ""},
      {"a @0 :Text $Sl.mask(4);", "a @0 :Text $Sl.hash(hmacSha256);", "bfn"},
      {"a @0 :Int32;", "a @0 :Int32 $Sl.hash(hmacSha256);", ""},
      {"a @0 :Text;", "a @0 :Text $Sl.subject;", "bfn"},
      {"a @0 :Text;", "a @0 :Text $Sl.drop;", "bfn"},
  };
  for (const Step& step : steps) {
    EXPECT_EQ(Takes(Make(step.before), Make(step.after)), step.levels)
        << step.before << " -> " << step.after;
  }
}

TEST(CompatibilityTest, SaysEverythingThatIsInTheWay) {
  EXPECT_EQ(CheckSuccessor(Make("a @0 :Int32; b @1 :P; c @2 :Text;"),
                           Make("a @0 :Text; b @1 :T; d @2 :Text;"))
                .error()
                .ToString(),
            "the new schema cannot follow version 1 (compatibility: backward):\n"
            "field 'a': Int32 became Text: stored rows have a column of integer; add a field with "
            "another name\n"
            "field 'b.y': removed from inside a column: stored structs keep their fields; keep it, "
            "and stop sending it\n"
            "field 'd': was 'c' (ordinal 2): producers that send 'c' would lose it; keep that "
            "field, and add this one with a new ordinal (conflict)");
}

TEST(CompatibilityTest, RemembersColumnsThatWent) {
  const Contract first = Make("a @0 :Text; b @1 :Int32;");
  Contract second = Make("a @0 :Text;");
  second.retired = RetiredFields(first, second);
  ASSERT_EQ(second.retired.size(), 1u);
  EXPECT_EQ(second.retired[0].column, "b");
  Contract third = Make("a @0 :Text; c @1 :Text;");
  third.retired = RetiredFields(second, third);
  EXPECT_EQ(third.retired, second.retired);
  EXPECT_EQ(Takes(third, Make("a @0 :Text; c @1 :Text; b @2 :Text;")), "");
  const Contract back = Make("a @0 :Text; c @1 :Text; b @2 :Int32;");
  EXPECT_EQ(Takes(third, back), "bfn");
  EXPECT_TRUE(RetiredFields(third, back).empty());
  EXPECT_EQ(FromJson(ToJson(third))->retired, third.retired);
}

}  // namespace
}  // namespace sluice::event
