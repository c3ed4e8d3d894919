# Warnings of our own code; linked PRIVATE, so that users of the libraries do not get them.
add_library(sluice_warnings INTERFACE)
target_compile_options(sluice_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
                       $<$<BOOL:${SLUICE_WERROR}>:-Werror>)
