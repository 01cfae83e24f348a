// at::parallel_for, for sources that s2p_use_torch_parallel() (cmake/S2pTargets.cmake) names.
#ifndef S2P_MODEL_TORCH_PARALLEL_H_
#define S2P_MODEL_TORCH_PARALLEL_H_

#include <ATen/Parallel.h>

// Without OpenMP the header defines at::parallel_for as a plain loop, and says nothing.
#ifndef INTRA_OP_PARALLEL
#error "at::parallel_for would use one thread: give this source to s2p_use_torch_parallel()"
#endif

#endif  // S2P_MODEL_TORCH_PARALLEL_H_
