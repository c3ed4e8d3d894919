# The libraries that Sluice links. docs/adr/0002-linking.md says why each is linked as it is.
find_package(OpenSSL REQUIRED)
find_package(Boost 1.74 REQUIRED)

include(LakeDependencies)
fetched_library(duckdb libduckdb.so ${UNPACKED}/duckdb/duckdb-1.5.6/external/duckdb/src/include)

# Archives stay private to the executable, so that a library loaded later cannot bind to them.
foreach(archive capnpc capnp kj yaml-cpp xxhash zstd z)
  find_library(ARCHIVE_${archive} lib${archive}.a REQUIRED)
endforeach()
function(archive_library name)
  add_library(archive::${name} INTERFACE IMPORTED GLOBAL)
  foreach(file IN LISTS ARGN)
    target_link_libraries(archive::${name} INTERFACE ${ARCHIVE_${file}})
  endforeach()
  target_link_options(archive::${name} INTERFACE -Wl,--exclude-libs,ALL)
endfunction()
archive_library(capnp capnpc capnp kj)
archive_library(yaml yaml-cpp)
archive_library(xxhash xxhash)
archive_library(zstd zstd)
archive_library(z z)
