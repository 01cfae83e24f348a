// The standard streams of a process, which its parent may have closed.
#ifndef S2P_BASE_STANDARD_STREAMS_H_
#define S2P_BASE_STANDARD_STREAMS_H_

namespace s2p {

// Opens each of the descriptors 0 to 2 that is closed, so that no file or socket gets its number
// and is overwritten by a log line. Reads and writes still fail, so a lost result is noticed. Call
// it first in main, before any thread starts; in a program that calls it, it also runs before the
// libraries are initialised, since they open files of their own.
void OpenStandardStreams();

}  // namespace s2p

#endif  // S2P_BASE_STANDARD_STREAMS_H_
