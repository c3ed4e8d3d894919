#include "sluice/server/project.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "sluice/base/diagnostic.h"

namespace sluice::server {
namespace {

constexpr uint64_t kSchemaBytesMax = 1 << 20;
constexpr std::string_view kBuiltin = "sluice.capnp";
constexpr std::string_view kTopicTwice = "SL1004";
constexpr std::string_view kTopicNotMade = "SL1006";

/// Moves an error's diagnostics behind `all`, with the folder in front of their files.
void Collect(const Error& error, const std::string& folder, const std::string& file,
             std::vector<Diagnostic>& all) {
  if (DiagnosticsOf(error).empty()) {
    all.push_back({.code = {},
                   .message = error.message(),
                   .place = {.file = folder + file},
                   .suggestion = {},
                   .notes = {}});
  }
  for (Diagnostic diagnostic : DiagnosticsOf(error)) {
    diagnostic.place.file.insert(0, folder);
    all.push_back(std::move(diagnostic));
  }
}

}  // namespace

namespace {

Result<event::SchemaFiles> ReadSchemaFolder(os::Disk& disk, const std::string& schemas) {
  event::SchemaFiles files;
  SLUICE_ASSIGN_OR_RETURN(const bool exists, disk.Exists(schemas));
  if (!exists) return files;
  SLUICE_ASSIGN_OR_RETURN(const auto names, disk.List(schemas), "schemas");
  for (const std::string& name : names) {
    if (!event::IsSchemaFile(name)) continue;
    SLUICE_ASSIGN_OR_RETURN(files[name], os::ReadFile(disk, schemas + "/" + name, kSchemaBytesMax));
  }
  return files;
}

}  // namespace

Result<event::SchemaFiles> ReadSchemas(os::Disk& disk, const std::string& folder) {
  return ReadSchemaFolder(disk, InFolder(folder, "schemas"));
}

event::Contract Configure(const Config& config, event::Contract contract) {
  if (const auto found = config.topics.find(contract.topic); found != config.topics.end()) {
    if (found->second.unknown) contract.unknown = *found->second.unknown;
    contract.identity.by_producer = found->second.by_producer;
    contract.identity.by_batch = found->second.by_batch;
    if (found->second.compatibility) contract.compatibility = *found->second.compatibility;
  }
  return contract;
}

namespace {

/// The contracts of all files, which lie in folder `schemas`; or all that is wrong with them.
Result<std::vector<event::Contract>> Compile(const event::SchemaFiles& files,
                                             const std::string& schemas) {
  std::vector<event::Contract> contracts;
  std::map<std::string, std::string> files_of_topics;
  std::vector<Diagnostic> mistakes;
  for (const auto& [name, text] : files) {
    if (name == kBuiltin) continue;
    auto compiled = event::CompileSchema(files, name);
    if (!compiled.ok()) {
      Collect(compiled.error(), schemas + "/", name, mistakes);
      continue;
    }
    for (event::Contract& contract : *compiled) {
      const auto [other, fresh] = files_of_topics.emplace(contract.topic, name);
      if (!fresh) {
        mistakes.push_back({.code = std::string(kTopicTwice),
                            .message = fmt::format("topic '{}' is made by {} already",
                                                   contract.topic, other->second),
                            .place = {.file = InFolder(schemas, name)},
                            .suggestion = {},
                            .notes = {}});
        continue;
      }
      contracts.push_back(std::move(contract));
    }
  }
  if (!mistakes.empty()) return ToError(ErrorCode::kInvalid, std::move(mistakes));
  return contracts;
}

/// Settings for a topic that nothing makes: the one that was meant goes by its defaults.
void WarnOfUnmadeTopics(const Config& config, const std::vector<event::Contract>& contracts,
                        std::vector<Diagnostic>& warnings) {
  std::vector<std::string_view> made;
  for (const event::Contract& contract : contracts) made.push_back(contract.topic);
  for (const auto& [topic, settings] : config.topics) {
    if (settings.schemaless || std::ranges::find(made, topic) != made.end()) continue;
    const auto meant = Closest(topic, made);
    warnings.push_back(
        {.code = std::string(kTopicNotMade),
         .message = fmt::format("no schema makes topic '{}': its settings have no effect", topic),
         .place = settings.place,
         .suggestion = meant ? fmt::format("did you mean \"{}\"?", *meant) : std::string(),
         .notes = {}});
    warnings.back().severity = Severity::kWarning;
  }
}

}  // namespace

Result<std::vector<event::Contract>> LoadSchemas(os::Disk& disk, const std::string& folder) {
  SLUICE_ASSIGN_OR_RETURN(const event::SchemaFiles files, ReadSchemas(disk, folder));
  return Compile(files, InFolder(folder, "schemas"));
}

Result<Checked> CheckProject(os::Disk& disk, const std::string& folder,
                             const Overrides& overrides) {
  std::vector<Diagnostic> mistakes;
  Checked checked;
  const auto config = LoadConfig(disk, folder, overrides);
  if (!config.ok()) {
    if (config.error().code() == ErrorCode::kNotFound) return config.error();
    Collect(config.error(), {}, InFolder(folder, "sluice.yaml"), mistakes);
  } else {
    checked.warnings = config->warnings;
    for (const auto& [topic, topic_config] : config->topics) {
      checked.topics += topic_config.schemaless ? 1 : 0;
    }
  }
  const std::string schemas = InFolder(folder, "schemas");
  const auto files = ReadSchemas(disk, folder);
  const auto contracts = files.ok() ? Compile(*files, schemas) : files.error();
  if (!contracts.ok()) {
    Collect(contracts.error(), {}, schemas, mistakes);
  } else {
    checked.topics += contracts->size();
    if (config.ok()) WarnOfUnmadeTopics(*config, *contracts, checked.warnings);
  }
  if (!mistakes.empty()) return ToError(ErrorCode::kInvalid, std::move(mistakes));
  checked.files = files->size() + 1;
  return checked;
}

Result<Checked> CheckFiles(os::Disk& disk, const std::vector<std::string>& paths) {
  std::vector<Diagnostic> mistakes;
  Checked checked;
  for (const std::string& path : paths) {
    SLUICE_ASSIGN_OR_RETURN(const std::string text, os::ReadFile(disk, path, kSchemaBytesMax));
    ++checked.files;
    if (path.ends_with(".yaml") || path.ends_with(".yml")) {
      auto config = ParseConfig(text, path);
      if (!config.ok()) {
        Collect(config.error(), {}, path, mistakes);
        continue;
      }
      std::ranges::move(config->warnings, std::back_inserter(checked.warnings));
    } else if (event::IsSchemaFile(path)) {
      const size_t slash = path.rfind('/');
      const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
      const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
      SLUICE_ASSIGN_OR_RETURN(const event::SchemaFiles files, ReadSchemaFolder(disk, folder));
      const auto contracts = event::CompileSchema(files, name);
      if (contracts.ok()) {
        checked.topics += contracts->size();
      } else {
        Collect(contracts.error(), slash == std::string::npos ? "" : folder + "/", name, mistakes);
      }
    } else {
      return Invalid("'{}' is no project file (.yaml) and no schema (.capnp, .json)", path);
    }
  }
  if (!mistakes.empty()) return ToError(ErrorCode::kInvalid, std::move(mistakes));
  return checked;
}

}  // namespace sluice::server
