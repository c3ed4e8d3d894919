#include "sluice/event/contract.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sluice/event/compatibility.h"
#include "sluice/event/internal/contract_outline.h"

namespace sluice::event {
namespace {

constexpr std::string_view kHead = "@0x9a41c6de07b35f18;\nusing Sl = import \"sluice.capnp\";\n";

Result<std::vector<Contract>> Compile(std::string_view body) {
  return CompileCapnp({{"t.capnp", std::string(kHead) + std::string(body)}}, "t.capnp");
}

// What CompileCapnp() says of a schema whose body begins at line 3.
std::string Complaint(std::string_view body) {
  const auto result = Compile(body);
  return result.ok() ? "compiles" : result.error().ToString();
}

constexpr std::string_view kUserEvent = R"(struct UserEvent $Sl.event("shop.user-events") {
  eventId @0 :Text $Sl.id;  userId @1 :Int64 $Sl.subject;  page @3 :Text;
  eventType @2 :Type;        timestamp @4 :Text $Sl.eventTime;       source @5 :Source;
  enum Type { login @0; click @1; purchase @2; logout @3; }
  enum Source { web @0; mobile @1; }
}
)";

TEST(CompileCapnpTest, MakesAContractOfTheSample) {
  const auto contracts = Compile(kUserEvent);
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  ASSERT_EQ(contracts->size(), 1u);
  const Contract& contract = contracts->front();
  EXPECT_EQ(contract.topic, "shop.user-events");
  EXPECT_EQ(contract.table, "shop_user_events");
  EXPECT_EQ(contract.source, std::string(kHead) + std::string(kUserEvent));
  std::vector<std::string> columns;
  for (const Field& field : contract.fields) columns.push_back(field.column);
  EXPECT_EQ(columns, (std::vector<std::string>{"event_id", "user_id", "event_type", "page",
                                               "timestamp", "source"}));
  EXPECT_EQ(contract.fields[2].type, FieldType::kEnum);
  EXPECT_EQ(contract.fields[2].enumerants,
            (std::vector<std::string>{"login", "click", "purchase", "logout"}));
  EXPECT_EQ(contract.identity.id_field, 0u);
  EXPECT_EQ(contract.event_time_field, 4u);
  EXPECT_FALSE(contract.key_field);
  EXPECT_TRUE(contract.fields[1].subject);
  EXPECT_EQ(contract.unknown, UnknownFields::kKeep);
}

TEST(CompileCapnpTest, KnowsAllFlatTypes) {
  const auto contracts = Compile(R"(struct All $Sl.event("all") {
    a @0 :Bool; b @1 :Int8; c @2 :Int16; d @3 :Int32; e @4 :Int64; f @5 :UInt8; g @6 :UInt16;
    h @7 :UInt32; i @8 :UInt64; j @9 :Float32; k @10 :Float64; l @11 :Text; m @12 :Data; n @13 :E;
  }
  enum E { x @0; })");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  ASSERT_EQ(contracts->front().fields.size(), 14u);
  for (size_t i = 0; i < 14; ++i) {
    EXPECT_EQ(contracts->front().fields[i].type, static_cast<FieldType>(i));
    EXPECT_EQ(contracts->front().fields[i].id, i);
  }
}

TEST(CompileCapnpTest, TakesWhatNests) {
  const auto contracts = Compile(R"(struct Order $Sl.event("shop.orders") {
    orderId @0 :Text $Sl.id $Sl.uuid $Sl.required;
    items @1 :List(Item);
    total @2 :Text $Sl.decimal(precision = 10, scale = 2);
    at @3 :Int64 $Sl.eventTime $Sl.timestamp(milliseconds);
    address :group { street @4 :Text; zipCode @5 :Text; }
    payment :union { card @6 :Card; cash @7 :Void; voucher @8 :List(Text); }
    union { web @9 :Text; shop @10 :Int32; }
    currency @11 :Text = "EUR";
    paid @12 :Bool = true;
    tags @13 :List(List(Kind));
    seen @14 :List(Text) $Sl.timestamp(rfc3339);
    part @15 :Pair(Text, Card);
    struct Item { sku @0 :Text; count @1 :UInt16 = 1; }
    struct Card { last4 @0 :Text; }
    struct Pair(A, B) { a @0 :A; b @1 :B; }
    enum Kind { new @0; used @1; }
  })");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  const Contract& contract = contracts->front();
  EXPECT_EQ(internal::Outline(contract.fields),
            "order_id:Uuid! items:List(element:Struct(sku:Text count:UInt16=1)) total:Decimal "
            "at:Timestamp address:Struct(street:Text zip_code:Text) "
            "payment:Struct(card:Struct?(last4:Text) cash:Void? voucher:List?(element:Text) "
            "which:Which) web:Text? shop:Int32? currency:Text=\"EUR\" paid:Bool=true "
            "tags:List(element:List(element:Enum)) seen:List(element:Timestamp) "
            "part:Struct(a:Text b:Struct(last4:Text)) which:Which");
  EXPECT_EQ(contract.fields[2].precision, 10);
  EXPECT_EQ(contract.fields[2].scale, 2);
  EXPECT_EQ(contract.fields[3].unit, TimeUnit::kMilliseconds);
  EXPECT_EQ(contract.fields.back().enumerants, (std::vector<std::string>{"web", "shop"}));
  EXPECT_EQ(PathName(contract.fields, {1, 0, 1}), "items[].count");
  EXPECT_EQ(&FieldAt(contract.fields, {5, 0, 0}), &contract.fields[5].children[0].children[0]);
  EXPECT_EQ(ColumnTypeName(contract.fields[1]), "array<struct<sku:string,count:integer>>");
  const auto back = FromJson(ToJson(contract));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, contract);
}

TEST(CompileCapnpTest, TakesAnnotationsOfTheUsersOwnFile) {
  const auto compile = [](std::string_view declared, std::string_view used) {
    return CompileCapnp(
        {{"cramped.metadata.capnp",
          fmt::format("@0x9a41c6de07b35f01;\nusing Sl = import \"sluice.capnp\";\n{}", declared)},
         {"t.capnp", fmt::format("{}using Metadata = import \"cramped.metadata.capnp\";\nstruct A "
                                 "$Sl.event(\"a\") {{\n  x @0 :Text {};\n}}\n",
                                 kHead, used)}},
        "t.capnp");
  };
  // By name, since it protects; by what it says of itself; and not otherwise.
  auto contracts = compile("annotation drop(field) :Void;", "$Metadata.drop");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  EXPECT_EQ(contracts->front().fields[0].privacy.action, PrivacyAction::kDrop);
  contracts = compile("annotation erase(field) :Void $Sl.alias(\"drop\");", "$Metadata.erase");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  EXPECT_EQ(contracts->front().fields[0].privacy.action, PrivacyAction::kDrop);
  EXPECT_FALSE(compile("annotation id(field) :Void;", "$Metadata.id").ok());
  EXPECT_FALSE(compile("annotation erase(field) :Void;", "$Metadata.erase").ok());
}

TEST(CompileCapnpTest, LetsTheEventTimeFieldBeNamedEventTime) {
  const auto contracts = Compile(
      R"(struct PointerMoved $Sl.event("pointer.moved") $Sl.retain("30d") {
           clientId @0 :Text; eventTime @1 :Text $Sl.eventTime; xNorm @2 :Float32; })");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  EXPECT_EQ(contracts->front().fields[1].column, "event_time_sent");
  EXPECT_EQ(contracts->front().fields[2].column, "x_norm");
  EXPECT_EQ(contracts->front().retain, "30d");
}

TEST(CompileCapnpTest, AnswersTheSeedsOwnText) {
  const SchemaFiles files = {{"seed.capnp", R"(using Metadata = import "cramped.metadata.capnp";

struct Event {
	userId @0 :Text $; 
	email @1 :Text $Metadata.hash.sha256;
	name @2 :text $Metadata.tokenize;
}
)"}};
  const auto result = CompileCapnp(files, "seed.capnp");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kInvalid);
  EXPECT_NE(result.error().message().find(
                "seed.capnp:5:17: SL1107: an annotation takes its value in parentheses: write "
                "$Sl.hash(hmacSha256)"),
            std::string::npos)
      << result.error().message();
  EXPECT_NE(result.error().message().find("seed.capnp:4:19: SL1101: "), std::string::npos)
      << result.error().message();
}

TEST(CompileCapnpTest, ListsAllErrorsWithTheirPlaces) {
  EXPECT_EQ(Complaint("struct A $Sl.event(\"a\") {\n  x @0 :Txt;\n  y @1 :Itn64;\n}\n"),
            "t.capnp:4:9: SL1101: Not defined: Txt\n"
            "t.capnp:5:9: SL1101: Not defined: Itn64 (invalid)");
  EXPECT_EQ(
      Complaint("struct A $Sl.event(\"a\") {\n  eventDate @0 :Text;\n  x @1 :AnyPointer;\n}\n"),
      "t.capnp:4:3: SL1103: field 'eventDate' would be column 'event_date', which every table has; "
      "choose another name\n"
      "t.capnp:5:3: SL1102: field 'x' is a pointer to anything, which has no column; give it a "
      "struct, a list, or Data (invalid)");
}

TEST(CompileCapnpTest, RefusesWhatHasNoColumn) {
  for (const std::string_view body : {
           "struct A $Sl.event(\"a\") { x @0 :AnyPointer; }",
           "struct A $Sl.event(\"a\") { x @0 :Void; }",
           "struct A $Sl.event(\"a\") { x @0 :I; } interface I {}",
           "struct A $Sl.event(\"a\") { x @0 :List(Void); }",
           "struct A(T) $Sl.event(\"a\") { x @0 :Text; }",
           "struct A $Sl.event(\"a\") { x @0 :B; } struct B { a @0 :A; }",
           "struct A $Sl.event(\"a\") { x @0 :List(A); }",
           "struct A $Sl.event(\"a\") { x @0 :B; } struct B { }",
           "struct A $Sl.event(\"a\") { x @0 :Float64 = inf; }",
           "struct A $Sl.event(\"a\") { x @0 :B = (y = 1); } struct B { y @0 :Int8; }",
           "struct A $Sl.event(\"a\") { union { x @0 :Int8 = 1; y @1 :Void; } }",
           "struct A $Sl.event(\"a\") { }",
       }) {
    const auto result = Compile(body);
    ASSERT_FALSE(result.ok()) << body;
    EXPECT_EQ(result.error().code(), ErrorCode::kUnsupported) << body << result.error().message();
    EXPECT_NE(result.error().message().find(": SL1102: "), std::string::npos)
        << result.error().message();
  }
}

TEST(CompileCapnpTest, KeepsPrivacyRules) {
  const auto contracts = Compile(
      "struct A $Sl.event(\"a.b\") {\n"
      "  email @0 :Text $Sl.pii(\"contact\") $Sl.hash(hmacSha256) $Sl.joinGroup(\"mail\")\n"
      "    $Sl.normalise([trim, lower]);\n"
      "  name @1 :Text $Sl.tokenize;\n"
      "  note @2 :Text $Sl.encrypt;\n"
      "  user @3 :Int64 $Sl.subject;\n"
      "  card @4 :Text $Sl.mask(4);\n"
      "  born @5 :Text $Sl.generalise(\"year\");\n"
      "  gone @6 :Text $Sl.drop;\n"
      "  code @7 :Text $Sl.hash(sha256) $Sl.unkeyed(\"random ids\"); }");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  const Contract& contract = contracts->front();
  std::vector<std::string> rules;
  for (const Field& field : contract.fields) rules.push_back(ToString(field.privacy));
  EXPECT_EQ(rules, (std::vector<std::string>{"hash group=mail trim lower", "tokenize", "encrypt",
                                             "none", "mask keep=4", "generalise to=year", "drop",
                                             "hash unkeyed"}));
  EXPECT_EQ(contract.fields[7].privacy.unkeyed, "random ids");
  EXPECT_EQ(contract.fields[0].pii, "contact");
  EXPECT_EQ(JoinGroup(contract, {0}), "mail");
  EXPECT_EQ(JoinGroup(contract, {1}), "a.b#1");
  EXPECT_TRUE(IsSensitive(contract));
  EXPECT_EQ(contract.unknown, UnknownFields::kKeep);
  const auto read = FromJson(ToJson(contract));
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(*read, contract);
}

TEST(CompileCapnpTest, RefusesPrivacyRulesThatDoNotFit) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {"x @0 :Float64 $Sl.hash(hmacSha256);", "found Float64; use generalise or drop"},
      {"x @0 :Text $Sl.hash(sha256);", "stands only beside unkeyed"},
      {"x @0 :Text $Sl.hash(hmacSha256) $Sl.unkeyed(\"why\");", "stands only beside unkeyed"},
      {"x @0 :Text $Sl.hash(hmacSha256) $Sl.drop;", "exclude each other"},
      {"x @0 :Text $Sl.joinGroup(\"g\");", "only beside a keyed hash"},
      {"x @0 :Text $Sl.tokenize $Sl.joinGroup(\"a b\");", "joinGroup takes"},
      {"x @0 :Int64 $Sl.hash(hmacSha256) $Sl.normalise([trim]);", "normalise needs Text"},
      {"x @0 :Text $Sl.drop $Sl.normalise([trim]);", "normalise stands only"},
      {"x @0 :Text $Sl.encrypt;", "exactly one field annotated subject, found 0"},
      {"x @0 :Text $Sl.encrypt $Sl.subject;", "encrypted for itself"},
      {"x @0 :Int32 $Sl.mask(4);", "mask needs Text"},
      {"x @0 :Text $Sl.generalise(\"week\");", "generalise takes"},
      {"x @0 :Int32 $Sl.generalise(\"0.5\");", "does not fit Int32"},
      {"x @0 :Int64 $Sl.generalise(\"/24\");", "needs Text"},
      {"x @0 :Text $Sl.eventTime $Sl.hash(hmacSha256);", "takes no hash"},
  };
  for (const auto& [field, complaint] : cases) {
    const auto result = Compile(fmt::format("struct A $Sl.event(\"a\") {{ {} }}", field));
    ASSERT_FALSE(result.ok()) << field;
    EXPECT_NE(result.error().message().find(complaint), std::string::npos)
        << field << result.error().message();
  }
}

TEST(CheckSuccessorTest, KeepsColumnsThatStoredRowsFit) {
  const auto contract = [](std::string_view fields) {
    return Compile(fmt::format("struct A $Sl.event(\"a\") {{ {} }}", fields))->front();
  };
  const Contract text = contract("x @0 :Text;");
  const Contract number = contract("x @0 :Int64;");
  EXPECT_TRUE(CheckSuccessor(text, contract("x @0 :Text $Sl.hash(hmacSha256);")).ok());
  EXPECT_TRUE(CheckSuccessor(number, contract("x @0 :Int64 $Sl.drop;")).ok());
  const Status refused = CheckSuccessor(number, contract("x @0 :Int64 $Sl.hash(hmacSha256);"));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("add a field with another name"), std::string::npos);
  EXPECT_FALSE(CheckSuccessor(contract("x @0 :Text $Sl.pii(\"name\");"), text).ok());
}

TEST(PrivacyRuleTest, TightensOnly) {
  const auto rule = [](std::string_view text) { return *ParsePrivacyRule(text); };
  const auto ok = [&](std::string_view from, std::string_view to) {
    return CheckTightening(rule(from), rule(to)).ok();
  };
  const std::vector<std::string_view> ascending = {"none",         "mask keep=4", "tokenize",
                                                   "hash unkeyed", "hash",        "drop"};
  for (size_t i = 0; i < ascending.size(); ++i) {
    for (size_t j = 0; j < ascending.size(); ++j) {
      EXPECT_EQ(ok(ascending[i], ascending[j]), i <= j) << ascending[i] << " -> " << ascending[j];
    }
  }
  EXPECT_FALSE(ok("tokenize", "encrypt"));
  EXPECT_FALSE(ok("hash group=a", "hash group=b"));
  EXPECT_FALSE(ok("hash", "hash lower"));
  EXPECT_FALSE(ok("generalise to=month", "generalise to=year"));
  for (const std::string_view text :
       {"", "hush", "hash group=", "hash group=a/b", "mask keep=300", "mask keep", "hash 7"}) {
    EXPECT_FALSE(ParsePrivacyRule(text).ok()) << text;
  }
}

TEST(CompileCapnpTest, RefusesAnnotationsThatMeanNothing) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      {"struct A $Sl.event(\"a\") { x @0 :Text $Sl.id; y @1 :Text $Sl.id; }", "has id already"},
      {"struct A $Sl.event(\"a\") { x @0 :Bool $Sl.eventTime; }", "found Bool"},
      {"struct A $Sl.event(\"a\") { x @0 :Float64 $Sl.id; }", "Float64 cannot be id or key"},
      {"struct A $Sl.event(\"a\") { x @0 :Text $Sl.id $Sl.drop; }", "is dropped"},
      {"struct A $Sl.event(\"a\") { x @0 :Text $Sl.hash(sha256); }", "only beside unkeyed"},
      {"struct A $Sl.event(\"a\") { x @0 :Text $Sl.drop $Sl.tokenize; }", "exclude each other"},
      {"struct A $Sl.event(\"a\") $Sl.retain(\"soon\") { x @0 :Text; }", "duration"},
      {"annotation blur(field) :Void; struct A $Sl.event(\"a\") { x @0 :Text $blur; }",
       "not of sluice.capnp"},
      {"struct A $Sl.event(\"system.audit\") { x @0 :Text; }", "the program's own"},
      {"struct A $Sl.event(\"a b\") { x @0 :Text; }", "topic's name"},
      {"struct A $Sl.event(\"a.b\") { x @0 :Text; } struct B $Sl.event(\"a-b\") { x @0 :Text; }",
       "table 'a_b' already"},
      {"struct A $Sl.event(\"a\") { userId @0 :Text; userID @1 :Text; }",
       "both be column 'user_id'"},
  };
  for (const auto& [body, expected] : cases) {
    const std::string complaint = Complaint(body);
    EXPECT_NE(complaint.find(expected), std::string::npos) << body << "\n" << complaint;
  }
}

TEST(CompileCapnpTest, ImportsAmongItsFiles) {
  const SchemaFiles files = {
      {"a/x.capnp",
       "@0x9a41c6de07b35f18; using Sl = import \"../sluice.capnp\"; using E = import "
       "\"e.capnp\"; struct A $Sl.event(\"a\") { x @0 :E.Kind; }"},
      {"a/e.capnp", "@0x9a41c6de07b35f19; enum Kind { one @0; two @1; }"},
  };
  const auto contracts = CompileCapnp(files, "a/x.capnp");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  EXPECT_EQ(contracts->front().fields[0].enumerants, (std::vector<std::string>{"one", "two"}));
  EXPECT_FALSE(CompileCapnp(files, "b.capnp").ok());
}

TEST(CompileCapnpTest, SurvivesHostileText) {
  std::string nested(500'000, '(');
  std::string dotted = "const x :Text = a";
  for (int i = 0; i < 100'000; ++i) dotted += ".a";
  std::string structs;
  for (int i = 0; i < 20'000; ++i) structs += "struct S { ";
  const std::vector<std::string> bodies = {
      nested,
      dotted,
      structs,
      std::string(2 << 20, 'a'),
      std::string("\0\xff\xfe", 3),
      "using A = .B; using B = .A; struct S $Sl.event(\"a\") { x @0 :A; }",
      "const a :Int32 = .b; const b :Int32 = .a; struct S $Sl.event(\"a\") { x @0 :Int32; }",
      "struct S $Sl.event(.t) { x @0 :Text; } const t :Text = .t;",
      "struct S $Sl.event(\"a\") { x @0 :Text; y @65535 :Text; }",
      "struct S $Sl.event(\"a\") { x @0 :S; }",
      "using X = import \"t.capnp\"; struct S { x @0 :X.S; }",
      "\"",
      "\"\\",
      "struct S $Sl.event(\"a\") { x @0 :Data = embed \"/etc/passwd\"; }",
      "struct S $Sl.event(\"a\") { x @0 :Data = embed \"t.capnp\"; } #" + std::string(5000, 'x')};
  for (const std::string& body : bodies) {
    const auto result = Compile(body);
    if (result.ok()) {
      EXPECT_TRUE(result->empty()) << body.substr(0, 80);
    }
  }
}

TEST(ContractJsonTest, RoundTrips) {
  auto contracts = Compile(R"(struct A $Sl.event("a.b") $Sl.retain("400d") {
    id @0 :Text $Sl.id; at @1 :Int64 $Sl.eventTime; who @2 :Text $Sl.key $Sl.subject;
    mail @3 :Text $Sl.pii("contact") $Sl.drop; kind @4 :K; }
  enum K { one @0; two @1; })");
  ASSERT_TRUE(contracts.ok()) << contracts.error().ToString();
  contracts->front().version = 7;
  contracts->front().identity.by_producer = true;
  contracts->push_back(SchemalessContract("raw.things"));
  for (const Contract& contract : *contracts) {
    const auto back = FromJson(ToJson(contract));
    ASSERT_TRUE(back.ok()) << back.error().ToString() << ToJson(contract);
    EXPECT_EQ(*back, contract) << ToJson(contract);
  }
}

TEST(ContractJsonTest, RefusesWhatItDidNotWrite) {
  const std::string good = ToJson(SchemalessContract("raw"));
  for (size_t cut = 0; cut < good.size(); ++cut) EXPECT_FALSE(FromJson(good.substr(0, cut)).ok());
  EXPECT_EQ(FromJson("{\"format\":99}").error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(FromJson("{\"format\":1}").error().code(), ErrorCode::kCorrupt);
  for (const char* const other : {"\"field\":[", "\"fields\":5,\"x\":["}) {
    std::string no_fields = good;
    no_fields.replace(no_fields.find("\"fields\":["), 10, other);
    EXPECT_EQ(FromJson(no_fields).error().code(), ErrorCode::kCorrupt) << other;
  }
  std::string bad_index = good;
  bad_index.replace(bad_index.find("\"key\":0"), 7, "\"key\":2");
  EXPECT_EQ(FromJson(bad_index).error().code(), ErrorCode::kCorrupt);
}

TEST(NamesTest, BecomeSnakeCase) {
  EXPECT_EQ(ColumnName("userId"), "user_id");
  EXPECT_EQ(ColumnName("userID"), "user_id");
  EXPECT_EQ(ColumnName("HTTPServer"), "http_server");
  EXPECT_EQ(ColumnName("sha256Sum"), "sha256_sum");
  EXPECT_EQ(ColumnName("viewportW"), "viewport_w");
  EXPECT_EQ(TableName("shop.user-events"), "shop_user_events");
  EXPECT_TRUE(CheckTopicName("shop.user-events_1").ok());
  for (const std::string& bad : {std::string(), std::string("1a"), std::string("a/b"),
                                 std::string("a b"), std::string("ä"), std::string(129, 'a')}) {
    EXPECT_FALSE(CheckTopicName(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace sluice::event
