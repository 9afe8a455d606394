# eider_library(NAME SOURCES ... [TESTS ...] [DEPS ...] [PRIVATE_DEPS ...] [TEST_DEPS ...])
#
# The library eider_NAME of one folder of src/ and, where TESTS are named, the test program
# eider_NAME_test from the *_test.cc files beside the code.
get_filename_component(eider_source ${CMAKE_CURRENT_LIST_DIR}/../src ABSOLUTE)
add_library(eider_options INTERFACE)
target_compile_options(eider_options INTERFACE
  -Wall -Wextra -Wpedantic $<$<CXX_COMPILER_ID:GNU>:-Wshadow=local> -Wnon-virtual-dtor -Wno-unused-parameter -Wno-missing-field-initializers
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Werror=thread-safety>)
target_include_directories(eider_options INTERFACE ${eider_source})

function(eider_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;TESTS;DEPS;PRIVATE_DEPS;TEST_DEPS" ${ARGN})
  add_library(eider_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(eider_${name} PUBLIC eider_options ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
  if(ARG_TESTS)
    add_executable(eider_${name}_test ${ARG_TESTS})
    target_link_libraries(eider_${name}_test PRIVATE
      eider_${name} ${ARG_TEST_DEPS} GTest::gmock GTest::gtest_main)
    add_test(NAME ${name} COMMAND eider_${name}_test)
  endif()
endfunction()
