#pragma once
/// \file
/// The documentation inside the program: the pages of docs/, as text.

#include <span>
#include <string>
#include <string_view>

namespace sluice::cli::internal {

struct Page {
  std::string_view name;  ///< `how-to/send-events`
  std::string_view text;  ///< Markdown.
};

/// All pages, by name. Made by CMake of docs/tutorial, how-to, reference and explanation.
extern const std::span<const Page> kPages;

/// The names of all pages with their titles, a line each.
std::string ListPages();
/// The page called `name`, with or without its folder, as it reads at a terminal: links are their
/// texts. Empty: there is none.
std::string PageText(std::string_view name);
/// The page that `name`, with or without its folder, was probably meant for; empty: none is near.
std::string ClosestPage(const std::string& name);

}  // namespace sluice::cli::internal
