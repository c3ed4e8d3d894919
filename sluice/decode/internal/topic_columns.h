#pragma once
/// \file
/// The rows of one topic while a body is decoded.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/decode/internal/columns.h"
#include "sluice/event/contract.h"

namespace sluice::decode::internal {

/// A few names, fixed once, found fast when they come in the order in which they are listed.
///
/// Immutable.
class NameTable {
 public:
  NameTable() : NameTable(std::vector<std::string>()) {}
  explicit NameTable(std::vector<std::string> names);

  static constexpr size_t kNone = SIZE_MAX;

  /// The number of `name`, tried first at `expected`; kNone if there is none.
  size_t Find(std::string_view name, size_t expected) const {
    if (expected < names_.size() && names_[expected] == name) return expected;
    return FindHashed(name);
  }

 private:
  size_t FindHashed(std::string_view name) const;

  std::vector<std::string> names_;
  std::vector<uint32_t> slots_;  // Number + 1, 0 for a free one; a power of two, at most half full.
};

/// Columns behind the fields, in the order of FrameSchema().
enum EnvelopeColumn : size_t {
  kEventTime,
  kId,
  kPublishedAt,
  kProducer,
  kEpoch,
  kSequence,
  kDomain,
  kEntity,
  kName,
  kMetadata,
  kEventId,
  kSchemaVersion,
  kExtra,
  kEnvelopeColumns,
};

/// A contract made ready for decoding, and the rows decoded so far.
///
/// Not thread-safe.
class TopicColumns {
 public:
  explicit TopicColumns(std::shared_ptr<const event::Contract> contract);

  const event::Contract& contract() const { return *contract_; }
  const std::shared_ptr<const event::Contract>& shared_contract() const { return contract_; }
  const NameTable& names() const { return names_; }
  /// Of a kEnum field.
  const NameTable& enumerants(size_t field) const { return enumerants_[field]; }

  Column& field(size_t index) { return columns_[index]; }
  Column& envelope(EnvelopeColumn which) { return columns_[contract_->fields.size() + which]; }

  /// Finished rows; also the number of the row in work.
  int64_t rows() const { return rows_; }
  void FinishRow() { ++rows_; }
  /// Makes the row in work as if nothing had been set in it.
  void DiscardRow();
  void Clear();
  size_t MemoryBytes() const;

  Result<columnar::Batch> MakeBatch(BatchMaker& maker);

 private:
  std::shared_ptr<const event::Contract> contract_;
  columnar::Schema schema_;
  NameTable names_;
  std::vector<NameTable> enumerants_;
  std::vector<Column> columns_;
  int64_t rows_ = 0;
};

}  // namespace sluice::decode::internal
