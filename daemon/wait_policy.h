// The waiting of threads in a parallel loop: asleep or spinning.
#ifndef S2P_DAEMON_WAIT_POLICY_H_
#define S2P_DAEMON_WAIT_POLICY_H_

namespace s2p {

// Makes OpenMP's threads sleep instead of spin while they wait, unless the environment decides it
// (OMP_WAIT_POLICY, GOMP_SPINCOUNT). Spinning is a tenth faster if all cores are free. But if
// another process uses one of two cores, spinning threads keep the thread that they wait for off
// the other: next to another training, the demo took 49 minutes with spinning and takes 7 without.
//
// libgomp reads the policy once, before main, and offers no call to change it. So this restarts the
// program, with the same arguments and process id. If that fails, threads spin.
//
// Meant for the program's .preinit_array, which runs before the shared libraries start: LibTorch
// takes a second to start, and would do so twice. It therefore uses nothing but system calls and
// plain memory, and takes the arguments that the loader gives such functions.
void SleepWhileWaiting(int argc, char** argv, char** environment);

}  // namespace s2p

#endif  // S2P_DAEMON_WAIT_POLICY_H_
