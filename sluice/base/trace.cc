#include "sluice/base/trace.h"

#include <fmt/chrono.h>

#include <atomic>
#include <chrono>
#include <cstdio>

#include "sluice/base/json.h"
#include "sluice/base/utf8.h"

namespace sluice::trace {
namespace {

// Set once at start by the program; read by every thread.
std::atomic<Level> least_level{Level::kInfo};
std::atomic<Format> line_format{Format::kText};

std::string_view Name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
    case Level::kOff:
      break;
  }
  return "?";
}

}  // namespace

void Configure(Level least, Format format) {
  least_level = least;
  line_format = format;
}

void Write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (level < least_level.load(std::memory_order_relaxed)) return;
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const std::string time = fmt::format("{:%Y-%m-%dT%H:%M:%S}Z", now);
  std::string line;
  if (line_format.load(std::memory_order_relaxed) == Format::kJson) {
    line = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"event\":", time, Name(level));
    AppendJsonString(line, event);
    for (const Field& field : fields) {
      line += ',';
      AppendJsonString(line, field.name);
      line += ':';
      AppendJsonString(line, field.value);
    }
    line += "}\n";
  } else {
    line = fmt::format("{} {:<7} {}", time, Name(level), event);
    for (const Field& field : fields) {
      line += fmt::format(" {}=", field.name);
      if (field.value.find_first_of(" \"\\\n\r") == std::string::npos) {
        line += Printable(field.value);
      } else {
        AppendJsonString(line, field.value);
      }
    }
    line += '\n';
  }
  std::fwrite(line.data(), 1, line.size(), stderr);  // One call: lines of threads do not mix.
}

}  // namespace sluice::trace
