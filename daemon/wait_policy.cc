#include "daemon/wait_policy.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace s2p {

void SleepWhileWaiting(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  // The real path, as the kernel names the process after it.
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (error || setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/1) != 0) return;
  execv(program.c_str(), argv);
}

}  // namespace s2p
