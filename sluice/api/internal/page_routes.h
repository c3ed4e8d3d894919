#pragma once
/// \file
/// The page at `/`.

#include <optional>
#include <string>

#include "sluice/api/router.h"
#include "sluice/page/assets.h"

namespace sluice::api::internal {

/// Serves the files of the page to everybody: they tell nothing. What the page shows it asks for
/// at the other addresses, with the token of who looks.
///
/// Thread-safe.
class PageRoutes {
 public:
  void AddTo(Router& router);
};

/// Returns the answer with an asset. Its policy lets the browser load and ask nothing but what
/// comes from here, and run no script that stands in the text.
Response AssetResponse(const page::Asset& asset, const Request& request);

}  // namespace sluice::api::internal
