#pragma once
/// \file
/// The rows of one topic while a body is decoded.

#include <cstdint>
#include <memory>
#include <vector>

#include "sluice/columnar/batch.h"
#include "sluice/decode/internal/columns.h"
#include "sluice/decode/internal/field_plan.h"
#include "sluice/event/contract.h"

namespace sluice::decode::internal {

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

/// An empty column for values of a field that has no children.
Column ScalarColumn(const event::Field& field);

/// A contract made ready for decoding, and the rows decoded so far.
///
/// Not thread-safe.
class TopicColumns {
 public:
  explicit TopicColumns(std::shared_ptr<const event::Contract> contract);

  const event::Contract& contract() const { return *contract_; }
  const std::shared_ptr<const event::Contract>& shared_contract() const { return contract_; }
  const ObjectPlan& plan() const { return plan_; }

  Column& field(size_t index) { return columns_[index]; }
  /// Those of all fields, in order.
  Column* fields() { return columns_.data(); }
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
  ObjectPlan plan_;
  std::vector<Column> columns_;
  int64_t rows_ = 0;
};

}  // namespace sluice::decode::internal
