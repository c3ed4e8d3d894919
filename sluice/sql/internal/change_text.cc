#include "sluice/sql/internal/change_text.h"

#include <algorithm>
#include <utility>

#include "sluice/base/ascii.h"

namespace sluice::sql::internal {

namespace {

bool IsWordByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

/// Takes words off the beginning of a text. Not thread-safe.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  /// The next word or quoted name; empty before anything else.
  std::string Next() {
    SkipSpace();
    if (rest_.starts_with('"')) return Quoted();
    size_t size = 0;
    while (size < rest_.size() && IsWordByte(rest_[size])) ++size;
    std::string word(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return word;
  }
  /// Whether a dot comes next, which is taken.
  bool Dot() {
    SkipSpace();
    if (!rest_.starts_with('.')) return false;
    rest_.remove_prefix(1);
    return true;
  }

 private:
  std::string Quoted() {
    std::string name;
    for (rest_.remove_prefix(1); !rest_.empty(); rest_.remove_prefix(1)) {
      if (rest_.front() == '"') {
        rest_.remove_prefix(1);
        if (!rest_.starts_with('"')) return name;
      }
      name += rest_.front();
    }
    return {};  // It does not end.
  }

  void SkipSpace() {
    while (!rest_.empty()) {
      if (rest_.starts_with("--")) {
        rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      } else if (rest_.starts_with("/*")) {
        const size_t end = rest_.find("*/", 2);
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 2);
      } else if (std::string_view(" \t\r\n\f\v").find(rest_.front()) != std::string_view::npos) {
        rest_.remove_prefix(1);
      } else {
        return;
      }
    }
  }

  std::string_view rest_;
};

}  // namespace

std::optional<ChangeText> ReadChangeText(std::string_view sql) {
  Words words(sql);
  const std::string first = LowerCase(words.Next());
  ChangeText text;
  std::string_view between;
  if (first == "delete") {
    text.kind = lake::EditKind::kDelete;
    between = "from";
  } else if (first == "insert") {
    text.kind = lake::EditKind::kInsert;
    between = "into";
  } else if (first == "merge") {
    text.kind = lake::EditKind::kMerge;
    between = "into";
  } else if (first == "update") {
    text.kind = lake::EditKind::kUpdate;
  } else {
    return std::nullopt;
  }
  if (!between.empty() && LowerCase(words.Next()) != between) return text;
  text.table = words.Next();
  if (words.Dot()) text.schema = std::exchange(text.table, words.Next());
  return text;
}

std::string_view NameOf(lake::EditKind kind) {
  switch (kind) {
    case lake::EditKind::kDelete:
      return "delete";
    case lake::EditKind::kUpdate:
      return "update";
    case lake::EditKind::kInsert:
      return "insert";
    case lake::EditKind::kMerge:
      break;
  }
  return "merge";
}

}  // namespace sluice::sql::internal
