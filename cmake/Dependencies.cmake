# The libraries that Sluice links. docs/adr/0002-linking.md says why each is linked as it is.
find_package(OpenSSL REQUIRED)
find_package(Boost 1.74 REQUIRED)

include(LakeDependencies)
fetched_library(duckdb libduckdb.so ${UNPACKED}/duckdb/duckdb-1.5.6/external/duckdb/src/include)

archive_library(capnp capnpc capnp kj)
archive_library(yaml yaml-cpp)
archive_library(xxhash xxhash)
archive_library(z z)
