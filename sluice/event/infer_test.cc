#include "sluice/event/infer.h"

#include <gtest/gtest.h>

#include "sluice/event/contract.h"

namespace sluice::event {
namespace {

TEST(InferSchemaTest, MakesASchemaThatTakesTheRows) {
  const auto text = InferSchema(
      R"({"user_id": 7, "at": "2026-01-05T09:00:00Z", "price": 1, "ok": true, "none": null}

{"user_id": 18446744073709551615, "price": 2.5, "items": [{"sku": "a", "N": [[1], []]}, {"b-c": {}}]}
{"id": "0b0c7a52-6d0e-4b52-9a41-0d7b7a1f6a11", "userId": "x", "1st": "", "": false, "a\n\"b": 1}
)",
      "shop.orders");
  ASSERT_TRUE(text.ok()) << text.error().ToString();
  EXPECT_EQ(text->substr(text->find("\n\n") + 2), R"(struct ShopOrders $Sl.event("shop.orders") {
  userId @0 :UInt64 $Sl.name("user_id");
  at @1 :Text $Sl.timestamp(rfc3339);
  price @2 :Float64;
  ok @3 :Bool;
  none @4 :Text;
  items @5 :List(Items);
  id @6 :Text $Sl.uuid;
  userId2 @7 :Text $Sl.name("userId");
  field1st @8 :Text $Sl.name("1st");
  field @9 :Bool $Sl.name("");
  aB @10 :Int64 $Sl.name("a\x0a\"b");
  struct Items {
    sku @0 :Text;
    n @1 :List(List(Int64)) $Sl.name("N");
    bC @2 :Text $Sl.name("b-c");
  }
}
)");
  const auto contracts = CompileCapnp({{"t.capnp", *text}}, "t.capnp");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString() << *text;
  EXPECT_EQ(contracts->front().fields[0].name, "user_id");
  EXPECT_EQ(contracts->front().fields[0].column, "user_id");
  EXPECT_EQ(contracts->front().fields[10].name, "a\n\"b");
  EXPECT_EQ(contracts->front().fields[7].name, "userId");
  EXPECT_EQ(contracts->front().fields[7].column, "user_id2");
}

TEST(InferSchemaTest, SaysWhatNoTypeTakes) {
  EXPECT_EQ(InferSchema("{\"a\":{\"b\":[1]}}\n{\"a\":{\"b\":[\"x\"]}}", "t").error().ToString(),
            "line 2: 'a.b[]' is a number in one row and a string in another: no type takes both "
            "(invalid)");
  EXPECT_EQ(InferSchema("{\"a\":1}\n[1]", "t").error().ToString(),
            "line 2 is no JSON object (invalid)");
  EXPECT_FALSE(InferSchema("\n{}\n", "t").ok());
  EXPECT_FALSE(InferSchema("{\"a\":1}", "a b").ok());
}

TEST(InferSchemaTest, NamesNoStructLikeAnythingThatASchemaUses) {
  const auto text = InferSchema(R"({"list":{"n":1},"n":[1],"text":{"t":"x"},"Sl":{"odd name":1},)"
                                R"("a":{"x":1},"A":{"x":1},"aType":{"x":1}})",
                                "t");
  ASSERT_TRUE(text.ok()) << text.error().ToString();
  const auto compiled = CompileCapnp({{"t.capnp", *text}}, "t.capnp");
  EXPECT_TRUE(compiled.ok()) << compiled.error().ToString() << "\n" << *text;
}

}  // namespace
}  // namespace sluice::event
