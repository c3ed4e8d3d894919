#include "sluice/server/internal/part_options.h"

#include <cstdint>
#include <limits>
#include <utility>

namespace sluice::server::internal {

SpaceOptions SpaceOptionsOf(const Config& config) {
  return {.folder = config.DataPath(),
          .free_bytes_min = config.free_bytes_min,
          .reserve_bytes = config.reserve_bytes};
}

journal::Options JournalOptionsOf(const Config& config) {
  journal::Options options;
  options.folder = config.DataPath() + "/journal";
  options.segment_bytes = config.segment_bytes;
  options.free_bytes_min = config.free_bytes_min;
  options.queue_bytes_max = config.QueueBytes();
  options.writes = config.journal_writes;
  return options;
}

land::LandOptions LandOptionsOf(const Config& config) {
  land::LandOptions options;
  options.every = config.land_every;
  options.bytes_max = config.land_bytes_max;
  options.tail_bytes_max = static_cast<int64_t>(config.TailBytes());
  options.write_bytes_max = static_cast<int64_t>(config.LandBytes());
  options.compression = config.land_compression;
  return options;
}

ingest::IngestOptions IngestOptionsOf(const Config& config, ingest::DedupeOptions shared) {
  ingest::IngestOptions options;
  options.limits.rows_max = config.rows_max;
  options.limits.row_bytes_max = config.row_bytes_max;
  options.limits.depth_max = config.depth_max;
  options.table_wait_max = config.land_wait_max;
  options.error_bytes_a_day = config.error_bytes_a_day;
  options.topics_max = config.topics_max;
  options.dedupe = std::move(shared);
  options.dedupe.horizon = config.dedupe_horizon;
  options.dedupe.ids_max = static_cast<size_t>(config.dedupe_ids_max);
  options.dedupe.folder = config.DataPath() + "/dedupe";
  for (const auto& [topic, topic_config] : config.topics) {
    ingest::DedupeOptions dedupe = options.dedupe;
    dedupe.horizon = topic_config.dedupe_horizon.value_or(dedupe.horizon);
    dedupe.ids_max = topic_config.dedupe_ids_max.value_or(dedupe.ids_max);
    options.topic_dedupe.emplace(topic, dedupe);
  }
  return options;
}

land::MaintenanceOptions MaintenanceOptionsOf(const Config& config) {
  constexpr int64_t kAllOfItsShare = std::numeric_limits<int64_t>::max();
  land::MaintenanceOptions options{.every = config.maintenance_every,
                                   .file_bytes = config.CompactFileBytes(),
                                   .files_min = config.compact_files_min,
                                   .cluster_bytes = config.ClusterBytes(),
                                   .memory_bytes_max = config.WithinMaintenance(kAllOfItsShare, 1),
                                   .vacuum_retention = config.vacuum_retention};
  for (const auto& [topic, topic_config] : config.topics) {
    if (!topic_config.maintenance) options.off.insert(topic);
    if (!topic_config.cluster_by.empty()) options.cluster_by[topic] = topic_config.cluster_by;
  }
  return options;
}

land::PaceOptions PaceOptionsOf(const Config& config) {
  return {.processor_share = config.maintenance_processor_share,
          .bytes_per_second = config.maintenance_bytes_per_second};
}

worker::PoolOptions PoolOptionsOf(const Config& config) {
  worker::PoolOptions options;
  options.memory_bytes_max = config.query_memory_max;
  return options;
}

sql::ExternalOptions ExternalOptionsOf(const Config& config) {
  return {.allowed = config.external, .cache_bytes_max = config.cache_bytes_max};
}

api::HttpOptions HttpOptionsOf(const Config& config) {
  api::HttpOptions options;
  options.address = config.address;
  options.port = config.port;
  if (!config.tls_certificate.empty()) {
    options.tls = {.certificate = config.TlsCertificatePath(), .key = config.TlsKeyPath()};
  }
  options.body_bytes_max = config.body_bytes_max;
  options.connections_max = config.connections_max;
  options.header_time_max = config.header_time_max;
  options.body_time_max = config.body_time_max;
  return options;
}

api::RouteOptions RouteOptionsOf(const Config& config) {
  return {.body_bytes_max = config.body_bytes_max, .reader_idle_max = config.reader_idle_max};
}

}  // namespace sluice::server::internal
