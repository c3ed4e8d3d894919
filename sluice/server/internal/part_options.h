#pragma once
/// \file
/// What each part of a server gets of its project file.
///
/// Each function passes on all settings of its part and nothing else. What parts share (clocks,
/// keys, memory) and what they ask of each other the server adds.

#include "sluice/api/http_server.h"
#include "sluice/api/routes.h"
#include "sluice/ingest/dedupe.h"
#include "sluice/ingest/ingest.h"
#include "sluice/journal/journal.h"
#include "sluice/land/lander.h"
#include "sluice/land/maintenance.h"
#include "sluice/land/pace.h"
#include "sluice/server/config.h"
#include "sluice/server/space_watch.h"
#include "sluice/sql/external_tables.h"
#include "sluice/worker/pool.h"

namespace sluice::server::internal {

SpaceOptions SpaceOptionsOf(const Config& config);
journal::Options JournalOptionsOf(const Config& config);
land::LandOptions LandOptionsOf(const Config& config);
/// `shared`: memory and disk, which the dedupe of all topics has.
ingest::IngestOptions IngestOptionsOf(const Config& config, ingest::DedupeOptions shared);
land::MaintenanceOptions MaintenanceOptionsOf(const Config& config);
land::PaceOptions PaceOptionsOf(const Config& config);
worker::PoolOptions PoolOptionsOf(const Config& config);
sql::ExternalOptions ExternalOptionsOf(const Config& config);
api::HttpOptions HttpOptionsOf(const Config& config);
api::RouteOptions RouteOptionsOf(const Config& config);

}  // namespace sluice::server::internal
