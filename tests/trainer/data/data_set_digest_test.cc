#include "trainer/data/data_set_digest.h"

#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "model/sha256.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/drawn_images.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;

class ImagesDigestTest : public DrawnImagesTest {
 protected:
  std::string Digest(int threads = 2) {
    const auto digest =
        ImagesDigest(*DataSet::Open(dir_.path(), ImageFiles::kMayBeMissing), threads);
    EXPECT_THAT(digest, IsOk());
    return *digest;
  }
};

TEST_F(ImagesDigestTest, PictureChangesItEvenIfSizeAndTimeStay) {
  Write(5);
  const std::string before = Digest();
  EXPECT_EQ(Digest(1), before);
  const fs::path picture = dir_.File(Name(3));
  const auto time = fs::last_write_time(picture);
  std::fstream(picture, std::ios::in | std::ios::out | std::ios::binary).seekp(-1, std::ios::end)
      << 'x';
  fs::last_write_time(picture, time);
  EXPECT_NE(Digest(), before);
}

TEST_F(ImagesDigestTest, TimesDoNotChangeIt) {
  Write(5);
  const std::string before = Digest();
  fs::last_write_time(dir_.File(Name(3)), fs::file_time_type::clock::now() - std::chrono::hours(9));
  EXPECT_EQ(Digest(), before);
}

TEST_F(ImagesDigestTest, MissingPictureChangesIt) {
  Write(5);
  const std::string before = Digest();
  fs::remove(dir_.File(Name(0)));
  EXPECT_NE(Digest(), before);
}

TEST_F(ImagesDigestTest, PictureThatCannotBeReadIsNamed) {
  Write(5);
  fs::remove(dir_.File(Name(3)));
  std::vector<std::string> unreadable;
  ASSERT_THAT(ImagesDigest(*DataSet::Open(dir_.path(), ImageFiles::kMayBeMissing), 2, {}, nullptr,
                           &unreadable),
              IsOk());
  EXPECT_THAT(unreadable, testing::ElementsAre(dir_.File(Name(3))));
}

TEST_F(ImagesDigestTest, CanBeStopped) {
  Write(5);
  EXPECT_THAT(ImagesDigest(*Open(), 2, [] { return true; }).status(),
              StatusIs(absl::StatusCode::kCancelled));
}

class DataSetDigestCacheTest : public testing::Test {
 protected:
  // Writes the file as of an hour ago, so that nobody doubts its time.
  void Write(const std::string& text, int hours_ago = 1) {
    std::ofstream(file_, std::ios::trunc) << text;
    fs::last_write_time(file_, fs::file_time_type::clock::now() - std::chrono::hours(hours_ago));
  }
  void ExpectRight() {
    const auto digest = cache_.Of(file_);
    ASSERT_THAT(digest, IsOk());
    EXPECT_EQ(*digest, *Sha256OfFile(file_));
  }
  TempDir dir_;
  const std::string file_ = dir_.File("packed.safetensors");
  DataSetDigestCache cache_;
};

TEST_F(DataSetDigestCacheTest, FileThatStaysIsReadOnce) {
  Write("one");
  for (int i = 0; i < 3; ++i) ExpectRight();
  EXPECT_EQ(cache_.reads(), 1);
}

TEST_F(DataSetDigestCacheTest, FileOfAnotherTimeOrSizeIsReadAgain) {
  Write("one");
  ExpectRight();
  Write("two", 2);
  ExpectRight();
  Write("four", 2);
  ExpectRight();
  EXPECT_EQ(cache_.reads(), 3);
}

TEST_F(DataSetDigestCacheTest, FileThatHasJustChangedIsReadEveryTime) {
  for (const char* text : {"one", "two", "ten"}) {
    std::ofstream(file_, std::ios::trunc) << text;
    ExpectRight();
  }
}

TEST_F(DataSetDigestCacheTest, FileThatIsReplacedUnderItsTimeIsReadAgain) {
  Write("one");
  ExpectRight();
  const auto time = fs::last_write_time(file_);
  const std::string other = dir_.File("other");
  std::ofstream(other) << "two";
  fs::last_write_time(other, time);
  fs::rename(other, file_);
  ExpectRight();
}

TEST_F(DataSetDigestCacheTest, LaterCacheRemembersFromAFile) {
  Write("one");
  const std::string memory = dir_.File("digests.json");
  ASSERT_THAT(DataSetDigestCache(memory).Of(file_), IsOk());
  DataSetDigestCache later(memory);
  EXPECT_EQ(*later.Of(file_), *Sha256OfFile(file_));
  EXPECT_EQ(later.reads(), 0);
  Write("two", 2);
  EXPECT_EQ(*later.Of(file_), *Sha256OfFile(file_));
  EXPECT_EQ(later.reads(), 1);
}

TEST_F(DataSetDigestCacheTest, DigestOfAFileThatIsGoneIsRemembered) {
  Write("one");
  const std::string memory = dir_.File("digests.json");
  const auto digest = DataSetDigestCache(memory).Of(file_);
  ASSERT_THAT(digest, IsOk());
  fs::remove(file_);
  DataSetDigestCache later(memory);
  EXPECT_THAT(later.OfFile(file_).status(), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(later.Remembered(file_), *digest);
  EXPECT_EQ(later.Remembered(dir_.File("nothing")), "");
}

TEST_F(DataSetDigestCacheTest, MemoryThatIsDamagedIsIgnored) {
  Write("one");
  for (const char* text : {"", "{", "[]", R"({"a":1,"b":{},"c":{"state":1,"sha256":2}})"}) {
    const std::string memory = dir_.File("digests.json");
    std::ofstream(memory, std::ios::trunc) << text;
    DataSetDigestCache cache(memory);
    EXPECT_EQ(*cache.Of(file_), *Sha256OfFile(file_)) << text;
    EXPECT_EQ(cache.reads(), 1) << text;
  }
}

TEST_F(DataSetDigestCacheTest, MemoryThatCannotBeWrittenIsNoError) {
  Write("one");
  DataSetDigestCache cache(dir_.File("nowhere/digests.json"));
  EXPECT_EQ(*cache.Of(file_), *Sha256OfFile(file_));
}

TEST_F(DataSetDigestCacheTest, NoFolderHasNoDigestAndAMissingOneIsNotFound) {
  EXPECT_EQ(*cache_.Of(""), "");
  EXPECT_THAT(cache_.Of(dir_.File("nothing")).status(), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace s2p::test
