// Files for readers that take a path.
#ifndef S2P_TESTS_FUZZ_SCRATCH_FILE_H_
#define S2P_TESTS_FUZZ_SCRATCH_FILE_H_

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/string_view.h"
#include "base/check.h"

namespace s2p::fuzz {

// A folder of this process below TMPDIR, removed with the object. One thread only.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "s2p_fuzz_XXXXXX").string();
    S2P_CHECK(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::string& path() const { return path_; }

  // Replaces the content of a file and returns its path.
  std::string Write(const std::string& name, absl::string_view bytes) const {
    const std::string path = path_ + "/" + name;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    S2P_CHECK(file.good());
    return path;
  }

 private:
  std::string path_;
};

}  // namespace s2p::fuzz

#endif  // S2P_TESTS_FUZZ_SCRATCH_FILE_H_
