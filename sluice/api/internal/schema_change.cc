#include "sluice/api/internal/schema_change.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "sluice/base/diagnostic.h"

namespace sluice::api::internal {

namespace {

constexpr size_t kFilesMax = 100;
constexpr size_t kNameBytesMax = 200;

Status CheckName(std::string_view name) {
  if (!event::IsSchemaFile(name) || name.find('/') != name.npos || name.starts_with('.') ||
      name.size() > kNameBytesMax) {
    return Invalid("SL4003: name must be a file name that ends with .capnp or .json");
  }
  return {};
}

// The files of a body that has several, by name.
Result<event::SchemaFiles> ReadFiles(const std::string& body) {
  const Error form = Invalid(
      "SL4003: send the text of one file under ?name=F.capnp, or {{\"files\": {{\"F.capnp\": "
      "\"text\"}}}}");
  simdjson::dom::parser parser;
  simdjson::dom::object files;
  if (parser.parse(simdjson::padded_string(body))["files"].get(files) != simdjson::SUCCESS ||
      files.size() == 0 || files.size() > kFilesMax) {
    return form;
  }
  event::SchemaFiles read;
  for (const auto [name, value] : files) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return form;
    SLUICE_RETURN_IF_ERROR(CheckName(name));
    read[std::string(name)] = text;
  }
  return read;
}

// Every file that a change of `changed` may change: those that name one of them, and so on.
std::set<std::string> Affected(const event::SchemaFiles& all, const event::SchemaFiles& changed) {
  std::set<std::string> affected;
  for (const auto& [name, text] : changed) affected.insert(name);
  for (bool grown = true; std::exchange(grown, false);) {
    for (const auto& [name, text] : all) {
      if (affected.contains(name)) continue;
      const bool names_one =
          std::ranges::any_of(affected, [&text = text](const std::string& other) {
            return text.find(other) != std::string::npos;
          });
      if (names_one) grown = affected.insert(name).second || grown;
    }
  }
  return affected;
}

// By topic, the file of `files` that makes it. Files that do not compile make none.
std::map<std::string, std::string> Makers(const event::SchemaFiles& files) {
  std::map<std::string, std::string> makers;
  for (const auto& [name, text] : files) {
    const auto contracts = event::CompileSchema(files, name);
    if (!contracts.ok()) continue;
    for (const event::Contract& contract : *contracts) makers.emplace(contract.topic, name);
  }
  return makers;
}

// The name of a text that came without one.
Result<std::string> NameOf(const std::string& text, const event::SchemaFiles& present,
                           const std::map<std::string, std::string>& makers) {
  const std::string ending = text.find_first_not_of(" \t\r\n") != text.npos &&
                                     text[text.find_first_not_of(" \t\r\n")] == '{'
                                 ? ".json"
                                 : ".capnp";
  const std::string shown = "schema" + ending;
  event::SchemaFiles files = present;
  files[shown] = text;
  SLUICE_ASSIGN_OR_RETURN(const auto contracts, event::CompileSchema(files, shown));
  if (contracts.empty()) return shown;
  const auto maker = makers.find(contracts.front().topic);
  if (maker != makers.end() && maker->second.ends_with(ending)) return maker->second;
  return event::TableName(contracts.front().topic) + ending;
}

}  // namespace

Result<SchemaChange> ReadSchemaChange(const Call& call, const Hooks& hooks) {
  SLUICE_ASSIGN_OR_RETURN(const event::SchemaFiles present, hooks.schema_files());
  const auto makers = Makers(present);
  SchemaChange change;
  const std::string body(call.request->body);
  std::string name = call.Parameter("name");
  simdjson::dom::parser parser;
  const bool several =
      name.empty() && !parser.parse(simdjson::padded_string(body))["files"].error();
  if (several) {
    SLUICE_ASSIGN_OR_RETURN(change.files, ReadFiles(body));
  } else {
    if (name.empty()) {
      SLUICE_ASSIGN_OR_RETURN(name, NameOf(body, present, makers));
    }
    SLUICE_RETURN_IF_ERROR(CheckName(name));
    change.files[name] = body;
  }

  event::SchemaFiles all = present;
  for (const auto& [file, text] : change.files) all[file] = text;
  const std::set<std::string> affected = Affected(all, change.files);
  std::vector<Diagnostic> mistakes;
  ErrorCode code = ErrorCode::kUnsupported;  // Unless anything is wrong beyond that.
  std::map<std::string, std::string> made;   // By topic, the affected file that makes it.
  for (const std::string& file : affected) {
    auto contracts = event::CompileSchema(all, file);
    if (!contracts.ok()) {
      const auto& found = DiagnosticsOf(contracts.error());
      if (found.empty()) return contracts.error();
      mistakes.insert(mistakes.end(), found.begin(), found.end());
      if (contracts.error().code() != code) code = ErrorCode::kInvalid;
      continue;
    }
    for (event::Contract& contract : *contracts) {
      const auto maker = makers.find(contract.topic);
      const bool stays = maker != makers.end() && !affected.contains(maker->second);
      const auto [other, fresh] = made.emplace(contract.topic, file);
      if (stays || !fresh) {
        code = ErrorCode::kInvalid;
        mistakes.push_back(
            {.code = "SL1004",
             .message = fmt::format("topic '{}' is made by {} already; send the "
                                    "text under that name",
                                    contract.topic, stays ? maker->second : other->second),
             .place = {.file = file, .line = 1, .column = 1},
             .suggestion = {},
             .notes = {}});
      }
      change.contracts.push_back(hooks.configure(std::move(contract)));
    }
  }
  if (!mistakes.empty()) return ToError(code, std::move(mistakes));
  if (change.contracts.empty()) {
    return Invalid(
        "{}:1:1: SL1101: nothing in the schema has an event: $Sl.event(\"topic\"), or "
        "\"x-sluice\": {{\"event\": \"topic\"}}",
        change.files.begin()->first);
  }
  return change;
}

}  // namespace sluice::api::internal
