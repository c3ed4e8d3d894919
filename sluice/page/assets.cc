#include "sluice/page/assets.h"

// The assembler takes the bytes as they are: no compiler has to read them as text.
#define ASSET(number, path, type, etag, size, kept, file) \
  __asm__(                                                \
      ".pushsection .rodata\n"                            \
      ".global sluice_page_begin_" #number                \
      "\n"                                                \
      ".global sluice_page_end_" #number                  \
      "\n"                                                \
      "sluice_page_begin_" #number                        \
      ":\n"                                               \
      ".incbin \"" file                                   \
      "\"\n"                                              \
      "sluice_page_end_" #number                          \
      ":\n"                                               \
      ".popsection\n");                                   \
  extern "C" const char sluice_page_begin_##number[];     \
  extern "C" const char sluice_page_end_##number[];
#include "bytes/assets.inc"
#undef ASSET

namespace sluice::page {

std::span<const Asset> Assets() {
#define ASSET(number, path, type, etag, size, kept, file)                        \
  {path,                                                                         \
   type,                                                                         \
   {sluice_page_begin_##number,                                                  \
    static_cast<size_t>(sluice_page_end_##number - sluice_page_begin_##number)}, \
   etag,                                                                         \
   size,                                                                         \
   kept},
  static const Asset kAssets[] = {
#include "bytes/assets.inc"
  };
#undef ASSET
  return kAssets;
}

}  // namespace sluice::page
