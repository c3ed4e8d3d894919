#include "sluice/lake/file_list.h"

#include "sluice/base/check.h"
#include "sluice/lake/internal/file_chunk.h"

namespace sluice::lake {

FileList::FileList() : pieces_(std::make_shared<const internal::FilePieces>()) {}

size_t FileList::size() const { return pieces_->size; }

DataFile FileList::operator[](size_t position) const {
  SLUICE_CHECK(position < size());
  for (const internal::FilePiece& piece : pieces_->pieces) {
    if (position >= piece.live) {
      position -= piece.live;
      continue;
    }
    if (piece.gone == nullptr) return piece.chunk->Get(position);
    size_t i = 0;
    while (!piece.Has(i) || position-- > 0) ++i;
    return piece.chunk->Get(i);
  }
  return {};  // Not reached: the sizes add up.
}

FileList::Iterator FileList::begin() const {
  Iterator first(pieces_.get(), 0, 0);
  first.SkipGone();
  return first;
}

FileList::Iterator FileList::end() const { return {pieces_.get(), pieces_->pieces.size(), 0}; }

DataFile FileList::Iterator::operator*() const { return pieces_->pieces[piece_].chunk->Get(row_); }

FileList::Iterator& FileList::Iterator::operator++() {
  ++row_;
  SkipGone();
  return *this;
}

void FileList::Iterator::SkipGone() {
  for (; piece_ < pieces_->pieces.size(); ++piece_, row_ = 0) {
    const internal::FilePiece& piece = pieces_->pieces[piece_];
    while (row_ < piece.chunk->size() && !piece.Has(row_)) ++row_;
    if (row_ < piece.chunk->size()) return;
  }
}

int64_t FileList::bytes() const {
  uint64_t bytes = 0;  // What logs claim may add up to anything.
  internal::VisitFiles(*pieces_, [&](const internal::FileChunk& chunk, size_t i) {
    bytes += static_cast<uint64_t>(chunk.bytes(i));
  });
  return static_cast<int64_t>(bytes);
}

std::optional<int64_t> FileList::rows() const {
  uint64_t rows = 0;
  bool known = true;
  internal::VisitFiles(*pieces_, [&](const internal::FileChunk& chunk, size_t i) {
    const auto& vector = chunk.rare(i).deletion_vector;
    known = known && chunk.rows(i).has_value();
    rows += static_cast<uint64_t>(chunk.rows(i).value_or(0));
    if (vector != nullptr) rows -= static_cast<uint64_t>(vector->cardinality);
  });
  return known ? std::optional(static_cast<int64_t>(rows)) : std::nullopt;
}

}  // namespace sluice::lake
