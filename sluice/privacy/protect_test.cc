#include "sluice/privacy/protect.h"

#include <arrow/api.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "sluice/os/simulated_disk.h"
#include "sluice/privacy/internal/base64url.h"
#include "sluice/privacy/internal/generalise.h"

namespace sluice::privacy {
namespace {

using columnar::Batch;
using Texts = std::vector<std::optional<std::string>>;

std::shared_ptr<arrow::Array> TextArray(const Texts& values) {
  arrow::StringBuilder builder;
  for (const auto& value : values) {
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Array> NumberArray(const std::vector<int64_t>& values) {
  arrow::Int64Builder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

Texts TextsOf(const Batch& batch, const std::string& column) {
  Texts texts;
  const auto array = batch->GetColumnByName(column);
  EXPECT_EQ(array->type_id(), arrow::Type::STRING) << column;
  const auto& values = static_cast<const arrow::StringArray&>(*array);
  for (int64_t row = 0; row < values.length(); ++row) {
    texts.push_back(values.IsNull(row) ? std::optional<std::string>() : values.GetString(row));
  }
  return texts;
}

class ProtectTest : public testing::Test {
 protected:
  ProtectTest() {
    contract_.topic = "shop.users";
    contract_.table = "shop_users";
    Add("user", event::FieldType::kText, "none").subject = true;
  }

  event::Field& Add(const std::string& name, event::FieldType type, std::string_view rule) {
    event::Field field;
    field.name = field.column = name;
    field.type = type;
    field.id = static_cast<uint32_t>(contract_.fields.size());
    field.privacy = *event::ParsePrivacyRule(rule);
    contract_.fields.push_back(field);
    return contract_.fields.back();
  }

  std::shared_ptr<const Protector> MakeProtector() {
    auto made = Protector::Make(std::make_shared<event::Contract>(contract_), keys_, "acme");
    EXPECT_TRUE(made.ok()) << made.error().ToString();
    return *made;
  }

  Batch Rows(std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>> columns) {
    arrow::FieldVector fields;
    arrow::ArrayVector arrays;
    columns.emplace_back("_extra",
                         TextArray(Texts(static_cast<size_t>(columns[0].second->length()))));
    for (auto& [name, array] : columns) {
      fields.push_back(arrow::field(name, array->type()));
      arrays.push_back(array);
    }
    return arrow::RecordBatch::Make(arrow::schema(fields), arrays[0]->length(), arrays);
  }

  ProtectedRows Protect(const Batch& rows) {
    auto made = MakeProtector()->Protect(rows, now_);
    EXPECT_TRUE(made.ok()) << made.error().ToString();
    EXPECT_TRUE(made->rows->Validate().ok());
    EXPECT_TRUE(made->rows->schema()->Equals(*StoredTypes(contract_, rows->schema())))
        << made->rows->schema()->ToString();
    return *made;
  }

  std::string RevealText(const std::string& token) {
    auto clear = Reveal(token, {std::make_shared<event::Contract>(contract_)}, keys_, "acme");
    return clear.ok() ? *clear : clear.error().ToString();
  }

  event::Contract contract_;
  os::SimulatedRandom random_{11};
  os::SimulatedDisk disk_;
  Keys keys_ = *Keys::LoadOrMake(disk_, "keys", random_);
  os::Timestamp now_{std::chrono::days(20'000)};
};

TEST_F(ProtectTest, HashesAsOpenSslDoes) {
  Add("email", event::FieldType::kText, "hash group=mail trim lower");
  const auto made =
      Protect(Rows({{"user", TextArray({"u", "u", "u", "u"})},
                    {"email", TextArray({" Ada@Example.com\n", "ada@example.com", "", {}})}}));
  const Texts hashes = TextsOf(made.rows, "email");

  // As the reference page tells it: the group's key, then the value.
  const auto hmac = [](std::string_view key, std::string_view message) {
    std::string out(32, '\0');
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(message.data()), message.size(),
         reinterpret_cast<unsigned char*>(out.data()), nullptr);
    return out;
  };
  const NumberedKey key = keys_.Newest(KeyUse::kHash);
  std::string parts;
  for (const std::string part : {"sluice/hash/1", "acme", "mail"}) {
    parts += std::string{0, 0, 0, static_cast<char>(part.size())} + part;
  }
  const std::string group_key = hmac({reinterpret_cast<const char*>(key.key.data()), 32}, parts);
  const auto expected = [&](std::string_view value) {
    const std::string digest = hmac(group_key, value);
    std::string text(43, '\0');
    internal::EncodeBase64Url(std::as_bytes(std::span(digest)), text.data());
    return "h1.1." + text;
  };
  EXPECT_EQ(hashes,
            (Texts{expected("ada@example.com"), expected("ada@example.com"), expected(""), {}}));
}

TEST_F(ProtectTest, JoinsWithinAGroupOnly) {
  Add("a", event::FieldType::kText, "hash group=one");
  Add("b", event::FieldType::kInt64, "hash group=one");
  Add("c", event::FieldType::kText, "hash group=two");
  Add("d", event::FieldType::kText, "hash");
  Add("e", event::FieldType::kText, "hash");
  const auto seven = TextArray({"7"});
  const auto made = Protect(Rows({{"user", seven},
                                  {"a", seven},
                                  {"b", NumberArray({7})},
                                  {"c", seven},
                                  {"d", seven},
                                  {"e", seven}}));
  const auto text = [&](const std::string& column) { return TextsOf(made.rows, column)[0]; };
  EXPECT_EQ(text("a"), text("b"));
  EXPECT_EQ(text("user"), "7");
  std::set<std::string> all;
  for (const char* const column : {"a", "c", "d", "e"}) all.insert(*text(column));
  EXPECT_EQ(all.size(), 4u);
  const auto other = Protector::Make(std::make_shared<event::Contract>(contract_), keys_, "globex");
  const auto elsewhere = (*other)->Protect(Rows({{"user", seven},
                                                 {"a", seven},
                                                 {"b", NumberArray({7})},
                                                 {"c", seven},
                                                 {"d", seven},
                                                 {"e", seven}}),
                                           now_);
  EXPECT_NE(TextsOf(elsewhere->rows, "a")[0], text("a"));
}

TEST_F(ProtectTest, HashesPlainlyOnlyWhenTold) {
  Add("code", event::FieldType::kText, "hash unkeyed");
  const auto made = Protect(Rows({{"user", TextArray({"u"})}, {"code", TextArray({"abc"})}}));
  EXPECT_EQ(TextsOf(made.rows, "code")[0],
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST_F(ProtectTest, TokenizesAndReveals) {
  Add("name", event::FieldType::kText, "tokenize group=name");
  Add("number", event::FieldType::kInt64, "tokenize");
  Texts names;
  std::vector<int64_t> numbers;
  for (int i = 0; i < 3000; ++i) {
    names.push_back(i % 7 == 0 ? std::optional<std::string>() : fmt::format("Ada {}", i % 500));
    numbers.push_back(i);
  }
  const auto made = Protect(Rows(
      {{"user", TextArray(names)}, {"name", TextArray(names)}, {"number", NumberArray(numbers)}}));
  const Texts tokens = TextsOf(made.rows, "name");
  std::map<std::string, std::string> by_name;
  for (size_t i = 0; i < names.size(); ++i) {
    ASSERT_EQ(tokens[i].has_value(), names[i].has_value());
    if (!names[i]) continue;
    ASSERT_TRUE(tokens[i]->starts_with("s1.1.")) << *tokens[i];
    ASSERT_EQ(by_name.emplace(*names[i], *tokens[i]).first->second, *tokens[i]);
  }
  for (const auto& [name, token] : by_name) ASSERT_EQ(RevealText(token), name);
  EXPECT_EQ(RevealText(*TextsOf(made.rows, "number")[42]), "42");
  std::string changed = *tokens[1];
  changed.back() = changed.back() == 'A' ? 'E' : 'A';
  EXPECT_NE(RevealText(changed).find("denied"), std::string::npos) << RevealText(changed);
  EXPECT_NE(RevealText("h1.1.abc").find("not a token"), std::string::npos);
  EXPECT_NE(RevealText("s1.9." + tokens[1]->substr(5)).find("no token key 9"), std::string::npos);
}

TEST_F(ProtectTest, ShredsOneSubject) {
  Add("note", event::FieldType::kText, "encrypt");
  const Batch rows = Rows(
      {{"user", TextArray({"ada", "bob", "ada", {}})}, {"note", TextArray({"x", "x", "x", "x"})}});
  const auto made = Protect(rows);
  const Texts notes = TextsOf(made.rows, "note");
  EXPECT_EQ(notes[0], notes[2]);
  EXPECT_NE(notes[0], notes[1]);
  EXPECT_EQ(notes[3], std::nullopt);
  ASSERT_EQ(made.problems.size(), 1u);
  EXPECT_EQ(made.problems[0].row, 3);
  EXPECT_EQ(made.problems[0].code, codes::kNoSubject);
  EXPECT_EQ(RevealText(*notes[0]), "x");
  ASSERT_TRUE(keys_.DestroySubject(keys_.IdOfSubject("acme", "ada")).ok());
  EXPECT_NE(RevealText(*notes[0]).find("destroyed"), std::string::npos);
  EXPECT_EQ(RevealText(*notes[1]), "x");
  EXPECT_EQ(Protect(rows).problems.size(), 3u);
}

TEST_F(ProtectTest, MasksGeneralisesAndDrops) {
  Add("card", event::FieldType::kText, "mask keep=4");
  Add("born", event::FieldType::kText, "generalise to=year");
  Add("address", event::FieldType::kText, "generalise to=/24");
  Add("age", event::FieldType::kInt64, "generalise to=10");
  Add("gone", event::FieldType::kInt64, "drop");
  const auto made =
      Protect(Rows({{"user", TextArray({"u", "u", {}})},
                    {"card", TextArray({"4111111111111111", "123", {}})},
                    {"born", TextArray({"1990-05-17", "2001-07-01T23:30:00-02:00", "never"})},
                    {"address", TextArray({"10.1.2.3", "2001:db8:1:2::3", {}})},
                    {"age", NumberArray({37, -3, 40})},
                    {"gone", NumberArray({1, 2, 3})}}));
  EXPECT_EQ(TextsOf(made.rows, "card"), (Texts{"************1111", "***", {}}));
  EXPECT_EQ(TextsOf(made.rows, "born"), (Texts{"1990-01-01", "2001-01-01T00:00:00Z", {}}));
  EXPECT_EQ(TextsOf(made.rows, "address"), (Texts{"10.1.2.0/24", "2001:db8:1::/48", {}}));
  const auto ages = made.rows->GetColumnByName("age");
  EXPECT_TRUE(ages->Equals(NumberArray({30, -10, 40}))) << ages->ToString();
  EXPECT_EQ(made.rows->GetColumnByName("gone")->null_count(), 3);
  ASSERT_EQ(made.problems.size(), 1u);
  EXPECT_EQ(made.problems[0].path, "born");
  EXPECT_EQ(made.problems[0].message.find("never"), std::string::npos);
}

TEST(GeneraliseTest, KnowsTimes) {
  const auto general = [](std::string_view to, std::string_view value) {
    std::string out;
    return internal::AppendGeneral(*event::ParseGeneralisation(to), value, out) ? out : "none";
  };
  EXPECT_EQ(general("hour", "2026-01-05T10:11:12.5Z"), "2026-01-05T10:00:00Z");
  EXPECT_EQ(general("day", "2026-01-05T01:11:12+02:00"), "2026-01-04T00:00:00Z");
  EXPECT_EQ(general("month", "2026-11-30"), "2026-11-01");
  EXPECT_EQ(general("hour", "2026-11-30"), "none");
  EXPECT_EQ(general("day", "2026-02-30"), "none");
  EXPECT_EQ(general("day", "2026-01-05T10:11:12"), "none");
  EXPECT_EQ(general("day", ""), "none");
  EXPECT_EQ(general("/8,/0", "255.1.1.1"), "255.0.0.0/8");
  EXPECT_EQ(general("/8,/0", "ff::1"), "::/0");
  EXPECT_EQ(general("/8", "256.1.1.1"), "none");
  EXPECT_EQ(general("prefix 2", "äöü"), "äö");
  std::string masked;
  internal::AppendMasked("äöü", 1, masked);
  EXPECT_EQ(masked, "**ü");
}

TEST_F(ProtectTest, SealsUnknownFieldsAndStillComparesThem) {
  Add("email", event::FieldType::kText, "drop");
  Batch rows = Rows({{"user", TextArray({"u", "u", "u"})}, {"email", TextArray({{}, {}, {}})}});
  rows = rows->SetColumn(2, arrow::field("_extra", arrow::utf8()),
                         TextArray({R"({"secret":"ada"})", {}, R"({"secret":"bob"})"}))
             .ValueOrDie();
  const auto protector = MakeProtector();
  const auto today = *protector->Protect(rows, now_);
  const auto tomorrow = *protector->Protect(rows, now_ + std::chrono::days(1));
  const Texts sealed = TextsOf(today.rows, "_extra");
  EXPECT_TRUE(sealed[0]->starts_with("x1.20000."));
  EXPECT_EQ(sealed[1], std::nullopt);
  EXPECT_NE(sealed[0]->substr(9), TextsOf(tomorrow.rows, "_extra")[0]->substr(9));
  const std::vector<std::string> columns = {"user", "email", "_extra"};
  const auto hashes = *protector->ContentHashes(today.rows, columns);
  EXPECT_EQ(hashes, *protector->ContentHashes(tomorrow.rows, columns));
  EXPECT_EQ(std::set<uint64_t>(hashes.begin(), hashes.end()).size(), 3u);
  EXPECT_EQ((*protector->ContentHashes(rows, columns))[0], 0u);  // Clear: not to be compared.
  EXPECT_EQ(RevealText(*sealed[0]), R"({"secret":"ada"})");
  ASSERT_TRUE(keys_.DestroySealingKeysBefore(20'001).ok());
  EXPECT_NE(RevealText(*sealed[0]).find("destroyed"), std::string::npos);
}

TEST_F(ProtectTest, RowsMadeWithAnotherKeyAreNotCompared) {
  Add("email", event::FieldType::kText, "hash");
  const Batch rows = Rows({{"user", TextArray({"u", "u"})}, {"email", TextArray({"a", {}})}});
  const auto old = Protect(rows);
  ASSERT_TRUE(keys_.Rotate(KeyUse::kHash, 2, random_).ok());
  const auto hashes = *MakeProtector()->ContentHashes(old.rows, {"user", "email"});
  EXPECT_EQ(hashes[0], 0u);
  EXPECT_NE(hashes[1], 0u);
  EXPECT_TRUE(TextsOf(Protect(rows).rows, "email")[0]->starts_with("h1.2."));
}

TEST_F(ProtectTest, RowsEncryptedUnderAnotherRootAreNotCompared) {
  Add("email", event::FieldType::kText, "encrypt");
  const Batch rows = Rows({{"user", TextArray({"u", "u"})}, {"email", TextArray({"a", {}})}});
  const auto old = Protect(rows);
  ASSERT_TRUE(keys_.Rotate(KeyUse::kSubject, 2, random_).ok());
  const auto hashes = *MakeProtector()->ContentHashes(old.rows, {"user", "email"});
  EXPECT_EQ(hashes[0], 0u);
  EXPECT_NE(hashes[1], 0u);
}

// What is remembered of recent values goes by their ends and their size.
TEST_F(ProtectTest, ValuesThatDifferInTheMiddleAloneAreTwo) {
  Add("email", event::FieldType::kText, "hash");
  Add("phone", event::FieldType::kText, "tokenize");
  Texts values;
  for (int i = 0; i < 20; ++i) {
    values.push_back(fmt::format("beginning-{:02}-and-the-end", i));
    values.push_back(fmt::format("beginning-{:02}-and-the-end", i / 2));
  }
  const Batch rows = Rows({{"user", TextArray(Texts(values.size(), "u"))},
                           {"email", TextArray(values)},
                           {"phone", TextArray(values)}});
  const auto made = Protect(rows);
  for (const char* const column : {"email", "phone"}) {
    const Texts texts = TextsOf(made.rows, column);
    for (size_t i = 0; i < values.size(); ++i) {
      for (size_t j = 0; j < values.size(); ++j) {
        EXPECT_EQ(texts[i] == texts[j], values[i] == values[j]) << column << " " << i << " " << j;
      }
    }
  }
}

TEST_F(ProtectTest, AClockBehindTheOldestKeySealsForItsDay) {
  ASSERT_TRUE(keys_.DestroySealingKeysBefore(20'010).ok());
  Add("email", event::FieldType::kText, "hash");
  Batch rows = Rows({{"user", TextArray({"u"})}, {"email", TextArray({"a"})}});
  rows = *rows->SetColumn(2, arrow::field("_extra", arrow::utf8()), TextArray({R"({"x":1})"}));
  const Texts sealed = TextsOf(Protect(rows).rows, "_extra");
  ASSERT_TRUE(sealed[0].has_value());
  EXPECT_EQ(RevealText(*sealed[0]), R"({"x":1})");
}

// What rows stored under one rule become when the rule is another.
TEST_F(ProtectTest, BringsOlderRowsUnderAStricterRule) {
  const std::vector<std::string_view> ascending = {"none", "tokenize", "encrypt", "hash", "drop"};
  for (const std::string_view from : ascending) {
    for (const std::string_view to : ascending) {
      if (!event::CheckTightening(*event::ParsePrivacyRule(from), *event::ParsePrivacyRule(to))
               .ok()) {
        continue;
      }
      contract_.fields.resize(1);
      Add("note", event::FieldType::kText, from);
      Batch rows = Rows({{"user", TextArray({"ada", "bob"})}, {"note", TextArray({"x", {}})}});
      rows = rows->SetColumn(2, arrow::field("_extra", arrow::utf8()), TextArray({"{}", {}}))
                 .ValueOrDie();
      const Batch stored = Protect(rows).rows->ReplaceSchemaMetadata(nullptr);
      const Batch marked =
          arrow::RecordBatch::Make(MarkRules(contract_, stored->schema()), 2, stored->columns());
      contract_.fields.resize(1);
      Add("note", event::FieldType::kText, to);
      const auto made = MakeProtector()->Reprotect(marked, now_);
      ASSERT_TRUE(made.ok()) << made.error().ToString();
      const auto expected = Protect(rows);
      EXPECT_EQ(TextsOf(*made, "note"), TextsOf(expected.rows, "note")) << from << " -> " << to;
      EXPECT_EQ(TextsOf(*made, "_extra"), TextsOf(expected.rows, "_extra")) << from << " -> " << to;
      EXPECT_EQ(*MakeProtector()->Reprotect(*made, now_), *made)
          << "twice " << from << " -> " << to;
    }
  }
}

// Rules inside structs and lists, on a slice of larger arrays.
TEST_F(ProtectTest, ReachesIntoStructsAndLists) {
  event::Field item;
  item.name = item.column = "item";
  item.type = event::FieldType::kStruct;
  item.id = event::kUnnumbered;
  item.children.resize(2);
  item.children[0].name = item.children[0].column = "sku";
  item.children[1].name = item.children[1].column = "mail";
  item.children[1].id = 1;
  item.children[1].privacy = *event::ParsePrivacyRule("hash group=mail");
  event::Field& items = Add("items", event::FieldType::kList, "none");
  items.children = {item};
  event::Field& tags = Add("tags", event::FieldType::kList, "encrypt");
  tags.children.resize(1);
  Add("mail", event::FieldType::kText, "hash group=mail");

  const auto json = [](const std::shared_ptr<arrow::DataType>& type, const Texts& mails,
                       const std::vector<int>& sizes) {
    std::shared_ptr<arrow::Array> values = TextArray(mails);
    if (type->field(0)->type()->id() == arrow::Type::STRUCT) {
      values = arrow::StructArray::Make({TextArray(Texts(mails.size(), "sku")), values},
                                        type->field(0)->type()->fields())
                   .ValueOrDie();
    }
    arrow::Int32Builder offsets;
    int at = 0;
    for (const int size : sizes) {
      EXPECT_TRUE((size < 0 ? offsets.AppendNull() : offsets.Append(at)).ok());
      at += std::max(size, 0);
    }
    EXPECT_TRUE(offsets.Append(at).ok());
    return std::shared_ptr<arrow::Array>(
        arrow::ListArray::FromArrays(type, *offsets.Finish().ValueOrDie(), *values).ValueOrDie());
  };
  const auto item_type =
      arrow::struct_({arrow::field("sku", arrow::utf8()), arrow::field("mail", arrow::utf8())});
  const Batch all =
      Rows({{"user", TextArray({"x", "ada", {}, "bob"})},
            {"items", json(arrow::list(item_type), {"0", "a", "b", {}, "c"}, {1, 3, -1, 1})},
            {"tags", json(arrow::list(arrow::utf8()), {"0", "t", "u", "t"}, {1, 1, 1, 1})},
            {"mail", TextArray({"0", "a", "b", "c"})}});
  const auto made = Protect(all->Slice(1));
  EXPECT_TRUE(made.rows->ValidateFull().ok()) << made.rows->ValidateFull().ToString();
  const Texts mails = TextsOf(made.rows, "mail");
  const auto& list = static_cast<const arrow::ListArray&>(*made.rows->GetColumnByName("items"));
  ASSERT_EQ(list.length(), 3);
  EXPECT_TRUE(list.IsNull(1));
  const auto& record = static_cast<const arrow::StructArray&>(*list.values());
  const auto& hashed = static_cast<const arrow::StringArray&>(*record.field(1));
  const auto first = list.value_offset(0);
  EXPECT_EQ(list.value_length(0), 3);
  EXPECT_EQ(hashed.GetView(first), *mails[0]);
  EXPECT_EQ(hashed.GetView(first + 1), *mails[1]);
  EXPECT_TRUE(hashed.IsNull(first + 2));
  EXPECT_EQ(hashed.GetView(list.value_offset(2)), *mails[2]);
  const auto& skus = static_cast<const arrow::StringArray&>(*record.field(0));
  EXPECT_EQ(skus.GetView(first), "sku");

  ASSERT_EQ(made.problems.size(), 1u);  // The tag of a row without subject.
  EXPECT_EQ(made.problems[0].row, 1);
  EXPECT_EQ(made.problems[0].path, "tags");
  const auto& tag_list = static_cast<const arrow::ListArray&>(*made.rows->GetColumnByName("tags"));
  const auto& sealed = static_cast<const arrow::StringArray&>(*tag_list.values());
  EXPECT_EQ(RevealText(sealed.GetString(0)), "t");
  EXPECT_NE(sealed.GetView(0), sealed.GetView(2));  // Another subject.

  // Frames that were stored in clear, before there were rules.
  const auto again = MakeProtector()->Reprotect(all->Slice(1), now_);
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  for (const char* const column : {"items", "tags", "mail"}) {
    EXPECT_TRUE((*again)->GetColumnByName(column)->Equals(made.rows->GetColumnByName(column)))
        << column;
  }
  // Rows that were just made carry their rules in the schema alone; they are not made again.
  const Batch marked = arrow::RecordBatch::Make(MarkRules(contract_, made.rows->schema()),
                                                made.rows->num_rows(), made.rows->columns());
  const auto kept = MakeProtector()->Reprotect(marked, now_);
  ASSERT_TRUE(kept.ok()) << kept.error().ToString();
  for (const char* const column : {"items", "tags", "mail"}) {
    EXPECT_TRUE((*kept)->GetColumnByName(column)->Equals(made.rows->GetColumnByName(column)))
        << column;
  }
}

}  // namespace
}  // namespace sluice::privacy
