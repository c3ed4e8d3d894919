#include "sluice/api/internal/content_coding.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <memory>
#include <string>

namespace sluice::api::internal {
namespace {

std::string Gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

struct Coding {
  const char* name;
  std::string (*encode)(const std::string&);
};

class ContentCodingTest : public testing::TestWithParam<Coding> {};

TEST_P(ContentCodingTest, GivesBackWhatWasEncoded) {
  for (const size_t size : {0u, 1u, 1000u, 262'144u, 3'000'000u}) {
    std::string text(size, 'x');
    for (size_t i = 0; i < size; i += 7) text[i] = static_cast<char>('a' + i % 23);
    const auto content = DecodeContent(GetParam().name, GetParam().encode(text), size);
    ASSERT_TRUE(content.ok()) << content.error().ToString();
    EXPECT_EQ(content->bytes, text);
    EXPECT_GE(content->storage->size(), size + 64);
  }
}

TEST_P(ContentCodingTest, TakesSeveralPartsInARow) {
  const std::string both = GetParam().encode("one\n") + GetParam().encode("two\n");
  EXPECT_EQ(DecodeContent(GetParam().name, both, 100)->bytes, "one\ntwo\n");
}

TEST_P(ContentCodingTest, StopsAtTheLimit) {
  const std::string bomb = GetParam().encode(std::string(200'000'000, '0'));
  EXPECT_LT(bomb.size(), 300'000u);
  for (const uint64_t limit : {0ull, 1ull, 1'000'000ull, 16ull << 20}) {
    const auto content = DecodeContent(GetParam().name, bomb, limit);
    ASSERT_FALSE(content.ok());
    EXPECT_TRUE(content.error().message().starts_with("SL4130: ")) << content.error().ToString();
  }
  const std::string exact = GetParam().encode(std::string(1000, 'x'));
  EXPECT_TRUE(DecodeContent(GetParam().name, exact, 1000).ok());
  EXPECT_FALSE(DecodeContent(GetParam().name, exact, 999).ok());
}

TEST_P(ContentCodingTest, RefusesWhatIsCutOrChanged) {
  const std::string whole = GetParam().encode("the quick brown fox jumps over the lazy dog");
  for (size_t length = 0; length < whole.size(); ++length) {
    const auto content = DecodeContent(GetParam().name, whole.substr(0, length), 1000);
    ASSERT_FALSE(content.ok()) << length;
    EXPECT_TRUE(content.error().message().starts_with("SL4005: ")) << content.error().ToString();
  }
  EXPECT_FALSE(DecodeContent(GetParam().name, whole + "more", 1000).ok());
  EXPECT_FALSE(DecodeContent(GetParam().name, "{\"plain\":1}", 1000).ok());
}

INSTANTIATE_TEST_SUITE_P(Codings, ContentCodingTest,
                         testing::Values(Coding{"gzip", Gzip}, Coding{"zstd", Zstd}),
                         [](const auto& test) { return std::string(test.param.name); });

/// A frame of a few bytes that asks for a window of 2 to the power of `window_log` bytes.
std::string ZstdWithWindow(int window_log) {
  const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(),
                                                                   ZSTD_freeCCtx);
  EXPECT_FALSE(ZSTD_isError(ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, window_log)));
  const std::string text = "{}";
  std::string bytes(1000, '\0');
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  ZSTD_outBuffer out{bytes.data(), bytes.size(), 0};
  // In two calls, so that the frame does not know its size, by which the window would shrink.
  EXPECT_EQ(ZSTD_compressStream2(context.get(), &out, &in, ZSTD_e_flush), 0U);
  EXPECT_EQ(ZSTD_compressStream2(context.get(), &out, &in, ZSTD_e_end), 0U);
  bytes.resize(out.pos);
  return bytes;
}

// As much memory as the window is taken for each body, whatever its size.
TEST(DecodeContentTest, TakesNoLargeWindows) {
  EXPECT_EQ(DecodeContent("zstd", ZstdWithWindow(23), 100)->bytes, "{}");
  EXPECT_FALSE(DecodeContent("zstd", ZstdWithWindow(24), 100).ok());
  EXPECT_FALSE(DecodeContent("zstd", ZstdWithWindow(27), 100).ok());
}

TEST(DecodeContentTest, KnowsTwoCodings) {
  EXPECT_TRUE(DecodeContent("GZIP", Gzip("x"), 1).ok());
  for (const char* const coding : {"br", "deflate", "gzip, gzip", "gzip,zstd"}) {
    EXPECT_EQ(DecodeContent(coding, Gzip("x"), 1).error().code(), ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace sluice::api::internal
