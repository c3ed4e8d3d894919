#pragma once
/// \file
/// Schemas with something done to them, for tests of what compiles them.

#include <gtest/gtest.h>

#include <functional>
#include <regex>
#include <string>
#include <vector>

#include "sluice/base/text_mutator.h"
#include "sluice/event/contract.h"

namespace sluice::event::internal {

/// Expects that each of 10,000 texts becomes contracts, which come back from their JSON as they
/// were, or is refused with a message whose first line has the form `place`, as a third of them at
/// least must be.
inline void ExpectContractsOrPlacedErrors(
    TextMutator& mutator, const std::regex& place,
    const std::function<Result<std::vector<Contract>>(const std::string&)>& compile) {
  constexpr int kTexts = 10'000;
  int refused = 0;
  for (int i = 0; i < kTexts; ++i) {
    const std::string text = mutator.Next();
    const auto result = compile(text);
    if (result.ok()) {
      for (const Contract& contract : *result) {
        const auto back = FromJson(ToJson(contract));
        ASSERT_TRUE(back.ok()) << text;
        EXPECT_EQ(*back, contract) << text;
      }
      continue;
    }
    ++refused;
    const std::string& message = result.error().message();
    const std::string first = message.substr(0, message.find('\n'));
    ASSERT_TRUE(std::regex_search(first, place)) << first << "\n" << text;
  }
  EXPECT_GT(refused, kTexts / 3);
}

}  // namespace sluice::event::internal
