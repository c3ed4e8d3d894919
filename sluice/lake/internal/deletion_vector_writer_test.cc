#include "sluice/lake/internal/deletion_vector_writer.h"

#include <gtest/gtest.h>

#include <random>

#include "sluice/store/memory_store.h"

namespace sluice::lake::internal {
namespace {

TEST(DeletionVectorWriterTest, BitmapsOfEveryDensityComeBack) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    const auto size = static_cast<int64_t>(random() % 400'000 + 1);
    RowSet rows(size);
    // Single rows, short runs, long runs; some containers stay empty.
    for (int64_t row = 0; row < size;) {
      const auto kind = random() % 4;
      const auto count = std::min<int64_t>(size - row, kind == 0   ? 1
                                                       : kind == 1 ? random() % 40
                                                                   : random() % 90'000);
      const auto one_in = kind == 3 ? random() % 30 + 1 : 1;
      const bool marks = random() % 2 == 0;
      for (int64_t i = 0; marks && i < count; ++i) {
        if (random() % one_in == 0) rows.Insert(row + i);
      }
      row += count + random() % 3000;
    }
    const auto decoded = DecodeBitmap(EncodeBitmap(rows), size);
    ASSERT_TRUE(decoded.ok()) << decoded.error().message();
    ASSERT_EQ(decoded->words(), rows.words());
  }
}

TEST(DeletionVectorWriterTest, Z85ComesBack) {
  // The example of ZeroMQ's specification 32/Z85.
  const std::string bytes = "\x86\x4F\xD2\x6F\xB5\x59\xF7\x5B";
  EXPECT_EQ(EncodeZ85(bytes), "HelloWorld");
  EXPECT_EQ(*DecodeZ85("HelloWorld"), bytes);
}

TEST(DeletionVectorWriterTest, SeveralVectorsOfOneFileAreRead) {
  DeletionVectorFile file("61d16c75-6994-46b7-a15b-8b538852e50e");
  RowSet few(100);
  few.Insert(7);
  RowSet all(100'000);
  for (int64_t row = 0; row < 100'000; ++row) all.Insert(row);
  const auto first = file.Add(few);
  const auto second = file.Add(all);
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->data, "vBn[lx{q8@P<9BNH/isA");  // As in the protocol's examples.
  EXPECT_EQ((*first)->offset, 1);
  EXPECT_EQ((*second)->cardinality, 100'000);
  EXPECT_LT((*second)->size, 100);

  store::MemoryStore store;
  ASSERT_TRUE(store.Put("table/" + file.path(), file.bytes()).ok());
  const ForeignFiles none;
  const FilePlaces places(store, "table", none);
  const auto read_first = ReadDeletionVector(places, **first, 100);
  const auto read_second = ReadDeletionVector(places, **second, 100'000);
  ASSERT_TRUE(read_first.ok()) << read_first.error().message();
  ASSERT_TRUE(read_second.ok()) << read_second.error().message();
  EXPECT_EQ(read_first->words(), few.words());
  EXPECT_EQ(read_second->words(), all.words());
}

}  // namespace
}  // namespace sluice::lake::internal
