// Variables that LibTorch's libraries read from the environment before main.
#ifndef S2P_DAEMON_LIBRARY_ENVIRONMENT_H_
#define S2P_DAEMON_LIBRARY_ENVIRONMENT_H_

namespace s2p {

// The functions below restart the program with further variables in its environment, and the same
// arguments and process id: the libraries read them once, before main, and offer no call to change
// them. A variable that is set already stays as it is. If the restart fails, the program runs
// without them.
//
// They are meant for the program's .preinit_array, which runs before the shared libraries start:
// LibTorch takes a second to start, and would do so twice. They therefore use nothing but system
// calls and plain memory, and take the arguments that the loader gives such functions. Nothing is
// restarted where the program is an argument of the loader; under valgrind set the variables by
// hand or use --trace-children=yes.

// Sets OPENBLAS_CORETYPE as BlasKernels says. OpenBLAS knows an Intel CPU by its model number, and
// gives one that is newer than itself the kernels of a Pentium 4: with Debian 12's, a matrix
// product on a Xeon of 2023 takes six times as long.
void ChooseBlasKernels(int argc, char** argv, char** environment);

// As ChooseBlasKernels, and makes OpenMP's threads sleep instead of spin while they wait, unless
// OMP_WAIT_POLICY or GOMP_SPINCOUNT is set. Spinning is a tenth faster if all cores are free. But
// if another process uses one of two cores, spinning threads keep the thread that they wait for off
// the other: next to another training, the demo took 49 minutes with spinning and takes 7 without.
void PrepareForTraining(int argc, char** argv, char** environment);

// Instructions of an x86 CPU that the kernels of OpenBLAS differ in. A value.
struct CpuFeatures {
  bool intel = false;
  // AVX2 and FMA.
  bool avx2 = false;
  // AVX-512 with F, CD, BW, DQ and VL.
  bool avx512 = false;
  bool avx512_bf16 = false;
};

CpuFeatures ThisCpu();

// The best kernels that OpenBLAS 0.3.21 has for these features, by their name in OPENBLAS_CORETYPE:
// Cooperlake, SkylakeX or Haswell. Null where the choice is better left to OpenBLAS: on CPUs
// without AVX2, and on those of other makers, where it goes by their features.
const char* BlasKernels(const CpuFeatures& cpu);

}  // namespace s2p

#endif  // S2P_DAEMON_LIBRARY_ENVIRONMENT_H_
