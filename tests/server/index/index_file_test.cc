#include "server/index/index_file.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

class IndexFileTest : public testing::Test {
 protected:
  IndexFileTest() {
    file_.set_model_version(3);
    file_.mutable_training()->set_kind("IVF4,Flat");
    file_.mutable_training()->set_dimension(8);
    file_.mutable_training()->set_faiss_index("bytes of another library");
    for (uint64_t digest : {5u, 6u, 9u}) file_.add_digests(digest);
    for (uint32_t list : {0u, 3u, 1u}) file_.add_lists(list);
  }
  std::string path() const { return dir_.File("index/3.index"); }
  void Write() { ASSERT_THAT(files_.Write(file_), IsOk()); }
  std::string Bytes() const {
    std::ifstream in(path(), std::ios::binary);
    std::ostringstream bytes;
    bytes << in.rdbuf();
    return bytes.str();
  }
  void Replace(const std::string& bytes) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes;
  }
  void ExpectDataLoss(const std::string& words) const {
    const absl::Status status = files_.Read(3).status();
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(path())));
    EXPECT_THAT(status.message(), HasSubstr(words));
  }

  test::TempDir dir_;
  const IndexFiles files_{dir_.File("index")};
  v1::IndexFile file_;
};

TEST_F(IndexFileTest, ReadsWhatWasWritten) {
  Write();
  const auto read = files_.Read(3);
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(MessageDifferencer::Equals(*read, file_));
}

TEST_F(IndexFileTest, SecondWriteTakesThePlaceOfTheFirst) {
  Write();
  file_.add_digests(10);
  file_.add_lists(2);
  Write();
  EXPECT_EQ(files_.Read(3)->digests_size(), 4);
}

TEST_F(IndexFileTest, MissingFileIsNotFound) {
  EXPECT_THAT(files_.Read(3), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(IndexFileTest, TruncationAnywhereIsDataLoss) {
  Write();
  const std::string bytes = Bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    Replace(bytes.substr(0, size));
    ASSERT_THAT(files_.Read(3), StatusIs(absl::StatusCode::kDataLoss)) << size;
  }
}

TEST_F(IndexFileTest, FlippedByteAnywhereIsRefused) {
  Write();
  const std::string bytes = Bytes();
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    Replace(damaged);
    ASSERT_FALSE(files_.Read(3).ok()) << at;
  }
}

TEST_F(IndexFileTest, FlippedBitOfTheBodyIsNamed) {
  Write();
  std::string bytes = Bytes();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  Replace(bytes);
  ExpectDataLoss("checksum differs");
}

TEST_F(IndexFileTest, NewerFormatIsRefusedWithItsNumber) {
  Write();
  std::string bytes = Bytes();
  bytes[8] = 2;
  Replace(bytes);
  const absl::Status status = files_.Read(3).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("format 2")));
}

TEST_F(IndexFileTest, FileOfAnotherVersionIsDataLoss) {
  file_.set_model_version(4);
  Write();
  std::filesystem::rename(dir_.File("index/4.index"), path());
  ExpectDataLoss("belongs to version 4");
}

TEST_F(IndexFileTest, DigestsWithoutListsAreDataLoss) {
  file_.add_digests(11);
  Write();
  ExpectDataLoss("differ in number");
}

TEST_F(IndexFileTest, DigestsOutOfOrderAreDataLoss) {
  file_.set_digests(0, 7);
  Write();
  ExpectDataLoss("digests");
}

TEST_F(IndexFileTest, OnlyTheVersionsThatAreKeptStay) {
  Write();
  file_.set_model_version(4);
  Write();
  Replace(Bytes());
  std::ofstream(dir_.File("index/notes.txt")) << "somebody's";
  files_.Keep({4, 9});
  EXPECT_THAT(files_.Read(3), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(files_.Read(4), IsOk());
  EXPECT_TRUE(std::filesystem::exists(dir_.File("index/notes.txt")));
}

}  // namespace
}  // namespace s2p
