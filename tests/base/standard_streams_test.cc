#include "base/standard_streams.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <initializer_list>

namespace s2p {
namespace {

// Whether `check` holds in a process that started with these descriptors closed.
bool HoldsWithClosed(std::initializer_list<int> closed, const std::function<bool()>& check) {
  const pid_t child = fork();
  if (child == 0) {
    for (const int stream : closed) close(stream);
    OpenStandardStreams();
    _exit(check() ? 0 : 1);
  }
  int status = -1;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(StandardStreamsTest, NextFileGetsANumberAboveThem) {
  for (const std::initializer_list<int>& closed :
       {std::initializer_list<int>{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 2}, {0, 1, 2}, {}}) {
    EXPECT_TRUE(HoldsWithClosed(closed, [] { return open("/dev/null", O_RDWR) > 2; }));
  }
}

TEST(StandardStreamsTest, ClosedStreamStillFails) {
  char byte = 0;
  EXPECT_TRUE(HoldsWithClosed({0, 1, 2}, [&] {
    return read(0, &byte, 1) == -1 && errno == EBADF && write(1, "x", 1) == -1 && errno == EBADF &&
           write(2, "x", 1) == -1 && errno == EBADF;
  }));
}

TEST(StandardStreamsTest, OpenStreamIsUnchanged) {
  EXPECT_TRUE(HoldsWithClosed({}, [] {
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[1], 1) != 1) return false;
    OpenStandardStreams();
    char byte = 0;
    return write(1, "x", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'x';
  }));
}

}  // namespace
}  // namespace s2p
