// Which linear algebra library the process runs on.
#ifndef S2P_MODEL_BLAS_H_
#define S2P_MODEL_BLAS_H_

#include <string>

namespace s2p {

// True if the process's BLAS is the unoptimised reference implementation, with which a ResNet-50
// forward pass takes minutes instead of a tenth of a second: a program says so when it starts.
// Fills `path` with the library's file (empty if there is none, as in a LibTorch that brings its
// own). Debian's alternatives decide which one it is; libopenblas0-openmp is the one to install.
bool UsesReferenceBlas(std::string* path);

// The rule by itself: Debian installs the reference BLAS as <libdir>/blas/libblas.so.3.*, all
// others elsewhere.
bool IsReferenceBlas(const std::string& resolved_path);

}  // namespace s2p

#endif  // S2P_MODEL_BLAS_H_
