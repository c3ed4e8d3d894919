#pragma once
/// \file
/// The schema files of a request, put among those that the project has.

#include <vector>

#include "sluice/api/router.h"
#include "sluice/api/routes.h"
#include "sluice/event/contract.h"

namespace sluice::api::internal {

/// What the project's schemas become with the files of one request.
struct SchemaChange {
  event::SchemaFiles files;                ///< Of the request, by the names they are kept under.
  std::vector<event::Contract> contracts;  ///< Of these and of files that import them, configured.
};

/// Reads and compiles what a request brings: the text of one file, named by `?name=`; or
/// `{"files": {"a.capnp": "...", "b.capnp": "..."}}`. One text without a name gets that of the file
/// which makes its topic, or one made of the topic.
///
/// kInvalid also: a topic that a file which stays makes already, so that the project would not
/// start again.
Result<SchemaChange> ReadSchemaChange(const Call& call, const Hooks& hooks);

}  // namespace sluice::api::internal
