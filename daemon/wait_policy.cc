#include "daemon/wait_policy.h"

#include <limits.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace s2p {
namespace {

// Whether `variable`, "NAME=value", is one that decides the policy.
bool DecidesPolicy(const char* variable) {
  for (const char* name : {"OMP_WAIT_POLICY=", "GOMP_SPINCOUNT="}) {
    if (std::strncmp(variable, name, std::strlen(name)) == 0) return true;
  }
  return false;
}

}  // namespace

void SleepWhileWaiting(int /*argc*/, char** argv, char** environment) {
  size_t count = 0;
  for (; environment[count] != nullptr; ++count) {
    if (DecidesPolicy(environment[count])) return;
  }
  // The real path, as the kernel names the process after it.
  char program[PATH_MAX];
  const ssize_t length = readlink("/proc/self/exe", program, sizeof(program));
  if (length <= 0 || static_cast<size_t>(length) == sizeof(program)) return;
  program[length] = '\0';

  static char policy[] = "OMP_WAIT_POLICY=passive";
  auto** extended = static_cast<char**>(std::malloc((count + 2) * sizeof(char*)));
  if (extended == nullptr) return;
  std::memcpy(extended, environment, count * sizeof(char*));
  extended[count] = policy;
  extended[count + 1] = nullptr;
  execve(program, argv, extended);
  std::free(extended);
}

}  // namespace s2p
