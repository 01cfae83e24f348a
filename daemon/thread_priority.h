// Work in the background that must not slow down what people wait for.
#ifndef S2P_DAEMON_THREAD_PRIORITY_H_
#define S2P_DAEMON_THREAD_PRIORITY_H_

namespace s2p {

// From now on the calling thread, and every thread that it starts, gets about a third of the
// processor time of others that want it (Linux: a nice value of 5 for the thread). For good. Does
// nothing where the system refuses.
void LowerThreadPriority();

}  // namespace s2p

#endif  // S2P_DAEMON_THREAD_PRIORITY_H_
