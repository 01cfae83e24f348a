// Drawings for tests of feedback, and the bytes of folders.
#ifndef S2P_TESTS_SERVER_FEEDBACK_DRAWINGS_H_
#define S2P_TESTS_SERVER_FEEDBACK_DRAWINGS_H_

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "image/image.h"

namespace s2p::test {

// A white sheet with black marks that depend on `seed`.
inline Image DrawingOf(uint32_t seed, int side = 64) {
  Image image(side, side);
  uint32_t state = seed * 2654435761u + 1;
  for (int mark = 0; mark < 12; ++mark) {
    state = state * 1664525u + 1013904223u;
    const int x = static_cast<int>((state >> 8) % static_cast<uint32_t>(side - 8));
    const int y = static_cast<int>((state >> 20) % static_cast<uint32_t>(side - 8));
    for (int i = 0; i < 8 * Image::kChannels; ++i) image.row(y + mark % 8)[x * 3 + i] = 0;
    for (int i = 0; i < 8; ++i) image.row(y + i)[x * 3] = image.row(y + i)[x * 3 + 1] = 0;
  }
  return image;
}

inline std::string FileBytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

// Paths of the files below `folder` that contain `text`, in their names or bytes.
inline std::vector<std::string> FilesBelowWith(const std::string& folder, const std::string& text) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string path = entry.path().string();
    const bool has = FileBytes(entry.path()).find(text) != std::string::npos;
    if (has || path.find(text) != std::string::npos) paths.push_back(path);
  }
  return paths;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_FEEDBACK_DRAWINGS_H_
