#pragma once
/// \file
/// For tests: random schemas, and random events for them, sound and broken.

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/event/contract.h"

namespace sluice::decode::internal {

/// Makes texts of schemas with one event struct for topic `t`, and rows of JSON.
class SchemaGenerator {
 public:
  explicit SchemaGenerator(uint32_t seed) : random_(seed) {}

  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  bool OneIn(size_t n) { return Below(n) == 0; }
  std::string_view OneOf(const std::vector<std::string_view>& items) {
    return items[Below(items.size())];
  }

  std::string Schema();
  /// An object for the fields; one in about ten rows has something wrong with it.
  std::string Row(const std::vector<event::Field>& fields);

 private:
  // Members of a struct, group or union; ordinals go on from `ordinal`.
  std::string Members(int depth, size_t count, int& ordinal, bool alternatives);
  std::string Type(int depth);
  std::string Annotated(std::string_view type, bool alternative);

  std::string Object(const std::vector<event::Field>& fields, int depth);
  std::string Value(const event::Field& field, int depth);
  std::string Text();
  std::string Any(int depth);

  std::mt19937 random_;
  std::string declared_;  // Structs and enums met on the way.
  int names_ = 0;
};

}  // namespace sluice::decode::internal
