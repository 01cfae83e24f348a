#include "daemon/library_environment.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace s2p {
namespace {

constexpr int kAsExpected = 42;
constexpr int kNotRestarted = 43;
constexpr char kRestartedTest[] = "LibraryEnvironmentTest.HasWhatTheTestThatStartsItExpects";

using PrepareFunction = void (*)(int, char**, char**);

// Restarts this test program by `prepare` with these variables in its environment, and returns the
// exit code of kRestartedTest, or kNotRestarted.
int ExitCodeAfter(PrepareFunction prepare, std::vector<std::string> variables) {
  const pid_t child = fork();
  if (child == 0) {
    std::vector<std::string> arguments = {"test", std::string("--gtest_filter=") + kRestartedTest};
    variables.push_back("IS_RESTARTED=1");
    std::vector<char*> argv, environment;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    prepare(static_cast<int>(arguments.size()), argv.data(), environment.data());
    _exit(kNotRestarted);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

const char* KernelsOfThisCpu() {
  const char* const kernels = BlasKernels(ThisCpu());
  return kernels == nullptr ? "" : kernels;
}

// Compares its environment with what the test that started it has written into EXPECT_...
TEST(LibraryEnvironmentTest, HasWhatTheTestThatStartsItExpects) {
  if (Variable("IS_RESTARTED").empty()) return;
  const bool as_expected = Variable("OPENBLAS_CORETYPE") == Variable("EXPECT_OPENBLAS_CORETYPE") &&
                           Variable("OMP_WAIT_POLICY") == Variable("EXPECT_OMP_WAIT_POLICY");
  std::_Exit(as_expected ? kAsExpected : 1);
}

TEST(LibraryEnvironmentTest, ServerRestartsWithTheKernelsOfItsCpu) {
  const std::string kernels = KernelsOfThisCpu();
  EXPECT_EQ(ExitCodeAfter(ChooseBlasKernels, {"EXPECT_OPENBLAS_CORETYPE=" + kernels}),
            kernels.empty() ? kNotRestarted : kAsExpected);
}

TEST(LibraryEnvironmentTest, TrainerRestartsWithBothVariables) {
  EXPECT_EQ(ExitCodeAfter(PrepareForTraining,
                          {std::string("EXPECT_OPENBLAS_CORETYPE=") + KernelsOfThisCpu(),
                           "EXPECT_OMP_WAIT_POLICY=passive"}),
            kAsExpected);
}

TEST(LibraryEnvironmentTest, WhatIsSetStays) {
  EXPECT_EQ(ExitCodeAfter(ChooseBlasKernels, {"OPENBLAS_CORETYPE=Nehalem"}), kNotRestarted);
  EXPECT_EQ(ExitCodeAfter(PrepareForTraining, {"OPENBLAS_CORETYPE=Nehalem", "GOMP_SPINCOUNT=5"}),
            kNotRestarted);
  EXPECT_EQ(
      ExitCodeAfter(PrepareForTraining, {"OPENBLAS_CORETYPE=Nehalem", "OMP_WAIT_POLICY=active"}),
      kNotRestarted);
  EXPECT_EQ(ExitCodeAfter(PrepareForTraining,
                          {"OPENBLAS_CORETYPE=Nehalem", "EXPECT_OPENBLAS_CORETYPE=Nehalem",
                           "EXPECT_OMP_WAIT_POLICY=passive"}),
            kAsExpected);
}

TEST(BlasKernelsTest, FollowTheFeaturesOfIntelCpus) {
  const CpuFeatures xeon2023{true, true, true, true}, xeon2017{true, true, true, false},
      core2022{true, true, false, false}, nehalem{true, false, false, false},
      epyc{false, true, true, true};
  EXPECT_STREQ(BlasKernels(xeon2023), "Cooperlake");
  EXPECT_STREQ(BlasKernels(xeon2017), "SkylakeX");
  EXPECT_STREQ(BlasKernels(core2022), "Haswell");
  EXPECT_EQ(BlasKernels(nehalem), nullptr);
  EXPECT_EQ(BlasKernels(epyc), nullptr);
}

}  // namespace
}  // namespace s2p
