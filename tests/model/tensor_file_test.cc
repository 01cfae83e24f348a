#include "model/tensor_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "model/file.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

class TensorFileTest : public testing::Test {
 protected:
  static TensorMap Example() {
    return {{"b.weight", {TensorType::kF32, {2, 1}, "abcdefgh"}},
            {"a.mask", {TensorType::kBool, {3}, std::string("\1\0\1", 3)}},
            {"c.count", {TensorType::kI64, {}, "12345678"}}};
  }
  // Writes the example, `step` bytes at a time.
  void Write(size_t step) {
    std::vector<SafetensorsEntry> entries;
    for (const auto& [name, tensor] : Example()) {
      entries.push_back({name, tensor.type, tensor.shape});
    }
    auto writer = TensorFileWriter::Create(path_, entries);
    ASSERT_THAT(writer, IsOk());
    for (const SafetensorsEntry& entry : writer->entries()) {
      const std::string bytes = Example().at(entry.name).bytes;
      for (size_t at = 0; at < bytes.size(); at += step) {
        ASSERT_THAT(writer->Append(bytes.substr(at, step)), IsOk());
      }
    }
    ASSERT_THAT(writer->Finish(), IsOk());
  }
  TempDir dir_;
  const std::string path_ = dir_.File("t.safetensors");
};

TEST_F(TensorFileTest, PiecesMakeTheFileThatIsWrittenWhole) {
  for (const size_t step : {1, 3, 100}) {
    Write(step);
    EXPECT_EQ(ReadWholeFile(path_, 1 << 20).value(), SerializeSafetensors(Example())) << step;
  }
}

TEST_F(TensorFileTest, EveryTensorIsReadBack) {
  Write(2);
  const auto file = TensorFile::Open(path_);
  ASSERT_THAT(file, IsOk());
  ASSERT_EQ(file->tensors().size(), 3u);
  for (const auto& [name, tensor] : Example()) {
    const SafetensorsEntry& entry = file->tensors().at(name);
    EXPECT_EQ(entry.shape, tensor.shape) << name;
    EXPECT_EQ(entry.type, tensor.type) << name;
    EXPECT_EQ(file->Read(entry).value(), tensor.bytes) << name;
  }
}

TEST_F(TensorFileTest, APartIsReadFromItsPlace) {
  Write(4);
  const auto file = TensorFile::Open(path_);
  ASSERT_THAT(file, IsOk());
  file->ExpectRandomReads();
  char part[3];
  ASSERT_THAT(file->ReadAt(file->tensors().at("b.weight").begin + 2, part, 3), IsOk());
  EXPECT_EQ(std::string(part, 3), "cde");
}

TEST_F(TensorFileTest, EveryTruncationIsDataLossThatNamesTheFile) {
  Write(8);
  for (auto size = std::filesystem::file_size(path_); size-- > 0;) {
    std::filesystem::resize_file(path_, size);
    EXPECT_THAT(TensorFile::Open(path_).status(),
                StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path_)))
        << size;
  }
}

TEST_F(TensorFileTest, FileThatIsCutWhileItIsOpenIsDataLoss) {
  Write(8);
  const auto file = TensorFile::Open(path_);
  ASSERT_THAT(file, IsOk());
  std::filesystem::resize_file(path_, 40);
  EXPECT_THAT(file->Read(file->tensors().at("a.mask")).status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("ends early")));
}

TEST_F(TensorFileTest, FileAboveTheLimitOfThoseThatAreReadWholeOpens) {
  // 9 GiB, all of it a hole.
  const uint64_t bytes = uint64_t{9} << 30;
  std::vector<SafetensorsEntry> entries = {{"x", TensorType::kU8, {static_cast<int64_t>(bytes)}}};
  PlaceTensors(entries);
  const std::string header = SerializeSafetensorsHeader(entries);
  std::ofstream(path_, std::ios::binary) << header;
  std::filesystem::resize_file(path_, header.size() + bytes);
  const auto file = TensorFile::Open(path_);
  ASSERT_THAT(file, IsOk());
  char last = 'x';
  ASSERT_THAT(file->ReadAt(bytes - 1, &last, 1), IsOk());
  EXPECT_EQ(last, '\0');
  EXPECT_THAT(ReadSafetensors(path_), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("limit")));
}

TEST_F(TensorFileTest, MissingFileIsNotFoundAndAFolderIsRefused) {
  EXPECT_THAT(TensorFile::Open(path_).status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(TensorFile::Open(dir_.path()).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace s2p::test
