#include "sluice/api/internal/content_coding.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>

#include "sluice/api/internal/text.h"
#include "sluice/decode/json_decoder.h"

namespace sluice::api::internal {
namespace {

constexpr size_t kStepBytes = 256u << 10;
constexpr int kZstdWindowLogMax = 23;  // 8 MiB, as RFC 8878 section 3.1.1.1.2 advises.

/// Where decompressed bytes go: a string that grows by steps, up to a limit.
class Output {
 public:
  explicit Output(uint64_t bytes_max) : bytes_max_(bytes_max) {}

  /// Makes room for more; false: the limit is reached.
  bool Grow() {
    if (used_ > bytes_max_) return false;
    // One byte above the limit shows that there is more than may be.
    const uint64_t wanted = std::min<uint64_t>(bytes_max_ + 1, used_ + std::max(used_, kStepBytes));
    text_->resize(static_cast<size_t>(wanted) + decode::JsonDecoder::kPaddingBytes);
    return true;
  }
  char* at() { return text_->data() + used_; }
  size_t room() const { return text_->size() - used_ - decode::JsonDecoder::kPaddingBytes; }
  void Use(size_t bytes) { used_ += bytes; }
  bool TooMany() const { return used_ > bytes_max_; }
  Content Finish() {
    text_->resize(used_ + decode::JsonDecoder::kPaddingBytes);
    return {.storage = text_, .bytes = std::string_view(*text_).substr(0, used_)};
  }

 private:
  const uint64_t bytes_max_;
  size_t used_ = 0;
  std::shared_ptr<std::string> text_ =
      std::make_shared<std::string>(decode::JsonDecoder::kPaddingBytes, '\0');
};

Error TooManyBytes(uint64_t bytes_max) {
  return Invalid(
      "SL4130: the body is more than {} bytes when it is decompressed; send less at once",
      bytes_max);
}

Error NotWhole(std::string_view coding) {
  return Invalid("SL4005: the body is not whole, valid {}", coding);
}

Result<Content> DecodeGzip(std::string_view bytes, uint64_t bytes_max) {
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  z_stream stream{};
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) return Unavailable("no memory to decompress");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  // The library does not write to its input; its type is older than const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  Output output(bytes_max);
  int state = Z_OK;
  do {
    if (state == Z_STREAM_END && inflateReset(&stream) != Z_OK) return NotWhole("gzip");
    do {
      if (output.room() == 0 && !output.Grow()) return TooManyBytes(bytes_max);
      const size_t room = output.room();
      stream.next_out = reinterpret_cast<Bytef*>(output.at());
      stream.avail_out = static_cast<uInt>(room);
      state = inflate(&stream, Z_NO_FLUSH);
      output.Use(room - stream.avail_out);
      if (output.TooMany()) return TooManyBytes(bytes_max);
      if (state != Z_OK && state != Z_STREAM_END) return NotWhole("gzip");
    } while (state != Z_STREAM_END);
  } while (stream.avail_in > 0);
  return output.Finish();
}

Result<Content> DecodeZstd(std::string_view bytes, uint64_t bytes_max) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                   ZSTD_freeDCtx);
  if (context == nullptr) return Unavailable("no memory to decompress");
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  Output output(bytes_max);
  size_t left = 1;  // 0: a frame is whole, and so is the body if nothing follows.
  while (in.pos < in.size || left != 0) {
    if (output.room() == 0 && !output.Grow()) return TooManyBytes(bytes_max);
    ZSTD_outBuffer out{output.at(), output.room(), 0};
    const size_t before = in.pos;
    left = ZSTD_decompressStream(context.get(), &out, &in);
    if (ZSTD_isError(left) != 0) return NotWhole("zstd");
    output.Use(out.pos);
    if (output.TooMany()) return TooManyBytes(bytes_max);
    if (left != 0 && in.pos == before && out.pos == 0) return NotWhole("zstd");
  }
  return output.Finish();
}

}  // namespace

Result<Content> DecodeContent(std::string_view coding, std::string_view bytes, uint64_t bytes_max) {
  if (EqualsIgnoringCase(coding, "gzip") || EqualsIgnoringCase(coding, "x-gzip")) {
    return DecodeGzip(bytes, bytes_max);
  }
  if (EqualsIgnoringCase(coding, "zstd")) return DecodeZstd(bytes, bytes_max);
  return Error(ErrorCode::kUnsupported,
               "bodies are taken as they are, or with Content-Encoding gzip or zstd");
}

}  // namespace sluice::api::internal
