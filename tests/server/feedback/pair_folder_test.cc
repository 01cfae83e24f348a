#include "server/feedback/pair_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "model/sha256.h"
#include "tests/server/feedback/drawings.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/data/data_set.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class PairFolderTest : public testing::Test {
 protected:
  PairFolderTest() {
    sources_.photo = [](const ConfirmedPair& pair) { return PhotoOf(pair.photo_id); };
    sources_.sketch = [](const ConfirmedPair& pair) { return SketchOf(pair.feedback_id); };
    sources_.check_room = [](uint64_t) { return absl::OkStatus(); };
    sources_.on_left_out = [this](const ConfirmedPair& pair, const absl::Status&) {
      left_out_.push_back(pair.feedback_id);
    };
  }
  void SetUp() override { Reopen(); }
  void Reopen() {
    folder_.reset();
    auto opened = PairFolder::Open(path_, "store");
    ASSERT_THAT(opened, IsOk());
    folder_ = *std::move(opened);
  }
  static uint32_t SeedOf(const std::string& text) {
    return static_cast<uint32_t>(std::stoul(Sha256(text).substr(0, 7), nullptr, 16));
  }
  static std::string PhotoOf(const std::string& id) {
    return *EncodeJpeg(DrawingOf(SeedOf(id), 80));
  }
  static std::string SketchOf(const std::string& id) { return *EncodePng(DrawingOf(SeedOf(id))); }
  static ConfirmedPair Pair(const std::string& photo_id, const std::string& feedback_id) {
    ConfirmedPair pair;
    pair.feedback_id = feedback_id;
    pair.digest = Sha256(feedback_id);
    pair.sketch_bytes = SketchOf(feedback_id).size();
    pair.photo_id = photo_id;
    pair.photo_sha256 = Sha256(PhotoOf(photo_id));
    pair.photo_bytes = PhotoOf(photo_id).size();
    pair.photo_content_type = "image/jpeg";
    pair.identity = absl::StrCat("identity of ", photo_id);
    return pair;
  }
  void MustWrite(const std::vector<ConfirmedPair>& pairs) {
    ASSERT_THAT(folder_->Write(pairs, sources_), IsOk());
  }
  std::string Lines() const { return FileBytes(path_ + "/dataset.jsonl"); }
  // Paths of all files, below the folder.
  std::vector<std::string> Files() const {
    std::vector<std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(path_)) {
      if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), path_).string());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  TempDir dir_;
  const std::string path_ = dir_.File("pairs");
  PairFolder::Sources sources_;
  std::vector<std::string> left_out_;
  std::unique_ptr<PairFolder> folder_;
};

TEST_F(PairFolderTest, TrainerReadsWhatWasWritten) {
  MustWrite({Pair("a", "f1"), Pair("a", "f2"), Pair("b", "f3")});
  const auto data_set = DataSet::Open(path_);
  ASSERT_THAT(data_set, IsOk());
  EXPECT_EQ(data_set->name(), "feedback");
  std::vector<std::string> shown;
  for (const DataSetImage& image : data_set->images()) {
    EXPECT_EQ(image.split, "train");
    const bool is_photo = image.modality == v1::MODALITY_PHOTO;
    shown.push_back(absl::StrCat(is_photo ? "photo of " : "sketch of ", image.identity));
    EXPECT_THAT(data_set->Read(image), IsOk());
  }
  EXPECT_THAT(shown, ElementsAre("photo of identity of a", "sketch of identity of a",
                                 "sketch of identity of a", "photo of identity of b",
                                 "sketch of identity of b"));
  EXPECT_EQ(data_set->Read(data_set->images()[4])->pixels(), DrawingOf(SeedOf("f3")).pixels());
  EXPECT_EQ(FileBytes(data_set->PathOf(data_set->images()[3])), PhotoOf("b"));
  EXPECT_EQ(folder_->pairs(), 3);
}

TEST_F(PairFolderTest, OddIdsAndIdentitiesStayInsideTheFolder) {
  ConfirmedPair pair = Pair("../../etc/\"passwd\"", "..");
  pair.identity = "caf\xC3\xA9 \"1\"\\ \xF0\x9F\x91\x9E";
  MustWrite({pair});
  const auto data_set = DataSet::Open(path_);
  ASSERT_THAT(data_set, IsOk());
  EXPECT_EQ(data_set->images()[0].identity, pair.identity);
  EXPECT_THAT(Files(), SizeIs(5));
}

TEST_F(PairFolderTest, PairThatIsTakenOutLeavesNothing) {
  MustWrite({Pair("a", "f1"), Pair("b", "f2")});
  MustWrite({Pair("b", "f2")});
  EXPECT_THAT(FilesBelowWith(path_, PhotoOf("a").substr(100)), IsEmpty());
  EXPECT_THAT(FilesBelowWith(path_, SketchOf("f1").substr(50)), IsEmpty());
  EXPECT_THAT(FilesBelowWith(path_, "identity of a"), IsEmpty());
  EXPECT_THAT(DataSet::Open(path_)->images(), SizeIs(2));
}

TEST_F(PairFolderTest, FoldersThatOthersPutIntoItStayAndKeepNothingFromBeingRemoved) {
  MustWrite({Pair("a", "f1"), Pair("b", "f2")});
  for (const char* folder : {"/photo/@eaDir", "/sketch/.snapshot"}) {
    fs::create_directory(path_ + folder);
    std::ofstream(path_ + folder + "/file") << "theirs";
  }
  MustWrite({Pair("b", "f2")});
  EXPECT_THAT(FilesBelowWith(path_, SketchOf("f1").substr(50)), IsEmpty());
  EXPECT_THAT(FilesBelowWith(path_, "theirs"), SizeIs(2));
  EXPECT_THAT(DataSet::Open(path_)->images(), SizeIs(2));
}

TEST_F(PairFolderTest, WithoutPairsThereAreNoLines) {
  MustWrite({Pair("a", "f1")});
  MustWrite({});
  EXPECT_THAT(Files(), ElementsAre("dataset.json", "lock"));
  EXPECT_THAT(DataSet::Open(path_), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(PairFolderTest, SamePairsChangeNoFile) {
  MustWrite({Pair("a", "f1")});
  const auto before = fs::last_write_time(path_ + "/dataset.jsonl");
  int reads = 0;
  sources_.photo = sources_.sketch = [&reads](const ConfirmedPair&) {
    ++reads;
    return absl::StatusOr<std::string>(absl::InternalError("read again"));
  };
  Reopen();
  MustWrite({Pair("a", "f1")});
  EXPECT_EQ(fs::last_write_time(path_ + "/dataset.jsonl"), before);
  EXPECT_EQ(reads, 0);
}

TEST_F(PairFolderTest, PairWhoseBytesCannotBeReadIsLeftOutAndTheOthersAreThere) {
  sources_.sketch = [](const ConfirmedPair& pair) -> absl::StatusOr<std::string> {
    if (pair.feedback_id == "f1") return absl::DataLossError("damaged");
    return SketchOf(pair.feedback_id);
  };
  sources_.photo = [](const ConfirmedPair& pair) -> absl::StatusOr<std::string> {
    if (pair.photo_id == "b") return absl::NotFoundError("gone");
    return PhotoOf(pair.photo_id);
  };
  MustWrite({Pair("a", "f1"), Pair("a", "f2"), Pair("b", "f3"), Pair("b", "f4")});
  EXPECT_THAT(left_out_, ElementsAre("f1", "f3", "f4"));
  EXPECT_THAT(DataSet::Open(path_)->images(), SizeIs(2));
  EXPECT_EQ(folder_->pairs(), 1);
}

TEST_F(PairFolderTest, PairsAreTakenOutThoughThereIsNoRoomForOthers) {
  MustWrite({Pair("a", "f1"), Pair("b", "f2")});
  sources_.check_room = [](uint64_t) { return absl::ResourceExhaustedError("full"); };
  MustWrite({Pair("b", "f2"), Pair("c", "f3")});
  EXPECT_THAT(left_out_, ElementsAre("f3"));
  EXPECT_THAT(FilesBelowWith(path_, SketchOf("f1").substr(50)), IsEmpty());
  EXPECT_THAT(DataSet::Open(path_)->images(), SizeIs(2));
}

// A kill leaves pieces of every file that is being written, of any length.
TEST_F(PairFolderTest, HalfWrittenFilesOfAnyLengthAreNeverSeenAndRepaired) {
  MustWrite({Pair("a", "f1")});
  const std::string old_lines = Lines();
  MustWrite({Pair("a", "f1"), Pair("b", "f2")});
  const std::string lines = Lines();
  const std::vector<std::string> files = Files();
  std::map<std::string, std::string> bytes;
  for (const std::string& file : files) bytes[file] = FileBytes(path_ + "/" + file);
  for (size_t cut = 0; cut <= lines.size(); cut += 5) {
    std::ofstream(path_ + "/dataset.jsonl", std::ios::binary) << old_lines;
    for (const std::string& file : files) {
      if (file.find('/') == file.npos || old_lines.find(file) != old_lines.npos) continue;
      fs::remove(path_ + "/" + file);
      std::ofstream(path_ + "/" + file + ".tmp", std::ios::binary) << bytes[file].substr(0, cut);
    }
    std::ofstream(path_ + "/dataset.jsonl.tmp", std::ios::binary) << lines.substr(0, cut);
    ASSERT_THAT(DataSet::Open(path_), IsOk()) << cut;
    if (cut % 2 == 0) Reopen();
    MustWrite({Pair("a", "f1"), Pair("b", "f2")});
    ASSERT_EQ(Lines(), lines) << cut;
    ASSERT_EQ(Files(), files) << cut;
  }
}

TEST_F(PairFolderTest, LinesThatAKillKeptFromReplacingTheOldOnesAreRemovedWithoutNewOnes) {
  MustWrite({Pair("a", "f1")});
  const std::vector<std::string> files = Files();
  const std::string temporary = path_ + "/dataset.jsonl.tmp";
  std::ofstream(temporary) << Lines();
  Reopen();
  MustWrite({Pair("a", "f1")});
  EXPECT_EQ(Files(), files);
  std::ofstream(temporary) << Lines();
  MustWrite({});
  EXPECT_THAT(FilesBelowWith(path_, "identity of a"), IsEmpty());
}

TEST_F(PairFolderTest, StartThatWasCutShortIsTakenUp) {
  const std::string fresh = dir_.File("fresh");
  fs::create_directory(fresh);
  std::ofstream(fresh + "/dataset.json.tmp") << "{\"form";
  std::ofstream(fresh + "/lock");
  EXPECT_THAT(PairFolder::Open(fresh, "store"), IsOk());
}

TEST_F(PairFolderTest, ReaderFindsOldOrNewLinesWhileTheDataSetGrows) {
  MustWrite({Pair("000", "f000")});
  std::atomic<bool> ended = false;
  std::atomic<int> opened = 0;
  std::thread reader([&] {
    while (!ended) {
      const auto data_set = DataSet::Open(path_);
      ASSERT_THAT(data_set, IsOk());
      ASSERT_EQ(data_set->images().size() % 2, 0u);
      ++opened;
    }
  });
  std::vector<ConfirmedPair> pairs = {Pair("000", "f000")};
  for (int i = 1; i < 60 || (opened < 10 && i < 1000); ++i) {
    pairs.push_back(Pair(absl::StrCat("photo", i), absl::StrCat("f", i)));
    if (!folder_->Write(pairs, sources_).ok()) break;
  }
  ended = true;
  reader.join();
  EXPECT_EQ(DataSet::Open(path_)->images().size(), 2 * pairs.size());
}

TEST_F(PairFolderTest, LinesThatCannotBeReplacedStay) {
  MustWrite({Pair("a", "f1")});
  const std::string lines = Lines();
  fs::create_directories(path_ + "/dataset.jsonl.tmp/in the way");
  EXPECT_THAT(folder_->Write(std::vector{Pair("a", "f1"), Pair("b", "f2")}, sources_), Not(IsOk()));
  EXPECT_EQ(Lines(), lines);
  EXPECT_THAT(DataSet::Open(path_), IsOk());
  fs::remove_all(path_ + "/dataset.jsonl.tmp");
  MustWrite({Pair("a", "f1"), Pair("b", "f2")});
  EXPECT_THAT(DataSet::Open(path_)->images(), SizeIs(4));
}

TEST_F(PairFolderTest, FolderWithOtherFilesIsRefusedAndStaysAsItIs) {
  const std::string other = dir_.File("mine");
  fs::create_directory(other);
  std::ofstream(other + "/thesis.txt") << "keep me";
  EXPECT_THAT(PairFolder::Open(other, "store"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("it has thesis.txt")));
  EXPECT_THAT(FilesBelowWith(other, ""), SizeIs(1));
}

TEST_F(PairFolderTest, OtherDataSetIsRefused) {
  const std::string other = dir_.File("shoes");
  fs::create_directory(other);
  std::ofstream(other + "/dataset.json") << R"({"format": 1, "name": "shoes"})";
  EXPECT_THAT(PairFolder::Open(other, "store"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                         HasSubstr("no data set of feedback")));
}

TEST_F(PairFolderTest, DataSetOfAnotherStoreIsRefused) {
  MustWrite({Pair("a", "f1")});
  folder_.reset();
  EXPECT_THAT(PairFolder::Open(path_, "other"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another server's")));
  EXPECT_THAT(DataSet::Open(path_), IsOk());
}

TEST_F(PairFolderTest, NewerFormatIsRefused) {
  folder_.reset();
  std::ofstream(path_ + "/dataset.json")
      << R"({"format": 2, "name": "feedback", "store": "store"})";
  EXPECT_THAT(PairFolder::Open(path_, "store"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("format 2 is newer")));
}

TEST_F(PairFolderTest, FormatThatIsNoNumberOfAFormatIsRefused) {
  folder_.reset();
  for (const char* format : {"0", "-1", "0.5", "\"1\"", "\"text\"", "null", "[1]", "true"}) {
    std::ofstream(path_ + "/dataset.json")
        << R"({"format": )" << format << R"(, "name": "feedback", "store": "store"})";
    EXPECT_THAT(PairFolder::Open(path_, "store"),
                StatusIs(absl::StatusCode::kFailedPrecondition,
                         HasSubstr("dataset.json: format: is no number from 1 to 1")))
        << format;
  }
}

TEST_F(PairFolderTest, DamagedDescriptionIsRefused) {
  folder_.reset();
  std::ofstream(path_ + "/dataset.json") << "{\"format\": 1, \"sto";
  EXPECT_THAT(PairFolder::Open(path_, "store"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("dataset.json")));
}

TEST_F(PairFolderTest, DescriptionThatIsTooLongForOursIsRefused) {
  folder_.reset();
  std::ofstream(path_ + "/dataset.json") << std::string(2 << 20, ' ');
  EXPECT_THAT(PairFolder::Open(path_, "store"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                         HasSubstr("no data set of feedback")));
}

TEST_F(PairFolderTest, DescriptionThatTheDiskDoesNotShowIsAnErrorOfTheSystem) {
  MustWrite({Pair("a", "f1")});
  folder_.reset();
  fs::remove(path_ + "/dataset.json");
  fs::create_symlink("dataset.json", path_ + "/dataset.json");
  EXPECT_THAT(PairFolder::Open(path_, "store"),
              StatusIs(absl::StatusCode::kUnknown, HasSubstr("dataset.json: look at")));
}

TEST_F(PairFolderTest, SecondWriterIsRefused) {
  EXPECT_THAT(PairFolder::Open(path_, "store"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use by")));
}

}  // namespace
}  // namespace s2p::test
