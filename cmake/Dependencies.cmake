# Everything that Eider links with, as targets:
#   Arrow::arrow, Arrow::flight, Arrow::parquet   an installed Arrow 26, else the pinned wheel
#   DuckDB::duckdb                                an installed DuckDB 1.5.5, else the pinned package
# and EIDER_EXTENSION_DIR, where DuckDB's extensions lie (NAME/NAME.duckdb_extension).

get_filename_component(EIDER_ROOT ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)
set(EIDER_DEPS_DIR ${EIDER_ROOT}/build/deps CACHE PATH "Where pinned dependencies are unpacked")
set(EIDER_EXTENSION_DIR ${EIDER_DEPS_DIR}/extensions)

find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(prometheus-cpp REQUIRED)
find_package(GTest REQUIRED)
# The static one first: it is small, and one package less to install.
find_library(XXHASH_LIBRARY NAMES libxxhash.a xxhash REQUIRED)

# Another version of DuckDB would refuse the pinned extensions, hence EXACT.
find_package(DuckDB 1.5.5 EXACT CONFIG QUIET)
find_package(Arrow 26 CONFIG QUIET)
find_package(ArrowFlight 26 CONFIG QUIET)
find_package(Parquet 26 CONFIG QUIET)
set(installed_arrow FALSE)
if(TARGET Arrow::arrow_shared AND TARGET ArrowFlight::arrow_flight_shared
   AND TARGET Parquet::parquet_shared)
  set(installed_arrow TRUE)
endif()

set(skip)
if(installed_arrow)
  list(APPEND skip pyarrow)
endif()
if(TARGET duckdb)
  list(APPEND skip duckdb_source duckdb_library)
endif()
execute_process(
  COMMAND ${Python3_EXECUTABLE} ${EIDER_ROOT}/tools/provision.py
          --into ${EIDER_DEPS_DIR} --skip ${skip}
  COMMAND_ERROR_IS_FATAL ANY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${EIDER_ROOT}/tools/dependencies.toml ${EIDER_ROOT}/tools/provision.py)

function(eider_import target library include)
  add_library(${target} SHARED IMPORTED GLOBAL)
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION ${library}
    INTERFACE_INCLUDE_DIRECTORIES ${include})
endfunction()

if(installed_arrow)
  message(STATUS "Arrow ${Arrow_VERSION}: ${Arrow_DIR}")
  foreach(pair arrow=Arrow::arrow_shared flight=ArrowFlight::arrow_flight_shared
               parquet=Parquet::parquet_shared)
    string(REPLACE "=" ";" pair ${pair})
    list(GET pair 0 name)
    list(GET pair 1 installed)
    add_library(Arrow::${name} INTERFACE IMPORTED GLOBAL)
    target_link_libraries(Arrow::${name} INTERFACE ${installed})
  endforeach()
else()
  set(arrow ${EIDER_DEPS_DIR}/arrow)
  message(STATUS "Arrow 26.0.1: ${arrow}")
  eider_import(Arrow::arrow ${arrow}/lib/libarrow.so ${arrow}/include)
  eider_import(Arrow::flight ${arrow}/lib/libarrow_flight.so ${arrow}/include)
  eider_import(Arrow::parquet ${arrow}/lib/libparquet.so ${arrow}/include)
  target_link_libraries(Arrow::flight INTERFACE Arrow::arrow)
  target_link_libraries(Arrow::parquet INTERFACE Arrow::arrow)
endif()

if(TARGET duckdb)
  message(STATUS "DuckDB ${DuckDB_VERSION}: ${DuckDB_DIR}")
  add_library(DuckDB::duckdb INTERFACE IMPORTED GLOBAL)
  target_link_libraries(DuckDB::duckdb INTERFACE duckdb)
  target_include_directories(DuckDB::duckdb SYSTEM INTERFACE ${DuckDB_INCLUDE_DIRS})
else()
  message(STATUS "DuckDB 1.5.5: ${EIDER_DEPS_DIR}/duckdb")
  eider_import(DuckDB::duckdb ${EIDER_DEPS_DIR}/duckdb/lib/libduckdb.so
               ${EIDER_DEPS_DIR}/duckdb_headers/include)
endif()
