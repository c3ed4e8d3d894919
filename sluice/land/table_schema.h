#pragma once
/// \file
/// The columns of a landed table, and how rows of the journal become rows of the table.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sluice/base/error.h"
#include "sluice/columnar/batch.h"
#include "sluice/columnar/parquet.h"
#include "sluice/event/contract.h"
#include "sluice/journal/journal.h"
#include "sluice/os/clock.h"

namespace sluice::land {

/// Name of the partition column: the UTC date of event_time.
inline constexpr std::string_view kDateColumn = "event_date";

/// Fields of the contract, then those of versions before that it has no more, then event_time,
/// event_date and the columns that every table has.
columnar::Schema TableSchema(const event::Contract& contract);

/// The columns that a journal frame of the contract has: what the decoder makes, protected
/// (privacy::StoredTypes()), without what only served to make the identity. Their metadata tells by
/// which rule.
columnar::Schema FrameColumns(const event::Contract& contract);

/// The columns that personal data may be in, protected or not: none of their values may stand in
/// statistics, which the table's log keeps for long.
std::vector<std::string> PrivateColumns(const event::Contract& contract);

/// How every landed table keeps `_id`: found by value, through a Bloom filter.
columnar::ParquetOptions IdentityFileOptions();

/// Checks values that somebody gives for columns of the table, and adds the date to event times.
/// kInvalid: naming a column that landing alone fills, values of a private one that are not null
/// (those come as events, through their protection), or an event time that is none; rows that are
/// `new_rows` need one.
Result<columnar::Batch> CheckGiven(const event::Contract& contract, const columnar::Batch& values,
                                   bool new_rows, os::Timestamp now);

/// The columns of pseudonyms: each is as random as the key that made it.
std::vector<std::string> PseudonymColumns(const event::Contract& contract);

/// So many rows, one behind the other, that were received at once.
struct ReceivedRows {
  int64_t rows = 0;
  os::Timestamp at{};
};

/// Adds `_partition _offset _received_at _tenant event_date` to rows of the journal and gives them
/// the columns of `schema`, by name; those that the rows do not have are null. `received` tells of
/// all rows, in their order.
Result<columnar::Batch> ToTableRows(const columnar::Schema& schema, const columnar::Batch& rows,
                                    uint32_t partition, journal::Offset base,
                                    std::span<const ReceivedRows> received,
                                    const std::string& tenant);

/// The rows of one event date.
struct DatedRows {
  int32_t date = 0;  ///< Days since 1970.
  std::vector<columnar::Batch> batches;
};

/// Splits table rows by event_date, keeping their order, without that column. Rows in the order of
/// time are not copied.
Result<std::vector<DatedRows>> SplitByDate(const std::vector<columnar::Batch>& rows);

/// How many leading rows hold at most `dates_max` dates.
Result<int64_t> RowsWithinDates(const std::vector<columnar::Batch>& rows, int dates_max);

/// `2001-07-01`
std::string DateText(int32_t days);

}  // namespace sluice::land
