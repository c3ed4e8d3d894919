# sluice_module(NAME LAYER n [DEPS modules] [LINK targets])
#
# Makes the library sluice_NAME of the current folder and its test program. DEPS may name only modules of
# lower layers; the test links the whole module against DEPS alone, so an undeclared use does not link.
# What LINK names stays private: other modules go through our headers, not through the library's.
function(sluice_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LAYER" "DEPS;LINK")
  file(GLOB headers CONFIGURE_DEPENDS *.h)
  file(GLOB sources CONFIGURE_DEPENDS *.cc internal/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|bench)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  add_library(sluice_${name} STATIC ${sources})
  target_sources(sluice_${name} PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${headers})
  set_target_properties(sluice_${name} PROPERTIES SLUICE_LAYER ${arg_LAYER})
  foreach(dep IN LISTS arg_DEPS)
    get_target_property(layer sluice_${dep} SLUICE_LAYER)
    if(NOT layer LESS arg_LAYER)
      message(FATAL_ERROR "sluice/${name} (layer ${arg_LAYER}) may not use sluice/${dep} (layer ${layer})")
    endif()
  endforeach()
  list(TRANSFORM arg_DEPS PREPEND sluice_)
  target_link_libraries(sluice_${name} PUBLIC ${arg_DEPS} ${arg_LINK} PRIVATE sluice_warnings)

  if(SLUICE_TESTS AND tests)
    add_executable(sluice_${name}_test ${tests})
    target_link_libraries(sluice_${name}_test PRIVATE sluice_warnings GTest::gtest GTest::gtest_main
                          $<LINK_LIBRARY:WHOLE_ARCHIVE,sluice_${name}>)
    target_precompile_headers(sluice_${name}_test PRIVATE <gtest/gtest.h>)
    # Tests run in the project's folder. An absolute path here would make each clone compile them anew.
    target_compile_definitions(sluice_${name}_test PRIVATE SLUICE_SOURCE_DIR=".")
    gtest_discover_tests(sluice_${name}_test TEST_PREFIX "${name}." DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
                         WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                         PROPERTIES TIMEOUT 300)
  endif()
endfunction()
