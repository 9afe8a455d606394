# `cmake --install` leaves a tree that runs from wherever it is moved to:
#   bin/eider
#   lib/                    the libraries that Debian does not carry, or that are too small to ask for
#   lib/eider/extensions/   DuckDB's extensions, where the binary looks for them
# What stays with the system, for its security updates: libc, libstdc++, OpenSSL and libcurl.

if(NOT TARGET eider)
  return()
endif()

set_target_properties(eider PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
install(TARGETS eider
  RUNTIME_DEPENDENCIES
    PRE_INCLUDE_REGEXES "^libarrow" "^libparquet" "^libduckdb" "^libspdlog" "^libfmt"
                        "^libprometheus-cpp" "^libtomlplusplus" "^libxxhash"
    PRE_EXCLUDE_REGEXES ".*"
  RUNTIME DESTINATION bin
  LIBRARY DESTINATION lib)
install(DIRECTORY ${EIDER_EXTENSION_DIR}/httpfs/ ${EIDER_EXTENSION_DIR}/aws/
                  ${EIDER_EXTENSION_DIR}/avro/ ${EIDER_EXTENSION_DIR}/iceberg/
                  ${EIDER_EXTENSION_DIR}/delta/ ${EIDER_EXTENSION_DIR}/tpch/
  DESTINATION lib/eider/extensions
  FILES_MATCHING PATTERN "*.duckdb_extension")
install(FILES ${EIDER_ROOT}/LICENSE ${EIDER_ROOT}/README.md
  DESTINATION share/doc/eider)
