#include "sluice/ledger/signed_off.h"

#include <gtest/gtest.h>

#include <string>

#include "sluice/lake/expression.h"
#include "sluice/lake/row_changes.h"
#include "sluice/ledger/internal/proven_table.h"

namespace sluice::ledger {
namespace {

using SignedOffTest = ProvenTable;

TEST_F(SignedOffTest, CountsOnlyWhatChangedSinceItWasCounted) {
  const std::string first = Land(0, 5);
  Land(5, 8);
  Append({std::nullopt}, {});
  SignedOff signed_off = SignOff(*Newest(), MustProve(), 17);
  const auto decoded = DecodeSignedOff(Encode(signed_off));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, signed_off);
  EXPECT_FALSE(DecodeSignedOff(Encode(signed_off).replace(20, 1, "x")).ok());
  EXPECT_FALSE(DecodeSignedOff("").ok());
  const auto since = [&] { return ProveSince(table_, Newest(), signed_off, {.end = 12}); };

  // Nothing new, then a landing, then rows of others, then the same rows in other files.
  EXPECT_EQ(since()->files_read, 0);
  Land(8, 10, {}, 3);
  Append({std::nullopt, std::nullopt}, {});
  Append({0, 1, 2, 3, 4}, {.operation = "OPTIMIZE"});
  Commit("OPTIMIZE", {Remove(first, false)});
  const auto proof = since();
  ASSERT_TRUE(proof.ok()) << proof.error().ToString();
  EXPECT_TRUE(proof->Balanced());
  EXPECT_EQ(proof->counted_from, signed_off.version);
  EXPECT_EQ(proof->files_read, 4);
  EXPECT_EQ(proof->landed, 10);
  EXPECT_EQ(proof->foreign, 3);
  EXPECT_EQ(proof->pending, 2);
  EXPECT_EQ(proof->duplicates, 3);
  const Proof whole = MustProve({.end = 12});
  EXPECT_EQ(whole.landed, proof->landed);
  EXPECT_EQ(whole.foreign, proof->foreign);
  EXPECT_EQ(SignOff(*Newest(), whole, 1), SignOff(*Newest(), *proof, 1));
}

TEST_F(SignedOffTest, LeavesToAFullCountWhatIsNoPlainLanding) {
  Land(0, 5);
  const std::string second = Land(5, 8);
  const SignedOff signed_off = SignOff(*Newest(), MustProve(), 17);
  const auto answer = [&](int64_t end = 20) {
    const auto proof = ProveSince(table_, Newest(), signed_off, {.end = end});
    return proof.ok() ? "balanced" : std::string(ToString(proof.error().code()));
  };
  EXPECT_EQ(answer(), "balanced");
  EXPECT_EQ(answer(7), "conflict") << "fewer were accepted than landed";
  Land(8, 12, {9});
  EXPECT_EQ(answer(), "conflict") << "an offset is missing";
  Append({9}, {});
  EXPECT_EQ(answer(), "balanced");
  Append({9}, {});
  EXPECT_EQ(answer(), "conflict") << "it stands twice";
  Commit("DELETE", {Remove(second)});
  EXPECT_EQ(answer(), "conflict") << "rows are gone";
  SignedOff other = signed_off;
  ++other.files_digest;
  EXPECT_FALSE(ProveSince(table_, Newest(), other).ok());
  other = signed_off;
  other.table_id = "another";
  EXPECT_FALSE(ProveSince(table_, Newest(), other).ok());
}

// As many rows as there should be, and not those.
TEST_F(SignedOffTest, TheRightNumberOfOtherRowsIsNotSignedOff) {
  const std::string first = Land(0, 5);
  SignedOff signed_off = SignOff(*Newest(), MustProve(), 17);
  const auto since = [&] { return ProveSince(table_, Newest(), signed_off, {.end = 20}); };
  Append({0, 1, 2, 3, 3}, {});
  Commit("OPTIMIZE", {Remove(first, false)});
  EXPECT_FALSE(since().ok()) << "4 became a second 3";
  signed_off = SignOff(*Newest(), MustProve(), 17);
  EXPECT_TRUE(since().ok());
  for (int part = 0; part < 3; ++part) {
    SignedOff other = signed_off;
    if (part == 0) ++other.files_digest;
    if (part == 1) other.table_id = "another";
    if (part == 2) ++other.files;
    EXPECT_FALSE(ProveSince(table_, Newest(), other, {.end = 20}).ok()) << part;
  }
  Append({5, 5, 7}, {.transactions = {{.app_id = std::string(kApp), .version = 7}}});
  EXPECT_FALSE(since().ok()) << "5 landed twice, and 6 did not";
}

TEST_F(SignedOffTest, AFileThatIsGoneOrOfAnotherSizeIsNotSignedOff) {
  const std::string first = Land(0, 5);
  Land(5, 8);
  const SignedOff signed_off = SignOff(*Newest(), MustProve(), 17);
  const auto since = [&] { return ProveSince(table_, Newest(), signed_off); };
  ASSERT_TRUE(since().ok());
  const std::string path = table_.StorePath(FileOf(first));
  const std::string whole = *memory_.Get(path);
  ASSERT_TRUE(memory_.Delete(path).ok());
  EXPECT_FALSE(since().ok()) << "it was counted, and is gone";
  ASSERT_TRUE(memory_.Put(path, whole.substr(0, whole.size() / 2)).ok());
  EXPECT_FALSE(since().ok()) << "it was cut off";
  ASSERT_TRUE(memory_.Put(path, whole).ok());
  EXPECT_TRUE(since().ok());
}

TEST_F(SignedOffTest, RowsThatAVectorTakesAwayAreNotSignedOff) {
  lake::DeltaTable table(memory_, "v", clock_, random_);
  auto snapshot = *table.Create(kSchema, {.properties = {{"delta.enableDeletionVectors", "true"}}});
  const lake::NewFile file{.batches = {Rows({0, 1, 2, 3, 4})}};
  snapshot = *table.Append(snapshot, {&file, 1},
                           {.transactions = {{.app_id = std::string(kApp), .version = 4}}});
  const SignedOff signed_off = SignOff(*snapshot, *Prove(table, snapshot), 17);
  EXPECT_TRUE(ProveSince(table, snapshot, signed_off).ok());
  const auto removed = lake::DeleteRows(table, *lake::Expression::Parse("_offset = 3"));
  ASSERT_TRUE(removed.ok()) << removed.error().ToString();
  ASSERT_EQ(removed->files_marked, 1);
  snapshot = *table.Load();
  EXPECT_FALSE(ProveSince(table, snapshot, signed_off).ok());
  EXPECT_EQ(Prove(table, snapshot)->removed, 1);
}

}  // namespace
}  // namespace sluice::ledger
