#include "daemon/library_environment.h"

#include <limits.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace s2p {
namespace {

bool IsSet(char* const* environment, const char* name) {
  const size_t length = std::strlen(name);
  for (; *environment != nullptr; ++environment) {
    if (std::strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') return true;
  }
  return false;
}

// At most two further variables, "NAME=value", that outlive the call.
struct FurtherVariables {
  char* variables[2] = {};
  size_t count = 0;
};

// Replaces the process; returns only if it cannot.
void Restart(char** argv, char** environment, const FurtherVariables& further) {
  if (further.count == 0) return;
  // Started as an argument of the loader: /proc/self/exe is the loader then, and has other flags.
  if (getauxval(AT_BASE) == 0) return;
  // The real path, as the kernel names the process after it.
  char program[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof(program));
  if (length <= 0 || static_cast<size_t>(length) == sizeof(program)) return;
  program[length] = '\0';

  size_t count = 0;
  while (environment[count] != nullptr) ++count;
  auto** extended = static_cast<char**>(std::malloc((count + further.count + 1) * sizeof(char*)));
  if (extended == nullptr) return;
  std::memcpy(extended, environment, count * sizeof(char*));
  std::memcpy(extended + count, further.variables, further.count * sizeof(char*));
  extended[count + further.count] = nullptr;
  execve(program, argv, extended);
  std::free(extended);
}

void AddBlasKernels(char* const* environment, FurtherVariables& further) {
  static char variable[64];
  const char* const kernels = BlasKernels(ThisCpu());
  if (kernels == nullptr || IsSet(environment, "OPENBLAS_CORETYPE")) return;
  std::snprintf(variable, sizeof(variable), "OPENBLAS_CORETYPE=%s", kernels);
  further.variables[further.count++] = variable;
}

void AddWaitPolicy(char* const* environment, FurtherVariables& further) {
  static char variable[] = "OMP_WAIT_POLICY=passive";
  for (const char* name : {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}) {
    if (IsSet(environment, name)) return;
  }
  further.variables[further.count++] = variable;
}

}  // namespace

void ChooseBlasKernels(int /*argc*/, char** argv, char** environment) {
  FurtherVariables further;
  AddBlasKernels(environment, further);
  Restart(argv, environment, further);
}

void PrepareForTraining(int /*argc*/, char** argv, char** environment) {
  FurtherVariables further;
  AddBlasKernels(environment, further);
  AddWaitPolicy(environment, further);
  Restart(argv, environment, further);
}

CpuFeatures ThisCpu() {
  CpuFeatures cpu;
#ifdef __x86_64__
  __builtin_cpu_init();
  cpu.intel = __builtin_cpu_is("intel");
  cpu.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  cpu.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
  cpu.avx512_bf16 = __builtin_cpu_supports("avx512bf16");
#endif
  return cpu;
}

const char* BlasKernels(const CpuFeatures& cpu) {
  if (!cpu.intel || !cpu.avx2) return nullptr;
  if (!cpu.avx512) return "Haswell";
  return cpu.avx512_bf16 ? "Cooperlake" : "SkylakeX";
}

}  // namespace s2p
