#include "sluice/store/s3_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "sluice/store/internal/fake_s3.h"
#include "sluice/store/internal/s3_text.h"

namespace sluice::store {
namespace {

using internal::FakeS3;
using internal::S3Fault;

class S3StoreTest : public testing::Test {
 protected:
  static S3Options Options(const FakeS3& fake) {
    return {.bucket = "bucket",
            .endpoint = fake.endpoint(),
            .access_key = "key",
            .secret_key = "secret",
            .time_max = std::chrono::milliseconds(5000),
            .part_bytes = 1000};
  }

  FakeS3 fake_;
  os::SimulatedRandom random_{1};
  S3Store store_{Options(fake_), random_};
};

TEST_F(S3StoreTest, SendsAgainWhatMayBeSentAgain) {
  ASSERT_TRUE(store_.Put("a", "one").ok());
  for (const int status : {500, 503, 429, 0}) {
    fake_.Add({.method = "GET", .status = status});
    EXPECT_EQ(*store_.Get("a"), "one") << status;
    fake_.Add({.method = "PUT", .when = S3Fault::When::kAfter, .status = status});
    EXPECT_TRUE(store_.Put("a", "one").ok()) << status;
    fake_.Add({.method = "DELETE", .status = status});
    EXPECT_TRUE(store_.Delete("b").ok()) << status;
  }
  EXPECT_EQ(fake_.faults_left(), 0U);
  for (int i = 0; i < 20; ++i) fake_.Add({.method = "GET"});
  EXPECT_EQ(store_.Get("a").error().code(), ErrorCode::kUnavailable);
}

TEST_F(S3StoreTest, KnowsItsOwnConditionalPut) {
  ASSERT_TRUE(store_.PutIfAbsent("probe", "").ok());
  int name = 0;
  for (const int status : {500, 503, 0}) {
    for (const auto when : {S3Fault::When::kBefore, S3Fault::When::kAfter}) {
      const std::string path = fmt::format("commit-{}", name++);
      fake_.Add({.method = "PUT", .when = when, .status = status, .path_part = path});
      EXPECT_TRUE(store_.PutIfAbsent(path, "ours").ok()) << path;
      EXPECT_EQ(store_.PutIfAbsent(path, "ours").error().code(), ErrorCode::kConflict) << path;
    }
  }
  EXPECT_EQ(fake_.faults_left(), 0U);
}

TEST_F(S3StoreTest, TellsBusyFromTaken) {
  // 409: another conditional put is under way, and nothing is written.
  fake_.Add({.method = "PUT", .status = 409, .path_part = "commit"});
  fake_.Add({.method = "PUT", .status = 409, .path_part = "commit"});
  EXPECT_TRUE(store_.PutIfAbsent("commit", "ours").ok());
  EXPECT_EQ(*store_.Get("commit"), "ours");
}

TEST_F(S3StoreTest, LosesToAnotherWriterWhenItsOwnPutIsUnknown) {
  S3Store other(Options(fake_), random_);
  ASSERT_TRUE(store_.PutIfAbsent("probe", "").ok());
  ASSERT_TRUE(other.PutIfAbsent("commit", "theirs").ok());
  fake_.Add({.method = "PUT", .when = S3Fault::When::kBefore, .status = 0, .path_part = "commit"});
  EXPECT_EQ(store_.PutIfAbsent("commit", "ours").error().code(), ErrorCode::kConflict);
  EXPECT_EQ(*store_.Get("commit"), "theirs");
}

TEST_F(S3StoreTest, RefusesAStoreThatIgnoresConditions) {
  fake_.IgnoreConditions();
  const Status put = store_.PutIfAbsent("commit", "ours");
  EXPECT_EQ(put.error().code(), ErrorCode::kUnsupported) << put.error().ToString();
  EXPECT_EQ(store_.Get("commit").error().code(), ErrorCode::kNotFound);
}

TEST_F(S3StoreTest, RefusesAStoreThatKnowsNoConditions) {
  fake_.Add({.method = "PUT", .status = 501});
  const Status put = store_.PutIfAbsent("commit", "ours");
  EXPECT_EQ(put.error().code(), ErrorCode::kUnsupported) << put.error().ToString();
  EXPECT_EQ(fake_.requests(), 1);
}

TEST_F(S3StoreTest, TakesNoMoreThanItAskedFor) {
  S3Options options = Options(fake_);
  options.object_bytes_max = 100;
  options.list_max = 4;
  S3Store store(options, random_);
  ASSERT_TRUE(store.Put("long", std::string(101, 'x')).ok());
  EXPECT_EQ(store.Get("long").error().code(), ErrorCode::kInvalid);
  EXPECT_EQ(store.GetRange("long", 1, 100)->size(), 100U);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(store.Put(fmt::format("many/{}", i), "x").ok());
  EXPECT_EQ(store.List("many/")->size(), 5U);  // One page is not cut.
  for (int i = 5; i < 9; ++i) ASSERT_TRUE(store.Put(fmt::format("many/{}", i), "x").ok());
  EXPECT_EQ(store.List("many/").error().code(), ErrorCode::kUnsupported);
}

TEST_F(S3StoreTest, SendsLargeObjectsInParts) {
  std::string bytes;
  for (int i = 0; i < 3500; ++i) bytes += static_cast<char>(i * 7);
  fake_.Add({.method = "PUT"});
  fake_.Add({.method = "POST"});
  ASSERT_TRUE(store_.Put("large", bytes).ok());
  EXPECT_EQ(*store_.Get("large"), bytes);
  EXPECT_EQ(store_.GetRange("large", 990, 20)->size(), 20U);
}

TEST_F(S3StoreTest, WritesPartByPart) {
  std::string bytes;
  for (int i = 0; i < 3500; ++i) bytes += static_cast<char>(i * 7);
  const auto write = [&](size_t size, size_t part) -> Status {
    SLUICE_ASSIGN_OR_RETURN(const auto writer, store_.StartPut("large"));
    for (size_t at = 0; at < size; at += part) {
      SLUICE_RETURN_IF_ERROR(writer->Write(bytes.substr(at, std::min(part, size - at))));
    }
    return writer->Finish();
  };
  for (const size_t size : {0, 1, 999, 1000, 1001, 2000, 3500}) {
    for (const size_t part : {1, 7, 1000, 3500}) {
      ASSERT_TRUE(write(size, part).ok()) << size << " by " << part;
      EXPECT_EQ(*store_.Get("large"), bytes.substr(0, size)) << size << " by " << part;
    }
  }
  // Faults that pass, at each request.
  for (const char* method : {"PUT", "POST"}) {
    for (const auto when : {S3Fault::When::kBefore, S3Fault::When::kAfter}) {
      for (const int status : {503, 0}) {
        fake_.Add({.method = method, .when = when, .status = status});
        ASSERT_TRUE(write(3500, 100).ok()) << method << status;
        EXPECT_EQ(*store_.Get("large"), bytes);
      }
    }
  }
  EXPECT_EQ(fake_.faults_left(), 0U);
}

TEST_F(S3StoreTest, AnUploadThatIsGivenUpLeavesNothing) {
  const std::string bytes(3500, 'x');
  const auto write = [&]() -> Status {
    SLUICE_ASSIGN_OR_RETURN(const auto writer, store_.StartPut("large"));
    SLUICE_RETURN_IF_ERROR(writer->Write(bytes));
    EXPECT_EQ(fake_.uploads(), 1U);
    return writer->Finish();
  };
  {
    const auto writer = store_.StartPut("large");
    ASSERT_TRUE((*writer)->Write(bytes).ok());
    EXPECT_EQ(fake_.uploads(), 1U);
  }
  EXPECT_EQ(fake_.uploads(), 0U);
  EXPECT_EQ(store_.Head("large").error().code(), ErrorCode::kNotFound);
  // Faults that stay, from each request on: the beginning, a part, the last part, the end.
  for (const int works : {0, 1, 3}) {
    for (int i = 0; i < works; ++i) {
      fake_.Add({.method = "PUT", .when = S3Fault::When::kIgnore});
    }
    fake_.Add({.method = "PUT", .status = 403});
    EXPECT_EQ(write().error().code(), ErrorCode::kDenied) << works;
    EXPECT_EQ(fake_.uploads(), 0U) << works;
    EXPECT_EQ(fake_.faults_left(), 0U);
  }
  for (const int works : {0, 1}) {
    if (works == 1) fake_.Add({.method = "POST", .when = S3Fault::When::kIgnore});
    fake_.Add({.method = "POST", .status = 403});
    EXPECT_EQ(write().error().code(), ErrorCode::kDenied) << works;
    EXPECT_EQ(fake_.uploads(), 0U) << works;
  }
  // The end is answered before it is done, and may fail then, with 200.
  fake_.Add({.method = "POST", .when = S3Fault::When::kIgnore});
  fake_.Add({.method = "POST", .status = 200});
  EXPECT_EQ(write().error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(fake_.uploads(), 0U);
  EXPECT_EQ(store_.Head("large").error().code(), ErrorCode::kNotFound);
  EXPECT_TRUE(write().ok());
}

TEST_F(S3StoreTest, SendsNoMorePartsThanStoresTake) {
  S3Options options = Options(fake_);
  options.parts_max = 3;
  S3Store store(options, random_);
  EXPECT_EQ(store.Put("large", std::string(3001, 'x')).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(fake_.uploads(), 0U);
  EXPECT_TRUE(store.Put("large", std::string(3000, 'x')).ok());
}

TEST_F(S3StoreTest, SaysWhoMayNot) {
  S3Options options = Options(fake_);
  options.access_key = "stranger";
  S3Store store(options, random_);
  EXPECT_EQ(store.Get("a").error().code(), ErrorCode::kDenied);
  EXPECT_EQ(store.Put("a", "x").error().code(), ErrorCode::kDenied);
}

TEST_F(S3StoreTest, LetsOneOfManyWritersWin) {
  std::atomic<int> won = 0;
  std::atomic<int> lost = 0;
  const int versions = 20;
  const auto write = [&](int writer) {
    S3Store store(Options(fake_), random_);
    for (int version = 0; version < versions; ++version) {
      const Status put =
          store.PutIfAbsent(fmt::format("log/{:04}", version), std::to_string(writer));
      if (put.ok()) {
        ++won;
      } else if (put.error().code() == ErrorCode::kConflict) {
        ++lost;
      }
    }
  };
  for (int i = 0; i < 10; ++i) {
    fake_.Add({.method = "PUT", .when = S3Fault::When::kAfter, .status = 503, .path_part = "log"});
  }
  {
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 4; ++writer) writers.emplace_back(write, writer);
  }
  EXPECT_EQ(won, versions);
  EXPECT_EQ(lost, 3 * versions);
}

TEST(S3TextTest, ReadsProfiles) {
  const std::string file =
      "# c\n[default]\naws_access_key_id = A\n[profile other]\nregion=eu-west-1\n[x]\nregion = y";
  EXPECT_EQ(internal::ProfileValue(file, "default", "aws_access_key_id"), "A");
  EXPECT_EQ(internal::ProfileValue(file, "other", "region"), "eu-west-1");
  EXPECT_EQ(internal::ProfileValue(file, "x", "region"), "y");
  EXPECT_EQ(internal::ProfileValue(file, "x", "aws_access_key_id"), "");
}

TEST(S3TextTest, RefusesListingsThatAreNone) {
  std::vector<ObjectInfo> objects;
  EXPECT_FALSE(internal::ParseListing("", objects).ok());
  EXPECT_FALSE(internal::ParseListing("<ListBucketResult><Contents><Key>a", objects).ok());
  EXPECT_FALSE(
      internal::ParseListing("<ListBucketResult><IsTruncated>true</IsTruncated>", objects).ok());
  EXPECT_EQ(internal::XmlText("<a>x &lt;&amp;&#34;</a>", "a"), "x <&\"");
}

TEST(S3TextTest, RefusesObjectsWithoutNameOrSize) {
  for (const char* const object : {"<Size>1</Size>", "<Key></Key><Size>1</Size>", "<Key>a</Key>",
                                   "<Key>a</Key><Size>-1</Size>", "<Key>a</Key><Size>x</Size>",
                                   "<Key>a</Key><Size>9223372036854775808</Size>"}) {
    std::vector<ObjectInfo> objects;
    const std::string xml =
        fmt::format("<ListBucketResult><Contents>{}</Contents></ListBucketResult>", object);
    EXPECT_FALSE(internal::ParseListing(xml, objects).ok()) << object;
  }
}

TEST(S3TextTest, TimesThatAreNoneAreTheFirstOfAll) {
  EXPECT_NE(internal::ParseHttpTime("Sat, 31 Jan 2026 12:00:00 GMT"), os::Timestamp());
  EXPECT_EQ(internal::ParseHttpTime("Sat, 31 anF 2026 12:00:00 GMT"), os::Timestamp());
  EXPECT_EQ(internal::ParseHttpTime("Sat, 31 Jan 2026 99:99:99 GMT"), os::Timestamp());
}

}  // namespace
}  // namespace sluice::store
