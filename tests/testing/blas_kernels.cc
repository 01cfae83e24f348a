// The loader calls it before it starts the shared libraries, as in our programs.
#include "daemon/library_environment.h"

namespace {

using StartFunction = void (*)(int, char**, char**);
__attribute__((section(".preinit_array"), used)) const StartFunction choose_blas_kernels =
    s2p::ChooseBlasKernels;

}  // namespace
