// Compares docs/checkpoint_format.md with the code: the worked example is read and written.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "model/checkpoint_store.h"
#include "model/file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;

class CheckpointFormatTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto text = ReadWholeFile(S2P_SOURCE_DIR "/docs/checkpoint_format.md", 1 << 20);
    ASSERT_THAT(text, IsOk());
    text_ = *text;
    weights_ = Undump(Block("hexdump"));
    manifest_ = Block("json");
    std::filesystem::create_directories(dir_.File("12"));
    std::ofstream(dir_.File("12/weights.safetensors"), std::ios::binary) << weights_;
    std::ofstream(dir_.File("12/manifest.json")) << manifest_;
  }

  // The content of the fenced block of this language.
  std::string Block(const std::string& language) {
    const std::string fence = absl::StrCat("\n```", language, "\n");
    const size_t begin = text_.find(fence);
    const size_t end = text_.find("\n```\n", begin + fence.size());
    if (begin == std::string::npos || end == std::string::npos) {
      ADD_FAILURE() << "no block of " << language;
      return "";
    }
    return text_.substr(begin + fence.size(), end - begin - fence.size() + 1);
  }

  // The bytes of a dump as `hexdump -C` prints it.
  static std::string Undump(const std::string& dump) {
    std::string bytes;
    std::istringstream lines(dump);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line.substr(0, line.find('|')));
      std::string word;
      words >> word;
      uint64_t offset = 0;
      EXPECT_TRUE(absl::SimpleHexAtoi(word, &offset)) << line;
      EXPECT_EQ(offset, bytes.size()) << line;
      while (words >> word) {
        uint32_t byte = 0;
        EXPECT_TRUE(absl::SimpleHexAtoi(word, &byte) && byte < 256) << line;
        bytes += static_cast<char>(byte);
      }
    }
    return bytes;
  }

  test::TempDir dir_;
  const CheckpointStore store_{dir_.path()};
  std::string text_;
  std::string weights_;
  std::string manifest_;
};

TEST_F(CheckpointFormatTest, WorkedExampleIsRead) {
  const auto checkpoint = store_.Read(12);
  ASSERT_THAT(checkpoint, IsOk());
  EXPECT_EQ(checkpoint->manifest.photo().work_size(), 0u);
  EXPECT_FALSE(checkpoint->manifest.sketch().measured_ground());
  const TensorBytes& counter = checkpoint->weights.at("neck.num_batches_tracked");
  EXPECT_EQ(counter.bytes, std::string("\3\0\0\0\0\0\0\0", 8));
  const TensorBytes& bias = checkpoint->weights.at("projection.photo_bias");
  EXPECT_EQ(bias.shape, std::vector<int64_t>{2});
  EXPECT_EQ(bias.bytes, std::string("\0\0\x80\x3F\0\0\0\xC0", 8));
}

TEST_F(CheckpointFormatTest, WorkedExampleIsWritten) {
  const auto checkpoint = store_.Read(12);
  ASSERT_THAT(checkpoint, IsOk());
  const CheckpointStore other(dir_.File("other"));
  std::filesystem::create_directories(other.DirectoryOf(11));
  ASSERT_EQ(other.Publish(checkpoint->manifest, checkpoint->weights).value_or(0), 12);
  const auto weights = ReadWholeFile(other.DirectoryOf(12) + "/weights.safetensors", 1 << 20);
  ASSERT_THAT(weights, IsOk());
  EXPECT_TRUE(*weights == weights_);
  const auto manifest = ReadWholeFile(other.DirectoryOf(12) + "/manifest.json", 1 << 20);
  ASSERT_THAT(manifest, IsOk());
  nlohmann::json written = nlohmann::json::parse(*manifest);
  const nlohmann::json documented = nlohmann::json::parse(manifest_);
  written["createdAt"] = documented["createdAt"];
  EXPECT_EQ(written, documented) << nlohmann::json::diff(documented, written);
}

}  // namespace
}  // namespace s2p
