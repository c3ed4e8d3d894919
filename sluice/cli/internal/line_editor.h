#pragma once
/// \file
/// Reads lines from a terminal, with editing and a history.

#include <optional>
#include <string>
#include <vector>

namespace sluice::cli::internal {

/// Lines typed at a terminal: arrows, Home, End, Ctrl-A/E/B/F/P/N/H/D/U/K/W/L, and what was typed
/// before. A pasted text of several lines comes as several lines.
///
/// Not thread-safe. The terminal is as it was between two calls.
class LineEditor {
 public:
  /// `history_file` is read now and written by Save(), readable by its owner alone: it may hold
  /// private values. Empty: none.
  explicit LineEditor(std::string history_file);

  enum class End { kLine, kInterrupted, kInputOver };

  /// Shows `prompt` and reads a line into `line`.
  End Read(const std::string& prompt, std::string& line);

  /// Adds an entry, which may have several lines, unless it is the last one again.
  void Remember(std::string entry);
  void Save() const;

 private:
  void Show(const std::string& prompt) const;
  bool OnEscape();
  void Move(int characters);
  void Erase(size_t from, size_t to);
  void FromHistory(int step);

  const std::string history_file_;
  std::vector<std::string> history_;  // Oldest first.

  std::string text_;     // Of the line being edited.
  size_t cursor_ = 0;    // Byte of text_.
  size_t recalled_ = 0;  // Entry of history_ that is shown; its size: none.
  std::string typed_;    // What was there before the history was asked.
};

}  // namespace sluice::cli::internal
