# How things are compiled: the sanitizer, and ccache and mold where they are installed.

set(EIDER_SANITIZE "" CACHE STRING "address, thread or empty")
set_property(CACHE EIDER_SANITIZE PROPERTY STRINGS "" address thread)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# -g1 keeps function names and lines for a backtrace at a tenth of -g's size, and a fifth less to
# compile.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-Og -g")

if(EIDER_SANITIZE STREQUAL "address")
  # vptr checks need type information that libduckdb and libarrow do not export.
  add_compile_options(-g1 -O1 -fno-omit-frame-pointer -fsanitize=address,undefined
                      -fno-sanitize=vptr -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
elseif(EIDER_SANITIZE STREQUAL "thread")
  add_compile_options(-g1 -O1 -fno-omit-frame-pointer -fsanitize=thread)
  add_link_options(-fsanitize=thread)
elseif(EIDER_SANITIZE)
  message(FATAL_ERROR "EIDER_SANITIZE=${EIDER_SANITIZE}: address, thread or empty")
endif()

find_program(EIDER_CCACHE ccache)
if(EIDER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${EIDER_CCACHE})
endif()
find_program(EIDER_MOLD mold)
if(EIDER_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
