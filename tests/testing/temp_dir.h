// A temporary folder for a test.
#ifndef S2P_TESTS_TESTING_TEMP_DIR_H_
#define S2P_TESTS_TESTING_TEMP_DIR_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace s2p::test {

// A new, empty folder with a unique name, which the destructor removes with its contents. Neither
// copied nor moved. Thread-compatible.
class TempDir {
 public:
  TempDir() {
    path_ = testing::TempDir() + "s2p_XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) {
      ADD_FAILURE() << "cannot make the folder " << path_;
      std::abort();
    }
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  // Absolute, without a trailing slash.
  const std::string& path() const { return path_; }
  // path() + "/" + name.
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_TESTING_TEMP_DIR_H_
