// Background work that must not slow down what people wait for.
#ifndef S2P_DAEMON_THREAD_PRIORITY_H_
#define S2P_DAEMON_THREAD_PRIORITY_H_

namespace s2p {

// Gives the calling thread, and every thread that it starts later, about a third of the processor
// time of competing threads (Linux: a nice value of 5). Permanent. Does nothing if the system
// refuses.
void LowerThreadPriority();

}  // namespace s2p

#endif  // S2P_DAEMON_THREAD_PRIORITY_H_
