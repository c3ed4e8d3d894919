#include "sluice/cli/internal/answer_table.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "sluice/base/csv.h"
#include "sluice/base/json.h"
#include "sluice/base/utf8.h"

namespace sluice::cli::internal {

namespace {

namespace dom = simdjson::dom;

constexpr size_t kWidthMax = 80;  // Of a column that is not the last.

/// `[{"name":"a",…},{"name":"b",…}]` → `a, b`; empty for what is no such list.
std::string NamesIn(dom::element value) {
  dom::array list;
  std::string names;
  if (value.get(list) != simdjson::SUCCESS) return names;
  for (const dom::element member : list) {
    std::string_view name;
    if (member["name"].get(name) != simdjson::SUCCESS) return {};
    names.append(names.empty() ? "" : ", ").append(name);
  }
  return names;
}

std::string CellText(dom::element value) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return std::string(text);
  if (std::string names = NamesIn(value); !names.empty()) return names;
  return value.is_null() ? std::string() : simdjson::minify(value);
}

void AppendCell(AnswerTable& table, dom::element value) {
  table.rows.back().push_back(CellText(value));
  table.values.back().push_back(simdjson::minify(value));
}

void BeginRow(AnswerTable& table) {
  table.rows.emplace_back();
  table.values.emplace_back();
}

/// Columns are those of all objects, in the order in which they come first.
AnswerTable FromObjects(const std::vector<dom::object>& objects) {
  AnswerTable table;
  for (const dom::object object : objects) {
    for (const auto& [name, value] : object) {
      if (std::ranges::find(table.columns, name) == table.columns.end()) {
        table.columns.emplace_back(name);
      }
    }
  }
  for (const dom::object object : objects) {
    BeginRow(table);
    for (const std::string& column : table.columns) {
      dom::element value;
      if (object.at_key(column).get(value) == simdjson::SUCCESS) {
        AppendCell(table, value);
      } else {
        table.rows.back().emplace_back();
        table.values.back().emplace_back("null");
      }
    }
  }
  return table;
}

std::optional<AnswerTable> FromColumns(dom::object root) {
  dom::array columns;
  dom::array rows;
  if (root["columns"].get(columns) != simdjson::SUCCESS ||
      root["rows"].get(rows) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  AnswerTable table;
  for (const dom::element column : columns) {
    std::string_view name;
    if (column["name"].get(name) != simdjson::SUCCESS) name = "?";
    table.columns.emplace_back(name);
  }
  for (const dom::element row : rows) {
    dom::array cells;
    if (row.get(cells) != simdjson::SUCCESS || cells.size() != table.columns.size()) {
      return std::nullopt;
    }
    BeginRow(table);
    for (const dom::element cell : cells) AppendCell(table, cell);
  }
  return table;
}

std::optional<std::vector<dom::object>> ObjectsOf(dom::element value) {
  dom::array list;
  if (value.get(list) != simdjson::SUCCESS) return std::nullopt;
  std::vector<dom::object> objects;
  for (const dom::element member : list) {
    if (member.get(objects.emplace_back()) != simdjson::SUCCESS) return std::nullopt;
  }
  return objects;
}

AnswerTable FromMembers(dom::object root) {
  AnswerTable table;
  table.columns = {"name", "value"};
  for (const auto& [name, value] : root) {
    BeginRow(table);
    table.rows.back().emplace_back(name);
    std::string quoted;
    AppendJsonString(quoted, name);
    table.values.back().push_back(std::move(quoted));
    AppendCell(table, value);
  }
  return table;
}

size_t Characters(std::string_view text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string Markdown(const AnswerTable& table) {
  const auto row = [](const std::vector<std::string>& cells) {
    std::string line = "|";
    for (const std::string& cell : cells) {
      line += ' ';
      for (const char c : Printable(cell)) {
        if (c == '|' || c == '\\') line += '\\';
        line += c;
      }
      line += " |";
    }
    return line + "\n";
  };
  std::string out = row(table.columns) + "|";
  for (size_t i = 0; i < table.columns.size(); ++i) out += "---|";
  out += '\n';
  for (const auto& cells : table.rows) out += row(cells);
  return out;
}

std::string Csv(const AnswerTable& table) {
  std::string out;
  const auto add = [&out](const std::vector<std::string>& cells) {
    for (size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) out += ',';
      // Null and an empty text look the same in a table, and here.
      if (!cells[i].empty()) AppendCsvField(out, cells[i]);
    }
    out += "\r\n";
  };
  add(table.columns);
  for (const auto& cells : table.rows) add(cells);
  return out;
}

std::string Lines(const AnswerTable& table) {
  std::string out;
  for (const auto& cells : table.values) {
    for (size_t i = 0; i < cells.size(); ++i) {
      out += i > 0 ? ',' : '{';
      AppendJsonString(out, table.columns[i]);
      out += ':' + cells[i];
    }
    out += "}\n";
  }
  return out;
}

}  // namespace

std::optional<AnswerTable> ReadAnswer(std::string_view json) {
  dom::parser parser;
  dom::element root;
  dom::object object;
  if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS ||
      root.get(object) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  if (auto table = FromColumns(object)) return table;
  std::optional<std::vector<dom::object>> list;
  for (const auto& [name, value] : object) {
    auto found = ObjectsOf(value);
    if (!found) continue;
    if (list) return FromMembers(object);  // More than one: which?
    list = std::move(found);
  }
  const bool only = list && object.size() == 1;
  return only ? FromObjects(*list) : FromMembers(object);
}

std::optional<AnswerTable> ReadLines(std::string_view json) {
  std::string list = "[";  // One document, so that all live together.
  while (!json.empty()) {
    const size_t end = std::min(json.find('\n'), json.size());
    if (end > 0) list.append(list.size() > 1 ? "," : "").append(json.substr(0, end));
    json.remove_prefix(std::min(end + 1, json.size()));
  }
  dom::parser parser;
  dom::element root;
  if (parser.parse(list + "]").get(root) != simdjson::SUCCESS) return std::nullopt;
  const auto objects = ObjectsOf(root);
  if (!objects) return std::nullopt;
  return FromObjects(*objects);
}

std::string AlignedText(const AnswerTable& table) {
  std::vector<std::vector<std::string>> lines = {table.columns};
  for (const auto& row : table.rows) lines.push_back(row);
  std::vector<size_t> widths(table.columns.size());
  for (auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      line[i] = Printable(line[i]);
      widths[i] = std::max(widths[i], std::min(Characters(line[i]), kWidthMax));
    }
  }
  std::vector<std::string> rule;
  for (const size_t width : widths) rule.emplace_back(width, '-');
  lines.insert(lines.begin() + 1, std::move(rule));
  std::string out;
  for (const auto& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) {
      out += (i > 0 ? "  " : "") + line[i];
      const size_t width = Characters(line[i]);
      if (i + 1 < line.size() && width < widths[i]) out.append(widths[i] - width, ' ');
    }
    while (out.ends_with(' ')) out.pop_back();
    out += '\n';
  }
  return out;
}

std::optional<std::string> Render(const AnswerTable& table, std::string_view form) {
  if (form == "table") return AlignedText(table);
  if (form == "ndjson") return Lines(table);
  if (form == "csv") return Csv(table);
  if (form == "md") return Markdown(table);
  return std::nullopt;
}

}  // namespace sluice::cli::internal
