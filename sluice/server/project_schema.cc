#include "sluice/server/project_schema.h"

namespace sluice::server {
namespace {

constexpr std::string_view kSchema = R"json({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "sluice.yaml",
  "type": "object",
  "unevaluatedProperties": false,
  "$defs": {
    "duration": {"type": ["string", "integer"], "pattern": "^[0-9.]+(ms|s|m|h|d)$|^0$", "examples": ["90s", "5m", "24h"]},
    "size": {"type": ["string", "integer"], "pattern": "^[0-9.]+(|kB|MB|GB|KiB|MiB|GiB)$", "examples": ["16MiB"]},
    "settings": {
      "type": "object",
      "properties": {
        "version": {"const": 1},
        "project": {"type": "string", "description": "Name of the project"},
        "storage": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "path": {"type": "string", "description": "Folder of data, or s3://bucket/folder for the tables", "default": "data"},
            "keys": {"type": "string", "description": "Folder of the key file, outside of data", "default": "keys"},
            "format": {"const": "delta"},
            "cache": {"$ref": "#/$defs/size", "description": "Of a bucket's files, for queries", "default": "10GiB"},
            "free_min": {"$ref": "#/$defs/size", "description": "Below that nothing is taken", "default": "64MiB"},
            "reserve": {"$ref": "#/$defs/size", "description": "A file that goes when the disk is full, so that there is room to land", "default": "64MiB"},
            "segment": {"$ref": "#/$defs/size", "description": "Of the journal", "default": "64MiB"}
          }
        },
        "journal": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "writes": {"enum": ["auto", "cached", "direct"], "description": "Through the page cache or around it; auto measures at the start", "default": "auto"}
          }
        },
        "serve": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "http": {"type": ["string", "integer"], "description": "ADDRESS:PORT", "default": "127.0.0.1:7117"},
            "tls": {
              "type": "object",
              "additionalProperties": false,
              "required": ["certificate", "key"],
              "properties": {
                "certificate": {"type": "string", "description": "PEM file of the chain"},
                "key": {"type": "string", "description": "PEM file of its key"}
              }
            },
            "flight": {"description": "No effect: this program does not have it"},
            "postgres": {"description": "No effect: this program does not have it"},
            "connections": {"type": "integer", "default": 1024},
            "header_time": {"$ref": "#/$defs/duration", "default": "10s"},
            "body_time": {"$ref": "#/$defs/duration", "default": "60s"},
            "reader_idle": {"$ref": "#/$defs/duration", "default": "5s",
              "description": "A query ends when its reader takes nothing for so long and others wait for a worker"}
          }
        },
        "land": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "every": {"$ref": "#/$defs/duration", "default": "5m"},
            "wait_max": {"$ref": "#/$defs/duration", "description": "Of ?wait=table", "default": "60s"},
            "bytes": {"$ref": "#/$defs/size", "default": "128MiB"},
            "compression": {"enum": ["zstd", "none"], "default": "zstd"}
          }
        },
        "maintenance": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "enabled": {"type": "boolean", "description": "Compacting and vacuuming landed tables by itself", "default": true},
            "cpu": {"type": "string", "pattern": "^[0-9.]+%$", "description": "Of one processor", "default": "25%"},
            "bytes_per_second": {"$ref": "#/$defs/size", "description": "Read and written", "default": "64MiB"},
            "every": {"$ref": "#/$defs/duration", "description": "So often each table is looked at", "default": "60s"},
            "compact": {
              "type": "object",
              "additionalProperties": false,
              "properties": {
                "files_min": {"type": "integer", "minimum": 2, "description": "So many small files of a day are left alone while it is being written", "default": 8},
                "target": {"$ref": "#/$defs/size", "description": "Of a full file", "default": "128MiB"}
              }
            },
            "vacuum": {
              "type": "object",
              "additionalProperties": false,
              "properties": {
                "retention": {"$ref": "#/$defs/duration", "description": "Files that left the table longer ago are deleted, unless the table itself says otherwise", "default": "7d"}
              }
            }
          }
        },
        "limits": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "body": {"$ref": "#/$defs/size", "default": "16MiB"},
            "rows": {"type": "integer", "default": 10000},
            "row": {"$ref": "#/$defs/size", "default": "1MiB"},
            "depth": {"type": "integer", "default": 64},
            "memory": {"$ref": "#/$defs/size", "description": "Shared out among bodies, what waits for its sync, what waits to land, landing, and identities", "default": "1GiB"},
            "queue": {"$ref": "#/$defs/size", "description": "What may wait for its sync; an eighth of memory else"},
            "query_memory": {"$ref": "#/$defs/size", "default": "1GiB"},
            "error_bytes": {"$ref": "#/$defs/size", "description": "Of events that do not fit, kept a day for each sender and topic; 0: no limit", "default": "10GiB"},
            "topics": {"type": "integer", "minimum": 1, "description": "Beside those of the system; a schema that makes one more is refused", "default": 1000}
          }
        },
        "sql": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "external": {"type": "array", "items": {"type": "string"}, "description": "Absolute folders and s3://bucket/folder in which queries may name tables by path"}
          }
        },
        "dedup": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "horizon": {"$ref": "#/$defs/duration", "default": "24h"},
            "ids_max": {"type": "integer", "default": 20000000}
          }
        },
        "errors": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "retain": {"$ref": "#/$defs/duration", "default": "90d"}
          }
        },
        "keys": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "command": {"type": "string", "description": "Prints the key that seals the key file"},
            "environment": {"type": "string", "description": "Variable with that key"}
          }
        },
        "privacy": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "hash_key": {"type": "integer", "description": "Number of the key for new values"},
            "token_key": {"type": "integer"},
            "subject_key": {"type": "integer"}
          }
        },
        "topics": {
          "type": "object",
          "additionalProperties": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "schema": {"const": "none"},
              "unknown": {"enum": ["keep", "error", "ignore"], "default": "keep"},
              "compatibility": {"enum": ["none", "backward", "forward", "full"], "default": "backward"},
              "dedup": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                  "by": {"enum": ["id", "producer", "batch"], "default": "id"},
                  "horizon": {"$ref": "#/$defs/duration"},
                  "ids_max": {"type": "integer"}
                }
              },
              "maintenance": {"enum": ["on", "off", true, false], "default": "on"},
              "cluster_by": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 4},
              "partitions": {"description": "No effect: this program does not have it"},
              "journal": {"description": "No effect: this program does not have it"}
            }
          }
        },
        "tenants": {"description": "No effect: this program does not have it"},
        "models": {"description": "No effect: this program does not have it"},
        "secrets": {"description": "No effect: this program does not have it"}
      }
    }
  },
  "$ref": "#/$defs/settings",
  "properties": {
    "profiles": {
      "type": "object",
      "description": "What --profile NAME lays over the rest",
      "additionalProperties": {"$ref": "#/$defs/settings", "unevaluatedProperties": false}
    }
  }
}
)json";

}  // namespace

std::string_view ProjectSchema() { return kSchema; }

}  // namespace sluice::server
