# Functions that define targets. Each room of the source tree is one or more s2p_library()s.

# Sets the warnings for all our own code, and what makes its faults harder to exploit.
function(s2p_set_warnings target)
  s2p_harden(${target})
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
    -Woverloaded-virtual -Wno-missing-field-initializers)
  if(S2P_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
    # GCC 13 and 14 report false overflows in std::vector's copy once it is inlined.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
      target_compile_options(${target} PRIVATE -Wno-error=array-bounds
        -Wno-error=stringop-overflow -Wno-error=stringop-overread)
    endif()
  endif()
endfunction()

# Makes an overrun of memory end the program: checked calls of the C library and of standard containers, guarded
# stacks, control flow that enters functions at their start, addresses that differ from run to run, and tables of
# the loader that are read-only once the program runs. In optimised builds without sanitizers, which check more.
function(s2p_harden target)
  if(NOT S2P_HARDENED)
    return()
  endif()
  target_compile_options(${target} PRIVATE -fstack-protector-strong -fstack-clash-protection
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=${S2P_FORTIFY_LEVEL} -D_GLIBCXX_ASSERTIONS)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(${target} PRIVATE -fcf-protection)
  endif()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_link_options(${target} PRIVATE -pie LINKER:-z,relro LINKER:-z,now LINKER:-z,noexecstack)
  endif()
endfunction()

# s2p_library(NAME SOURCES ... [DEPS ...] [PRIVATE_DEPS ...] [TORCH])
# Makes s2p_NAME, known as s2p::NAME. TORCH: precompiled LibTorch headers and the library.
function(s2p_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(s2p_${name} STATIC ${ARG_SOURCES})
  add_library(s2p::${name} ALIAS s2p_${name})
  target_include_directories(s2p_${name} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(s2p_${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
  s2p_set_warnings(s2p_${name})
  if(ARG_TORCH)
    s2p_use_torch(s2p_${name})
  endif()
endfunction()

# s2p_program(NAME SOURCES ... [DEPS ...] [TORCH])
function(s2p_program name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  s2p_set_warnings(${name})
  if(ARG_TORCH)
    s2p_use_torch(${name})
  endif()
endfunction()

# The headers of tensors and of the base of networks take about 15 s per translation unit, so they
# are precompiled once and shared. <torch/torch.h> would take 8 s more in each, precompiled or not.
function(s2p_use_torch target)
  if(NOT TARGET s2p_torch_headers)
    file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/torch_headers.cc"
      CONTENT "// Holds the precompiled LibTorch headers.\n")
    add_library(s2p_torch_headers OBJECT "${PROJECT_BINARY_DIR}/torch_headers.cc")
    target_link_libraries(s2p_torch_headers PUBLIC s2p::torch)
    target_precompile_headers(s2p_torch_headers PRIVATE
                               <torch/types.h> <torch/utils.h> <torch/nn/module.h>)
    # A precompiled header works only for code compiled with the same flags; gRPC adds -pthread and
    # newer versions of Abseil add NOMINMAX.
    target_compile_options(s2p_torch_headers PRIVATE -pthread -DNOMINMAX)
    s2p_set_warnings(s2p_torch_headers)
  endif()
  target_link_libraries(${target} PUBLIC s2p::torch)
  target_compile_options(${target} PRIVATE -pthread -DNOMINMAX)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    # The default, -fPIE, differs from the precompiled header's setting.
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${target} REUSE_FROM s2p_torch_headers)
endfunction()

# s2p_use_torch_parallel(TARGET SOURCE...)
# Lets the sources call at::parallel_for on several threads. LibTorch's header runs it on one in code
# that is compiled without OpenMP. The precompiled headers are, so these sources cannot use them.
function(s2p_use_torch_parallel target)
  target_link_libraries(${target} PRIVATE $<LINK_ONLY:OpenMP::OpenMP_CXX>)
  set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS ${OpenMP_CXX_FLAGS})
  set_source_files_properties(${ARGN} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
endfunction()

# Seconds after which a test counts as hung: far beyond its needs on a slow machine, and soon enough
# that a run of all tests names it. A sanitizer takes ten times as long, a slow test minutes.
set(S2P_TEST_SECONDS 900)
set(S2P_SLOW_TEST_SECONDS 3600)
if(S2P_SANITIZE)
  set(S2P_TEST_SECONDS ${S2P_SLOW_TEST_SECONDS})
endif()

# Tests and benchmarks compute with the BLAS kernels that the programs compute with.
function(s2p_choose_blas_kernels target)
  target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests/testing/blas_kernels.cc")
  target_link_libraries(${target} PRIVATE s2p::daemon)
endfunction()

# s2p_test(NAME SOURCES ... [DEPS ...] [TORCH] [LABELS ...] [ISOLATED SUITE...])
# A GoogleTest program, one ctest entry per suite: a process per case would load LibTorch or OpenCV
# for each, which takes longer than most cases. ISOLATED names suites whose cases need a process of
# their own, as they fork, take signals or measure the process; "*" stands for all.
function(s2p_test name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS;LABELS;ISOLATED" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name} PRIVATE "S2P_SOURCE_DIR=\"${PROJECT_SOURCE_DIR}\"")
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  s2p_set_warnings(${name})
  if(ARG_TORCH)
    s2p_use_torch(${name})
    s2p_choose_blas_kernels(${name})
  endif()

  set(properties TIMEOUT ${S2P_TEST_SECONDS})
  if("slow" IN_LIST ARG_LABELS)
    set(properties TIMEOUT ${S2P_SLOW_TEST_SECONDS})
  endif()
  if(ARG_LABELS)
    list(APPEND properties LABELS ${ARG_LABELS})
  endif()
  set(tests "${CMAKE_CURRENT_BINARY_DIR}/${name}_tests.cmake")
  set(include "${CMAKE_CURRENT_BINARY_DIR}/${name}_include.cmake")
  set(writer "${PROJECT_SOURCE_DIR}/cmake/S2pWriteTests.cmake")
  string(CONCAT content
    "if(NOT EXISTS [==[$<TARGET_FILE:${name}>]==])\n"
    "  add_test(${name}_NOT_BUILT ${name}_NOT_BUILT)\n"
    "  return()\n"
    "endif()\n"
    "foreach(source [==[$<TARGET_FILE:${name}>]==] [==[${include}]==] [==[${writer}]==])\n"
    "  if(NOT EXISTS [==[${tests}]==] OR \"\${source}\" IS_NEWER_THAN [==[${tests}]==])\n"
    "    include([==[${writer}]==])\n"
    "    s2p_write_tests(PROGRAM [==[$<TARGET_FILE:${name}>]==] OUT [==[${tests}]==]\n"
    "      ISOLATED ${ARG_ISOLATED} PROPERTIES ${properties})\n"
    "  endif()\n"
    "endforeach()\n"
    "include([==[${tests}]==])\n")
  file(GENERATE OUTPUT "${include}" CONTENT "${content}")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${include}")
endfunction()
