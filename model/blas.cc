#include "model/blas.h"

#include <dlfcn.h>
#include <stdlib.h>

#include <filesystem>

namespace s2p {

bool IsReferenceBlas(const std::string& resolved_path) {
  const std::filesystem::path path(resolved_path);
  const std::string folder = path.parent_path().filename().string();
  return folder == "blas" && path.filename().string().rfind("libblas.so", 0) == 0;
}

bool UsesReferenceBlas(std::string* path) {
  path->clear();
  void* const symbol = dlsym(RTLD_DEFAULT, "sgemm_");
  Dl_info info{};
  if (symbol == nullptr || dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return false;
  char* const resolved = realpath(info.dli_fname, nullptr);
  if (resolved == nullptr) return false;
  *path = resolved;
  free(resolved);
  return IsReferenceBlas(*path);
}

}  // namespace s2p
