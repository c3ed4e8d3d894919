#pragma once
/// \file
/// The data files of a table, at one version.

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sluice::lake {

/// Number of a table's commit; the first is 0.
using Version = int64_t;

/// By the column's physical name; a missing value is null.
using PartitionValues = std::map<std::string, std::optional<std::string>>;

/// Where it is written which rows of a file are deleted.
struct DeletionVector {
  std::string storage;  ///< `u`: a file of the table; `p`: an absolute address; `i`: inline.
  std::string data;
  std::optional<int32_t> offset = {};
  int32_t size = 0;         ///< Bytes of the bitmap.
  int64_t cardinality = 0;  ///< How many rows are deleted.

  /// Makes a file and its rows one thing: the same path with another vector is another logical
  /// file.
  std::string Id() const;
  bool operator==(const DeletionVector&) const = default;
};

/// A data file of a table.
struct DataFile {
  std::string path;  ///< As in the log: a URI relative to the table's root, or absolute.
  PartitionValues partition_values;
  int64_t size = 0;
  int64_t modified_ms = 0;
  std::string stats;  ///< JSON as in the log; empty if there is none.
  /// Rows by the statistics, deleted ones too; absent if those do not say.
  std::optional<int64_t> rows;
  std::shared_ptr<const DeletionVector> deletion_vector = {};  ///< Null: no row is deleted.
  std::optional<int64_t> base_row_id = {};           ///< Of its first row, where rows are tracked.
  std::optional<Version> row_commit_version = {};    ///< Of all rows that do not say otherwise.
  std::shared_ptr<const PartitionValues> tags = {};  ///< Null: none.
  std::string clustering_provider = {};  ///< Who put its rows in order; empty: nobody has said.
};

namespace internal {
struct FilePieces;
}  // namespace internal

/// The files of one version: kept as columns, for there may be millions, and shared with the
/// versions before and after. A DataFile is made each time that one is asked for.
///
/// Immutable. Thread-safe. Copies are cheap; iterators are valid as long as any copy.
class FileList {
 public:
  /// Gives files by value: what is bound to one lives as long as the reference, not the list.
  class Iterator {
   public:
    using iterator_concept = std::forward_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = DataFile;
    using difference_type = std::ptrdiff_t;
    using reference = DataFile;
    using pointer = void;

    Iterator() = default;
    DataFile operator*() const;
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    bool operator==(const Iterator&) const = default;

   private:
    friend class FileList;
    Iterator(const internal::FilePieces* pieces, size_t piece, size_t row)
        : pieces_(pieces), piece_(piece), row_(row) {}
    void SkipGone();

    const internal::FilePieces* pieces_ = nullptr;
    size_t piece_ = 0;
    size_t row_ = 0;
  };
  using value_type = DataFile;
  using const_iterator = Iterator;

  FileList();  ///< Without files.
  explicit FileList(std::shared_ptr<const internal::FilePieces> pieces)
      : pieces_(std::move(pieces)) {}

  size_t size() const;
  bool empty() const { return size() == 0; }
  /// `position` must be less than size().
  DataFile operator[](size_t position) const;
  Iterator begin() const;
  Iterator end() const;

  /// Bytes of all files.
  int64_t bytes() const;
  /// Rows of all files that are not deleted; absent if the statistics of one do not say.
  std::optional<int64_t> rows() const;

  const internal::FilePieces& pieces() const { return *pieces_; }

 private:
  std::shared_ptr<const internal::FilePieces> pieces_;
};

}  // namespace sluice::lake
