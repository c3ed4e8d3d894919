#include "sluice/event/internal/scan.h"

namespace sluice::event::internal {

namespace {

constexpr int kDepthMax = 64;

bool IsWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool IsName(std::string_view text) {
  return !text.empty() && IsWord(text[0]) && !(text[0] >= '0' && text[0] <= '9');
}

}  // namespace

std::vector<Token> Scan(std::string_view text) {
  std::vector<Token> tokens;
  Place place;
  size_t at = 0;
  const auto step = [&](size_t count) {
    for (; count > 0 && at < text.size(); --count, ++at) {
      if (text[at] == '\n') {
        ++place.line;
        place.column = 1;
      } else {
        ++place.column;
      }
    }
  };
  while (at < text.size()) {
    const char c = text[at];
    if (c == '#') {
      const size_t end = text.find('\n', at);
      step((end == text.npos ? text.size() : end) - at);
    } else if (c == '"') {
      size_t end = at + 1;
      while (end < text.size() && text[end] != '"' && text[end] != '\n')
        end += text[end] == '\\' ? 2 : 1;
      step(end + 1 - at);
    } else if (IsWord(c)) {
      size_t end = at;
      while (end < text.size() && IsWord(text[end])) ++end;
      tokens.push_back({text.substr(at, end - at), place});
      step(end - at);
    } else {
      if (c > ' ') tokens.push_back({text.substr(at, 1), place});
      step(1);
    }
  }
  return tokens;
}

std::optional<Place> FindTooDeep(const std::vector<Token>& tokens) {
  int depth = 0;
  int dots = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const char c = tokens[i].text[0];
    if (c == '(' || c == '[' || c == '{') ++depth;
    if ((c == ')' || c == ']' || c == '}') && depth > 0) --depth;
    if (c == '.') {
      ++dots;
    } else if (!IsWord(c)) {
      dots = 0;
    }
    if (depth > kDepthMax || dots > kDepthMax) return tokens[i].place;
  }
  return std::nullopt;
}

std::vector<Place> FindDottedValues(const std::vector<Token>& tokens) {
  std::vector<Place> places;
  for (size_t i = 0; i + 5 < tokens.size(); ++i) {
    if (tokens[i].text == "$" && IsName(tokens[i + 1].text) && tokens[i + 2].text == "." &&
        IsName(tokens[i + 3].text) && tokens[i + 4].text == "." && IsName(tokens[i + 5].text)) {
      places.push_back(tokens[i].place);
    }
  }
  return places;
}

Place FindStruct(const std::vector<Token>& tokens, std::string_view name) {
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (tokens[i].text == "struct" && tokens[i + 1].text == name) return tokens[i + 1].place;
  }
  return {};
}

Place FindField(const std::vector<Token>& tokens, std::string_view struct_name,
                std::string_view field_name) {
  bool inside = false;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    if (tokens[i].text == "struct" && tokens[i + 1].text == struct_name) inside = true;
    if (inside && tokens[i].text == field_name && tokens[i + 1].text == "@") return tokens[i].place;
  }
  return FindStruct(tokens, struct_name);
}

}  // namespace sluice::event::internal
