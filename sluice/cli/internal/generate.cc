#include "sluice/cli/internal/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <optional>
#include <utility>

#include "sluice/base/base64.h"
#include "sluice/base/diagnostic.h"
#include "sluice/base/json.h"
#include "sluice/cli/command_line.h"
#include "sluice/cli/internal/commands.h"
#include "sluice/cli/internal/templates.h"
#include "sluice/lake/timestamps.h"
#include "sluice/os/disk.h"
#include "sluice/os/random.h"
#include "sluice/server/project.h"

namespace sluice::cli::internal {

using event::Field;
using event::FieldType;

std::string EventMaker::MakeText(const Field& field) {
  std::string name = field.name;
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto has = [&name](std::string_view part) { return name.find(part) != std::string::npos; };
  if (has("email") || has("mail")) return fmt::format("person.{}@example.com", Below(5000));
  if (has("phone")) return fmt::format("+3161234{:04}", Below(5000));
  if (has("country")) {
    static constexpr std::string_view kCountries[] = {"NL", "DE", "FR", "BE", "GB", "US", "JP"};
    return std::string(kCountries[Below(std::size(kCountries))]);
  }
  if (has("currency")) return Below(4) == 0 ? "USD" : "EUR";
  if (has("url") || has("page") || has("path")) return fmt::format("/p/{}", Below(200));
  if (name == "ip" || has("ipaddress")) return fmt::format("192.0.2.{}", Below(256));
  if (has("name")) return fmt::format("Person {}", Below(5000));
  if (name.ends_with("id")) return fmt::format("{}-{}", name, Below(5000));
  return fmt::format("{} {}", field.name, Below(20));
}

void EventMaker::AppendValue(const Field& field, bool identity, os::Timestamp time,
                             std::string& out) {
  const auto whole = [&](int64_t least, uint64_t count) {
    out += std::to_string(least + static_cast<int64_t>(identity ? random_() >> 2 : Below(count)));
  };
  switch (field.type) {
    case FieldType::kBool:
      out += Below(2) == 0 ? "false" : "true";
      return;
    case FieldType::kInt8:
      out += std::to_string(static_cast<int64_t>(Below(128)));
      return;
    case FieldType::kUInt8:
      out += std::to_string(Below(256));
      return;
    case FieldType::kInt16:
    case FieldType::kUInt16:
      out += std::to_string(Below(5000));
      return;
    case FieldType::kInt32:
    case FieldType::kUInt32:
      out += std::to_string(Below(identity ? 1u << 31 : 5000));
      return;
    case FieldType::kInt64:
    case FieldType::kUInt64:
      return whole(0, 5000);
    case FieldType::kFloat32:
    case FieldType::kFloat64:
      out += fmt::format("{:.2f}", static_cast<double>(Below(10'000)) / 100);
      return;
    case FieldType::kText:
      return AppendJsonString(out, identity ? fmt::format("{:016x}", random_()) : MakeText(field));
    case FieldType::kData:
      return AppendJsonString(out, EncodeBase64(fmt::format("{:08x}", Below(1u << 31))));
    case FieldType::kEnum:
      if (field.enumerants.empty()) break;
      return AppendJsonString(out, field.enumerants[Below(field.enumerants.size())]);
    case FieldType::kTimestamp:
      switch (field.unit) {
        case event::TimeUnit::kRfc3339:
          return AppendJsonString(out, lake::TimestampText(time.time_since_epoch().count()));
        case event::TimeUnit::kSeconds:
          out += std::to_string(time.time_since_epoch().count() / 1'000'000);
          return;
        case event::TimeUnit::kMilliseconds:
          out += std::to_string(time.time_since_epoch().count() / 1'000);
          return;
        case event::TimeUnit::kMicroseconds:
          out += std::to_string(time.time_since_epoch().count());
          return;
        case event::TimeUnit::kNanoseconds:
          out += std::to_string(time.time_since_epoch().count() * 1'000);
          return;
      }
      break;
    case FieldType::kDecimal: {
      const int digits = std::min<int>(field.precision - field.scale, 4);
      std::string number = digits > 0 ? std::to_string(Below(digits == 4 ? 10'000 : 10)) : "0";
      if (field.scale > 0) {
        number += '.';
        for (int i = 0; i < field.scale; ++i) number += static_cast<char>('0' + Below(10));
      }
      return AppendJsonString(out, number);
    }
    case FieldType::kUuid: {
      const uint64_t high = random_();
      const uint64_t low = random_();
      return AppendJsonString(
          out, fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", high >> 32, high >> 16 & 0xffff,
                           high & 0xfff, low >> 52, low & 0xffff'ffff'ffff));
    }
    case FieldType::kStruct:
      return AppendObject(field.children, false, time, out);
    case FieldType::kList: {
      out += '[';
      const uint64_t count = Below(4);
      for (uint64_t i = 0; i < count && !field.children.empty(); ++i) {
        if (i > 0) out += ',';
        AppendValue(field.children[0], false, time, out);
      }
      out += ']';
      return;
    }
    case FieldType::kVoid:
    case FieldType::kWhich:
      break;
  }
  out += "null";
}

void EventMaker::AppendObject(const std::vector<Field>& fields, bool outermost, os::Timestamp time,
                              std::string& out) {
  // One alternative of an unnamed union.
  const auto alternatives =
      static_cast<uint64_t>(std::ranges::count(fields, true, &Field::alternative));
  const uint64_t chosen = alternatives > 0 ? Below(alternatives) : 0;
  uint64_t seen = 0;
  out += '{';
  bool first = true;
  for (size_t i = 0; i < fields.size(); ++i) {
    const Field& field = fields[i];
    if (field.type == FieldType::kWhich || (field.alternative && seen++ != chosen)) continue;
    if (!first) out += ',';
    first = false;
    AppendJsonString(out, field.name);
    out += ':';
    if (outermost && contract_.event_time_field == i && field.type == FieldType::kText) {
      AppendJsonString(out, lake::TimestampText(time.time_since_epoch().count()));
    } else if (outermost && contract_.event_time_field == i &&
               field.type != FieldType::kTimestamp) {
      out += std::to_string(time.time_since_epoch().count() / 1'000);
    } else {
      AppendValue(field, outermost && contract_.identity.id_field == i, time, out);
    }
  }
  out += '}';
}

std::string EventMaker::Next(os::Timestamp time) {
  std::string out;
  AppendObject(contract_.fields, true, time, out);
  return out;
}

namespace {

/// The kinds of systems that the demo has, and the topics of their events.
constexpr std::pair<std::string_view, std::string_view> kDomains[] = {
    {"identity", "user.identity.created"}, {"shop", "shop.user-events"},
    {"pointer", "pointer.moved"},          {"metadata", "metadata.changed"},
    {"iot", "plant.sensor-readings"},
};

/// Looks among the demo's schemas, which need no project.
Result<std::optional<event::Contract>> FindInDemo(std::string_view topic) {
  constexpr std::string_view kFolder = "schemas/";
  event::SchemaFiles files;
  for (const TemplateFile& file : FindTemplate("demo")) {
    if (file.name.starts_with(kFolder)) {
      files.emplace(file.name.substr(kFolder.size()), file.text);
    }
  }
  for (const auto& [name, text] : files) {
    SLUICE_ASSIGN_OR_RETURN(auto contracts, event::CompileSchema(files, name));
    for (event::Contract& contract : contracts) {
      if (contract.topic == topic) return std::optional(std::move(contract));
    }
  }
  return std::optional<event::Contract>();
}

/// `name` is a topic of the project, or a domain: then the project's schema of its topic counts
/// before the demo's.
Result<event::Contract> FindContract(const std::string& folder, const std::string& name) {
  const auto* const domain =
      std::ranges::find(kDomains, name, &std::pair<std::string_view, std::string_view>::first);
  const bool is_domain = domain != std::end(kDomains);
  const std::string_view topic = is_domain ? domain->second : name;
  os::SystemDisk disk;
  SLUICE_ASSIGN_OR_RETURN(auto contracts, server::LoadSchemas(disk, folder));
  std::vector<std::string_view> known;
  for (event::Contract& contract : contracts) {
    if (contract.topic == topic) return std::move(contract);
    known.push_back(contract.topic);
  }
  if (is_domain) {
    SLUICE_ASSIGN_OR_RETURN(auto contract, FindInDemo(topic));
    if (contract) return *std::move(contract);
  }
  for (const auto& [other, of_other] : kDomains) known.push_back(other);
  const auto meant = Closest(name, known);
  return NotFound("no schema of the project makes the topic '{}'{}", name,
                  meant ? fmt::format("; did you mean \"{}\"?", *meant)
                        : "; without a project there are identity, shop, pointer, metadata, iot");
}

}  // namespace

int Generate(const Global& global, const GenerateArguments& arguments) {
  auto contract = FindContract(global.folder, arguments.topic);
  if (!contract.ok()) return Fail(contract.error());
  const os::SystemClock clock;
  os::Timestamp start = clock.Now();
  if (!arguments.start.empty()) {
    const auto time = lake::ParseTimestampText(arguments.start);
    if (!time) {
      Fail(Invalid("--start '{}': expected a time such as 2026-01-31T12:00:00Z", arguments.start));
      return kUsage;
    }
    start = os::Timestamp(std::chrono::microseconds(*time));
  }
  uint64_t seed = arguments.seed;
  if (seed == 0) {
    os::SystemRandom random;
    seed = random.Next();
    if (!global.quiet) std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
  }
  CatchSignals();
  const std::string topic = contract->topic;
  EventMaker maker(std::move(*contract), seed);
  const os::Monotonic begun = clock.Steady();
  const double rate = arguments.rate > 0 ? arguments.rate : 1000;  // Of event time, if not paced.
  for (int64_t made = 0; arguments.count == 0 || made < arguments.count; ++made) {
    const auto passed = std::chrono::microseconds(
        static_cast<int64_t>(static_cast<double>(made) / rate * 1'000'000));
    while (arguments.rate > 0 && CaughtSignal() == 0 && clock.Steady() < begun + passed) {
      std::fflush(stdout);
      WaitForSignal(std::max<int64_t>(
          1,
          std::chrono::ceil<std::chrono::milliseconds>(begun + passed - clock.Steady()).count()));
    }
    if (CaughtSignal() != 0) break;
    std::string line = maker.Next(start + passed);
    if (!arguments.bare) {
      std::string envelope = "{\"event\":";
      AppendJsonString(envelope, topic);
      line = envelope + ",\"content\":" + line + "}";
    }
    line += '\n';
    if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size()) break;  // Nobody reads.
  }
  std::fflush(stdout);
  return CaughtSignal() == SIGINT ? kInterrupted : CaughtSignal() != 0 ? kTerminated : kDone;
}

}  // namespace sluice::cli::internal
