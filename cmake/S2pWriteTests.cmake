# Read by ctest, not by CMake's configuration: tells ctest which suites a GoogleTest program has.

# s2p_write_tests(PROGRAM FILE OUT FILE [ISOLATED SUITE...] [PROPERTIES ...])
# Asks PROGRAM for its tests and writes OUT: one test for each suite, and one for each case of the
# suites that ISOLATED names ("*" stands for all).
function(s2p_write_tests)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "" "PROGRAM;OUT" "ISOLATED;PROPERTIES")
  execute_process(COMMAND "${ARG_PROGRAM}" --gtest_list_tests
    OUTPUT_VARIABLE listed RESULT_VARIABLE result TIMEOUT 600)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARG_PROGRAM} does not list its tests: ${result}\n${listed}")
  endif()
  # Values of parameters follow behind #; characters of theirs have a meaning in lists.
  string(REGEX REPLACE "#[^\n]*" "" listed "${listed}")
  string(REGEX REPLACE "[][;]" "" listed "${listed}")
  string(REPLACE "\n" ";" lines "${listed}")

  set(script "")
  foreach(line IN LISTS lines)
    if(line MATCHES "^([^ ]+)\\. *$")
      set(suite "${CMAKE_MATCH_1}")
      # Without IN_LIST, which ctest knows only under a policy that it does not set.
      list(FIND ARG_ISOLATED "*" all)
      list(FIND ARG_ISOLATED "${suite}" named)
      set(isolated ON)
      if(all EQUAL -1 AND named EQUAL -1)
        set(isolated OFF)
        s2p_test_line("${suite}" "${suite}.*")
      endif()
    elseif(isolated AND line MATCHES "^  ([^ ]+) *$")
      s2p_test_line("${suite}.${CMAKE_MATCH_1}" "${suite}.${CMAKE_MATCH_1}")
    endif()
  endforeach()
  file(WRITE "${ARG_OUT}" "${script}")
endfunction()

# Appends one test to the caller's `script`. It counts as skipped if no case passed and none failed.
macro(s2p_test_line name filter)
  string(APPEND script "add_test([==[${name}]==] [==[${ARG_PROGRAM}]==] [==[--gtest_filter=${filter}]==])\n"
    "set_tests_properties([==[${name}]==] PROPERTIES SKIP_REGULAR_EXPRESSION "
    "[==[\\[  PASSED  \\] 0 tests\\.\n(\\[  SKIPPED \\] [^\n]*\n)+$]==]")
  foreach(word IN LISTS ARG_PROPERTIES)
    string(APPEND script " [==[${word}]==]")
  endforeach()
  string(APPEND script ")\n")
endmacro()
