// A process that can open no more files.
#ifndef S2P_TESTS_TESTING_NO_DESCRIPTORS_H_
#define S2P_TESTS_TESTING_NO_DESCRIPTORS_H_

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

namespace s2p::test {

// While it lives, nothing can be opened in this process: EMFILE. What is open keeps working. (A
// limit of 0 would also refuse every poll.)
class NoDescriptors {
 public:
  NoDescriptors() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &former_), 0);
    const int lowest_free = dup(STDERR_FILENO);
    EXPECT_GE(lowest_free, 0);
    close(lowest_free);
    const rlimit none = {static_cast<rlim_t>(lowest_free), former_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &former_), 0); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit former_ = {};
};

}  // namespace s2p::test

#endif  // S2P_TESTS_TESTING_NO_DESCRIPTORS_H_
