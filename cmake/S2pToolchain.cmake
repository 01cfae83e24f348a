# Settings for every target: language, optimisation, sanitizers and the compiler cache.
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

find_program(S2P_CCACHE ccache)
if(S2P_CCACHE)
  # Precompiled headers need both the sloppiness and -fpch-preprocess (see ccache's manual).
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env
    "CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime"
    "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 ${S2P_CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)
  endif()
endif()

if(S2P_SANITIZE)
  add_compile_options(-fsanitize=${S2P_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${S2P_SANITIZE})
  if(S2P_SANITIZE STREQUAL "thread")
    # Headers of protobuf and Abseil lay out classes differently when they see this macro; the
    # system's libraries were built without it.
    add_compile_options(-U__SANITIZE_THREAD__)
  endif()
endif()

# s2p_harden() in S2pTargets.cmake. Level 3 also checks objects whose size is known only at run time.
set(S2P_HARDENED OFF)
if(CMAKE_BUILD_TYPE MATCHES "^(Release|RelWithDebInfo|MinSizeRel)$" AND NOT S2P_SANITIZE)
  set(S2P_HARDENED ON)
endif()
set(S2P_FORTIFY_LEVEL 2)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR
    (CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12))
  set(S2P_FORTIFY_LEVEL 3)
endif()
