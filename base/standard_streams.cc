#include "base/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

namespace s2p {

void OpenStandardStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) != -1 || errno != EBADF) continue;
    // This is the lowest free number, since those below are open. It is opened for the opposite
    // direction, so that reads and writes fail.
    const int opened = open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (opened != stream && opened >= 0) close(opened);
  }
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
namespace {

// Initialisers of shared libraries open descriptors before main; these run before them. Sanitizers
// are not ready by then.
__attribute__((section(".preinit_array"),
               used)) void (*const kBeforeLibraries)() = &OpenStandardStreams;

}  // namespace
#endif

}  // namespace s2p
