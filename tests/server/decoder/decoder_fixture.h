// Processes that decode, the real ones and those that do what a decoder must not.
#ifndef S2P_TESTS_SERVER_DECODER_DECODER_FIXTURE_H_
#define S2P_TESTS_SERVER_DECODER_DECODER_FIXTURE_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "image/image.h"
#include "server/decoder/decoder_pool.h"
#include "server/decoder/decoder_process.h"
#include "tests/image/image_bytes.h"

namespace s2p::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsSanitized = true;
#else
inline constexpr bool kIsSanitized = false;
#endif

inline DecoderProcessOptions RealDecoder() {
  DecoderProcessOptions options;
  options.program = S2P_DECODER;
  options.memory_bytes = DecoderMemory(ImageLimits());
  // A slow machine must not fail a test.
  options.max_decode_time = absl::Minutes(5);
  return options;
}

inline DecoderProcessOptions FakeDecoder() {
  DecoderProcessOptions options = RealDecoder();
  options.program = S2P_FAKE_DECODER;
  return options;
}

// An image of 2 x 2 pixels with an order for the fake decoder.
inline std::string Order(const std::string& order) {
  return Png({2, 2, 8, 0}, {Bytes({1, 2}), Bytes({3, 4})}, PngChunk("tEXt", order));
}

// An order with an image that does not fit into the memory that a decoder keeps.
inline std::string LargeOrder(const std::string& order) {
  return Png({1100, 1000, 8, 0}, std::vector<std::string>(1000, std::string(1100, '\0')),
             PngChunk("tEXt", order));
}

// A picture in which each pixel differs from its neighbours.
inline Image Pattern(int width, int height) {
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int i = 0; i < width * Image::kChannels; ++i) {
      image.row(y)[i] = static_cast<uint8_t>(i * 7 + y * 13);
    }
  }
  return image;
}

inline bool Exists(pid_t pid) { return kill(pid, 0) == 0 || errno != ESRCH; }

// The number behind `name` in /proc/PID/status.
inline int64_t StatusOfProcess(pid_t pid, const std::string& name) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/status"));
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) != 0) continue;
    std::istringstream words(line.substr(name.size() + 1));
    int64_t number = -1;
    words >> number;
    return number;
  }
  return -1;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_DECODER_DECODER_FIXTURE_H_
