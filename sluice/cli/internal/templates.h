#pragma once
/// \file
/// Projects that the program carries, to be written into folders.

#include <span>
#include <string>
#include <string_view>

#include "sluice/base/error.h"

namespace sluice::cli::internal {

struct TemplateFile {
  std::string_view name;  ///< Relative to the project's folder.
  std::string_view text;
};

/// Returns the files of a project: "demo" (examples/demo) or "first", one schema. Empty: there is
/// none of that name.
std::span<const TemplateFile> FindTemplate(std::string_view name);

/// What a project has of its own in the project file.
struct TemplateValues {
  std::string project;     ///< Its name; commands tell servers apart by it.
  std::string serve = {};  ///< Lines put behind the file.
};

/// Writes the files of a project. kConflict: the folder has some of them already; it names them,
/// and writes nothing.
Status WriteTemplate(std::span<const TemplateFile> files, const std::string& folder,
                     const TemplateValues& values);

/// examples/demo, put in by the build.
extern const std::span<const TemplateFile> kDemoTemplate;

}  // namespace sluice::cli::internal
