// The standard streams of a process, which whoever starts it may have closed.
#ifndef S2P_BASE_STANDARD_STREAMS_H_
#define S2P_BASE_STANDARD_STREAMS_H_

namespace s2p {

// Opens each of the descriptors 0 to 2 that is closed, so that no file or socket gets its number
// and is written over by a log line. Reading and writing them still fail, so that a result that
// goes nowhere is noticed. First in main, before any thread; in a program that calls it, it also
// runs before the libraries are initialised, since these open files of their own.
void OpenStandardStreams();

}  // namespace s2p

#endif  // S2P_BASE_STANDARD_STREAMS_H_
