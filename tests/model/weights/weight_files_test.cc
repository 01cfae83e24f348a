#include "model/weights/weight_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "model/sha256.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

TensorBytes Value(char value) { return {TensorType::kU8, {1}, std::string(1, value)}; }

// ReadWeights, and that CheckWeights agrees with it without reading a tensor.
absl::StatusOr<TensorMap> Read(const std::string& path, const SafetensorsLimits& limits = {}) {
  absl::StatusOr<TensorMap> weights = ReadWeights(path, limits);
  EXPECT_EQ(CheckWeights(path, limits), weights.status());
  return weights;
}

// Tensors a and c in the first file, b in the second.
class WeightFilesTest : public testing::Test {
 protected:
  WeightFilesTest() {
    Write("w-1-of-2.safetensors", {{"a", Value('A')}, {"c", Value('C')}});
    Write("w-2-of-2.safetensors", {{"b", Value('B')}});
    WriteIndex(kIndex);
  }
  void Write(const std::string& name, const TensorMap& tensors) {
    ASSERT_THAT(WriteSafetensors(dir_.File(name), tensors), IsOk());
  }
  void WriteIndex(const std::string& text) {
    std::ofstream(index_, std::ios::binary | std::ios::trunc) << text;
  }
  // Writes the index with one part replaced.
  void ReplaceInIndex(const std::string& from, const std::string& to) {
    WriteIndex(absl::StrReplaceAll(kIndex, {{from, to}}));
  }

  const std::string kIndex =
      R"({"metadata": {"total_size": 3}, "weight_map": {"a": "w-1-of-2.safetensors",
          "b": "w-2-of-2.safetensors", "c": "w-1-of-2.safetensors"}})";
  TempDir dir_;
  const std::string index_ = dir_.File("w.safetensors.index.json");
};

TEST_F(WeightFilesTest, IndexGivesTheTensorsOfAllFiles) {
  const auto weights = Read(index_);
  ASSERT_THAT(weights, IsOk());
  EXPECT_EQ(weights->size(), 3u);
  EXPECT_EQ(weights->at("a").bytes, "A");
  EXPECT_EQ(weights->at("b").bytes, "B");
  EXPECT_EQ(weights->at("c").bytes, "C");
}

TEST_F(WeightFilesTest, FileWithoutIndexIsReadAlone) {
  const auto weights = Read(dir_.File("w-2-of-2.safetensors"));
  ASSERT_THAT(weights, IsOk());
  EXPECT_EQ(weights->size(), 1u);
  EXPECT_THAT(Read(dir_.File("none.safetensors")), StatusIs(StatusCode::kNotFound));
  EXPECT_THAT(Read(dir_.File("none.safetensors.index.json")), StatusIs(StatusCode::kNotFound));
}

TEST_F(WeightFilesTest, MissingFileIsNamed) {
  std::filesystem::remove(dir_.File("w-2-of-2.safetensors"));
  EXPECT_THAT(Read(index_), StatusIs(StatusCode::kNotFound, HasSubstr("w-2-of-2.safetensors")));
  EXPECT_THAT(WeightsDigest(index_),
              StatusIs(StatusCode::kNotFound, HasSubstr("w-2-of-2.safetensors")));
}

TEST_F(WeightFilesTest, TensorThatTheIndexDoesNotListIsNamed) {
  Write("w-2-of-2.safetensors", {{"b", Value('B')}, {"d", Value('D')}});
  EXPECT_THAT(Read(index_),
              StatusIs(StatusCode::kDataLoss, AllOf(HasSubstr("w-2-of-2.safetensors: tensor 'd'"),
                                                    HasSubstr("not in this file"))));
}

TEST_F(WeightFilesTest, TensorInAnotherFileThanListedIsNamed) {
  ReplaceInIndex(R"("c": "w-1)", R"("c": "w-2)");
  EXPECT_THAT(Read(index_),
              StatusIs(StatusCode::kDataLoss, HasSubstr("w-1-of-2.safetensors: tensor 'c'")));
}

TEST_F(WeightFilesTest, ListedTensorThatNoFileHasIsNamed) {
  Write("w-1-of-2.safetensors", {{"a", Value('A')}});
  EXPECT_THAT(Read(index_), StatusIs(StatusCode::kDataLoss,
                                     AllOf(HasSubstr("tensor 'c': is missing"),
                                           HasSubstr("w.safetensors.index.json lists it"))));
}

TEST_F(WeightFilesTest, FilesOutsideTheFolderAreRefused) {
  for (const char* name : {"../w-2-of-2.safetensors", "/etc/w.safetensors", "sub/w.safetensors",
                           "..", "", ".safetensors", ".hidden.safetensors", "w.bin",
                           "a\\\\w.safetensors", "w.safetensors\\u0000.safetensors"}) {
    ReplaceInIndex("w-2-of-2.safetensors", name);
    EXPECT_THAT(Read(index_), StatusIs(StatusCode::kInvalidArgument,
                                       HasSubstr("not a safetensors file in the index's folder")))
        << name;
    EXPECT_THAT(WeightsDigest(index_), StatusIs(StatusCode::kInvalidArgument)) << name;
  }
}

TEST_F(WeightFilesTest, IndexThatMakesNoSenseIsDataLoss) {
  for (const std::string text :
       {"", "{", "[]", "{}", R"({"weight_map": []})", R"({"weight_map": {}})",
        R"({"weight_map": {"a": 1}})", R"({"weight_map": {"a": ["w-1-of-2.safetensors"]}})"}) {
    WriteIndex(text);
    EXPECT_THAT(Read(index_),
                StatusIs(StatusCode::kDataLoss, HasSubstr("w.safetensors.index.json")))
        << text;
  }
  WriteIndex(kIndex + std::string(size_t{16} << 20, ' '));
  EXPECT_THAT(Read(index_), StatusIs(StatusCode::kDataLoss));
}

TEST_F(WeightFilesTest, TooManyFilesAreRefusedBeforeOneIsOpened) {
  std::string text = R"({"weight_map": {"t": "t.safetensors")";
  for (int i = 0; i < 1000; ++i) absl::StrAppend(&text, ", \"", i, "\": \"", i, ".safetensors\"");
  WriteIndex(text + "}}");
  EXPECT_THAT(Read(index_), StatusIs(StatusCode::kDataLoss, HasSubstr("more than 1000")));
}

TEST_F(WeightFilesTest, FilesTogetherAreWithinTheLimitOfOne) {
  const uint64_t first = std::filesystem::file_size(dir_.File("w-1-of-2.safetensors"));
  const uint64_t second = std::filesystem::file_size(dir_.File("w-2-of-2.safetensors"));
  SafetensorsLimits limits;
  limits.max_file_bytes = first + second;
  EXPECT_THAT(Read(index_, limits), IsOk());
  --limits.max_file_bytes;
  EXPECT_THAT(Read(index_, limits), StatusIs(StatusCode::kDataLoss, HasSubstr("above the limit")));
}

TEST_F(WeightFilesTest, FileWithoutIndexIsWithinTheLimit) {
  const std::string path = dir_.File("w-1-of-2.safetensors");
  SafetensorsLimits limits;
  limits.max_file_bytes = std::filesystem::file_size(path);
  EXPECT_THAT(Read(path, limits), IsOk());
  --limits.max_file_bytes;
  EXPECT_THAT(Read(path, limits), StatusIs(StatusCode::kDataLoss, HasSubstr("above the limit")));
}

// A hole, which takes no space on the disk.
TEST_F(WeightFilesTest, CheckRefusesMoreThan8GiB) {
  const std::string path = dir_.File("w-1-of-2.safetensors");
  std::error_code error;
  std::filesystem::resize_file(path, (uint64_t{8} << 30) + 1, error);
  if (error) GTEST_SKIP() << error.message();
  EXPECT_THAT(Read(path), StatusIs(StatusCode::kDataLoss, HasSubstr("above the limit")));
}

TEST_F(WeightFilesTest, DigestIsThatOfTheLinesOfSha256sum) {
  const auto line = [&](const std::string& name) {
    return absl::StrCat(*Sha256OfFile(dir_.File(name)), "  ", name, "\n");
  };
  const auto digest = WeightsDigest(index_);
  ASSERT_THAT(digest, IsOk());
  EXPECT_EQ(*digest, Sha256(line("w-1-of-2.safetensors") + line("w-2-of-2.safetensors") +
                            line("w.safetensors.index.json")));
  EXPECT_EQ(*WeightsDigest(dir_.File("w-2-of-2.safetensors")),
            *Sha256OfFile(dir_.File("w-2-of-2.safetensors")));
}

TEST_F(WeightFilesTest, DigestChangesWithEveryFile) {
  const std::string before = *WeightsDigest(index_);
  Write("w-2-of-2.safetensors", {{"b", Value('X')}});
  const std::string after = *WeightsDigest(index_);
  EXPECT_NE(before, after);
  WriteIndex(kIndex + " ");
  EXPECT_NE(*WeightsDigest(index_), after);
}

}  // namespace
}  // namespace s2p::test
