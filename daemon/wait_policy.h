// How the threads of a parallel loop wait for one another.
#ifndef S2P_DAEMON_WAIT_POLICY_H_
#define S2P_DAEMON_WAIT_POLICY_H_

namespace s2p {

// Makes OpenMP's threads sleep while they wait, instead of spinning, unless the environment says
// how they wait (OMP_WAIT_POLICY, GOMP_SPINCOUNT). Where all cores are ours spinning is a tenth
// faster; where another process wants one of two, threads that spin keep the one that they wait for
// off the core: the demo took 49 minutes beside another training, and takes 7 beside as much.
//
// libgomp reads the policy once, before main, and has no call for it: so this starts the program
// again, with the same arguments and process id. Call it first in main. Where that fails, threads
// spin.
void SleepWhileWaiting(char** argv);

}  // namespace s2p

#endif  // S2P_DAEMON_WAIT_POLICY_H_
