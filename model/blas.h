// Detects which linear algebra library the process uses.
#ifndef S2P_MODEL_BLAS_H_
#define S2P_MODEL_BLAS_H_

#include <string>

namespace s2p {

// True if the process's BLAS is the unoptimised reference implementation, with which a ResNet-50
// forward pass takes minutes instead of a tenth of a second; programs warn about it when they
// start. Fills `path` with the library's file (empty if there is none, as in a LibTorch that
// bundles its own). Debian's alternatives decide which library is used; libopenblas0-openmp is the
// one to install.
bool UsesReferenceBlas(std::string* path);

// The rule alone, for tests: Debian installs the reference BLAS as <libdir>/blas/libblas.so.3.*,
// all others elsewhere.
bool IsReferenceBlas(const std::string& resolved_path);

}  // namespace s2p

#endif  // S2P_MODEL_BLAS_H_
