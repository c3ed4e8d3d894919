#pragma once
/// \file
/// Events from web pages: POST /v1/collect, with a key that everybody may see.

#include "sluice/api/internal/gate.h"
#include "sluice/api/router.h"
#include "sluice/api/routes.h"
#include "sluice/ingest/ingest.h"

namespace sluice::api::internal {

/// A key (scope `collect:TOPIC@ORIGIN`) stands in pages, so it may do nothing but this: send to
/// that topic from pages of that origin. Browsers tell the origin; whoever is no browser can name
/// any, so a topic that pages send to holds what anybody may say.
///
/// The body comes as text/plain, which a page may send anywhere without asking before; it is an
/// object or an array as for /v1/events/{topic}, 64 KiB at most. The answer counts, and tells
/// nothing else.
///
/// Thread-safe; all references must outlive it.
class CollectRoutes {
 public:
  CollectRoutes(ingest::Ingest& ingest, Gate& gate, const Hooks& hooks)
      : ingest_(ingest), gate_(gate), hooks_(hooks) {}

  void AddTo(Router& router);

 private:
  void Take(const Call& call, const Respond& respond);

  ingest::Ingest& ingest_;
  Gate& gate_;
  const Hooks& hooks_;
};

}  // namespace sluice::api::internal
