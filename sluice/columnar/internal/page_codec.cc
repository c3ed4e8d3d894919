#include "sluice/columnar/internal/page_codec.h"

#include <parquet/exception.h>

#include <algorithm>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

namespace sluice::columnar::internal {

namespace {

// A column may change on its way: each so many pages it is tried anew.
constexpr uint64_t kTrialEvery = 32;

size_t Check(size_t result) {
  if (ZSTD_isError(result) != 0) throw parquet::ParquetException(ZSTD_getErrorName(result));
  return result;
}

void Set(ZSTD_CCtx& context, ZSTD_cParameter parameter, int value) {
  Check(ZSTD_CCtx_setParameter(&context, parameter, value));
}

ZSTD_CCtx* Made(int level) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  if (context == nullptr) throw parquet::ParquetException("no memory for a Zstandard context");
  Set(*context, ZSTD_c_compressionLevel, level);
  return context;
}

// The step between two looks grows from `targetLength` on, and a small table is soon emptied.
ZSTD_CCtx* MadeWithoutLooks(ZSTD_paramSwitch_e entropy) {
  ZSTD_CCtx* const context = Made(1);
  Set(*context, ZSTD_c_strategy, ZSTD_fast);
  Set(*context, ZSTD_c_targetLength, 8192);
  Set(*context, ZSTD_c_hashLog, 8);
  Set(*context, ZSTD_c_literalCompressionMode, entropy);
  return context;
}

}  // namespace

void PageCodec::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

PageCodec::PageCodec(int level)
    : whole_(Made(level)),
      digits_(MadeWithoutLooks(ZSTD_ps_enable)),
      stored_(MadeWithoutLooks(ZSTD_ps_disable)) {}

PageCodec::~PageCodec() = default;

std::string_view PageCodec::Compress(std::string_view page) {
  if (pages_++ % kTrialEvery != 0) return Compress(*chosen_, page, frame_);
  const std::string_view whole = Compress(*whole_, page, frame_);
  const std::string_view digits = Compress(*digits_, page, other_frame_);
  if (std::min(whole.size(), digits.size()) > page.size() - page.size() / 64) {
    chosen_ = stored_.get();
    return digits;
  }
  const bool as_small = digits.size() <= whole.size() + whole.size() / 256;
  chosen_ = as_small ? digits_.get() : whole_.get();
  return as_small ? digits : whole;
}

std::string_view PageCodec::Compress(ZSTD_CCtx_s& context, std::string_view page,
                                     std::string& buffer) {
  const size_t bound = ZSTD_compressBound(page.size());
  if (buffer.size() < bound) buffer.resize(bound);
  const size_t size =
      Check(ZSTD_compress2(&context, buffer.data(), buffer.size(), page.data(), page.size()));
  return std::string_view(buffer).substr(0, size);
}

}  // namespace sluice::columnar::internal
