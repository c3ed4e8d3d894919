#pragma once
/// \file
/// What server and worker say to each other.
///
/// Server: kStart, then one query after the other: kQuery, answers to kFindRelation, at any time
/// kCancel. Worker: kReady, then for each query any number of kFindRelation and kBytes, and one
/// kEnd. The worker may be in an attacker's hands: the server checks all that it says.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/diagnostic.h"
#include "sluice/base/error.h"
#include "sluice/duck/engine.h"
#include "sluice/os/confine.h"
#include "sluice/worker/query.h"

namespace sluice::worker::internal {

enum class MessageType : uint8_t {
  kStart = 1,
  kQuery,
  kRelation,
  kCancel,
  kReady,
  kFindRelation,
  kBytes,
  kEnd,
};

struct Start {
  std::vector<std::string> files_folders;
  std::string temporary_folder;
  uint64_t memory_bytes_max = 0;
  uint64_t temporary_bytes_max = 0;
  uint64_t processor_seconds_max = 0;
  int32_t threads = 1;
};

/// Part of some shared memory that both know by its number.
struct SharedPart {
  uint32_t memory = 0;  ///< Index into RelationAnswer::memories.
  uint64_t offset = 0;
  uint64_t size = 0;
};

/// Answer to a name. The descriptors of `memories` travel with it, in their order.
struct RelationAnswer {
  std::optional<Error> error;
  bool found = false;
  duck::Relation relation;  ///< Without indexed_files and batches; those are parts below.
  struct Memory {
    uint64_t number = 0;  ///< Never given twice: what it names need not be mapped again.
    uint64_t size = 0;
  };
  std::vector<Memory> memories;
  std::optional<SharedPart> indexed_files;
  std::vector<SharedPart> batches;
};

/// A part of the answer's bytes follows this head.
struct BytesHead {
  int64_t rows = 0;         ///< Whole rows so far.
  bool whole_rows = false;  ///< Whether these bytes end behind a row.
};

struct End {
  std::optional<Error> error;
  Diagnostic diagnosis;
  int64_t rows = 0;
};

std::string Encode(const Start& start);
std::string Encode(const Query& query);
std::string Encode(const duck::RelationName& name);
Result<std::string> Encode(const RelationAnswer& answer);
std::string Encode(const os::Confined& confined);
std::string Encode(const BytesHead& head, std::string_view bytes);
std::string Encode(const End& end);

/// kCorrupt: the bytes are not what Encode() makes of it.
Status Decode(std::string_view bytes, Start& start);
Status Decode(std::string_view bytes, Query& query);
Status Decode(std::string_view bytes, duck::RelationName& name);
Status Decode(std::string_view bytes, RelationAnswer& answer);
Status Decode(std::string_view bytes, os::Confined& confined);
/// `rest` lies in `bytes`.
Status Decode(std::string_view bytes, BytesHead& head, std::string_view& rest);
Status Decode(std::string_view bytes, End& end);

}  // namespace sluice::worker::internal
