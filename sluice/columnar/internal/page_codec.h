#pragma once
/// \file
/// Zstandard for the pages of one column after the other.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ZSTD_CCtx_s;

namespace sluice::columnar::internal {

/// Keeps its state from page to page, and tries for each column what makes its pages smaller:
/// looking for texts that come again takes a third of the time, and finds none in random digits.
///
/// Not thread-safe: the writer of one file owns it.
class PageCodec {
 public:
  /// `level` is Zstandard's. Throws parquet::ParquetException without memory.
  explicit PageCodec(int level);
  ~PageCodec();
  PageCodec(const PageCodec&) = delete;
  PageCodec& operator=(const PageCodec&) = delete;

  /// What follows are pages of another column.
  void BeginColumn() { pages_ = 0; }
  /// Returns the page as one Zstandard frame; it is good until the next call. Throws
  /// parquet::ParquetException.
  std::string_view Compress(std::string_view page);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  using Context = std::unique_ptr<ZSTD_CCtx_s, Free>;

  static std::string_view Compress(ZSTD_CCtx_s& context, std::string_view page,
                                   std::string& buffer);

  const Context whole_;   // As files are compressed elsewhere.
  const Context digits_;  // Bytes in fewer bits; next to no look for what comes again.
  const Context stored_;  // Bytes as they are.
  ZSTD_CCtx_s* chosen_ = nullptr;
  uint64_t pages_ = 0;  // Of the column.
  std::string frame_;
  std::string other_frame_;
};

}  // namespace sluice::columnar::internal
