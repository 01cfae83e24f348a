// From photos to a version, as s2p-trainer start makes it.
#include <gmock/gmock.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/image/image_bytes.h"
#include "tests/testing/status_matchers.h"
#include "tests/trainer/tiny_run.h"
#include "trainer/program/commands.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class StartTest : public TinyRunTest {
 protected:
  void SetUp() override {
    options_.photos = dir_.File("photos");
    options_.checkpoint_root = dir_.File("checkpoints");
    options_.device = "cpu";
    options_.threads = 1;
    options_.set = {"workers=0",       "photo.height=32", "photo.width=32",    "sketch.height=32",
                    "sketch.width=32", "step2.epochs=2",  "pseudo.per_photo=1"};
    fs::create_directories(options_.photos);
  }
  void TakePhotos() {
    fs::copy(fs::path(Target()) / "photo", options_.photos, fs::copy_options::recursive);
  }
  // Photos of one pixel.
  void WriteDots(int count) {
    for (int i = 0; i < count; ++i) {
      std::ofstream(absl::StrCat(options_.photos, "/", i, ".png"), std::ios::binary)
          << Png({1, 1, 8, 2}, {Bytes({static_cast<uint8_t>(i), 20, 30})});
    }
  }
  absl::Status Start(const std::function<bool()>& stop = [] { return false; }) {
    said_.str("");
    return RunStart(options_, stop, /*terminal=*/false, said_);
  }
  std::function<bool()> OnceItSays(const std::string& words) {
    return [this, words] { return absl::StrContains(said_.str(), words); };
  }
  // The spec of the run that has been prepared; empty if there is none.
  std::string SpecFile() const {
    std::error_code error;
    for (const auto& job : fs::directory_iterator(WorkFile("jobs"), error)) {
      std::ifstream file(job.path() / "spec.json");
      return {std::istreambuf_iterator<char>(file), {}};
    }
    return "";
  }
  std::string WorkFile(const std::string& name) const {
    return absl::StrCat(options_.checkpoint_root, "/day-one/", name);
  }

  StartOptions options_;
  std::ostringstream said_;
};

TEST_F(StartTest, InterruptedTrainingIsResumed) {
  TakePhotos();
  EXPECT_THAT(Start(OnceItSays("step 2, epoch 1/2")),
              StatusIs(absl::StatusCode::kCancelled, HasSubstr("run the same command again")));
  ASSERT_THAT(Start(), IsOk());
  EXPECT_THAT(said_.str(),
              AllOf(HasSubstr("images added: 0; "), HasSubstr("resuming from the last whole epoch"),
                    Not(HasSubstr("epoch 1/2")), HasSubstr("published as version 1")));
}

TEST_F(StartTest, StopWhilePhotosAreCopiedLeavesNoneAndSaysHowToResume) {
  TakePhotos();
  EXPECT_THAT(Start(OnceItSays("1 of 2")),
              StatusIs(absl::StatusCode::kCancelled,
                       AllOf(HasSubstr("stopped while images were read"),
                             HasSubstr("run the same command again to resume"))));
  EXPECT_FALSE(fs::exists(WorkFile("data")));
}

TEST_F(StartTest, StopWhilePhotosAreDrawnSaysHowToResume) {
  TakePhotos();
  EXPECT_THAT(
      Start(OnceItSays("2 of 2")),
      StatusIs(absl::StatusCode::kCancelled, HasSubstr("run the same command again to resume")));
}

TEST_F(StartTest, TooManyPhotosAreLearnedFromInPart) {
  WriteDots(1501);
  EXPECT_THAT(Start([&] { return !SpecFile().empty(); }), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(said_.str(), HasSubstr("learning from about 1500 of the 1501 photos"));
  EXPECT_THAT(SpecFile(), HasSubstr("\"pairFraction\": 0.9993"));
}

TEST_F(StartTest, PhotosThatPeopleHaveDrawnAreNotTooMany) {
  WriteDots(1501);
  ASSERT_THAT(Start(OnceItSays("2 of 2")), StatusIs(absl::StatusCode::kCancelled));
  ImportOptions drawn;
  drawn.format = "folder";
  drawn.root = dir_.File("drawn");
  drawn.out = WorkFile("data");
  drawn.add = true;
  fs::create_directories(drawn.root + "/sketch");
  fs::copy(options_.photos + "/7.png", drawn.root + "/sketch");
  ASSERT_THAT(ImportDataset(drawn), IsOk());
  EXPECT_THAT(Start(OnceItSays("2 of 2")), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(said_.str(), Not(HasSubstr("learning from about")));
}

TEST_F(StartTest, FractionThatIsAskedForIsKept) {
  WriteDots(1501);
  options_.set.push_back("pair_fraction=1");
  EXPECT_THAT(Start(OnceItSays("2 of 2")), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(said_.str(), Not(HasSubstr("learning from about")));
}

TEST_F(StartTest, CopiesAmongThePhotosAreRefusedNamingTheFlagEachTime) {
  WriteDots(3);
  options_.checkpoint_root = options_.photos + "/checkpoints";
  for (int run = 0; run < 2; ++run) {
    EXPECT_THAT(Start(), StatusIs(absl::StatusCode::kInvalidArgument,
                                  AllOf(HasSubstr("checkpoints/day-one/data: lies in "),
                                        HasSubstr("--work-dir, or another --checkpoint-root"))));
  }
  options_.work_dir = options_.photos + "/work";
  EXPECT_THAT(Start(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("elsewhere: with another --work-dir")));
  EXPECT_EQ(std::distance(fs::directory_iterator(options_.photos), {}), 3);
}

TEST_F(StartTest, FolderOfPhotosIsNotThatOfSketches) {
  options_.sketches = options_.photos + "/.";
  EXPECT_THAT(Start(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--sketches: ")));
}

TEST_F(StartTest, WrongFieldIsNamedBeforeAPhotoIsCopied) {
  WriteDots(3);
  options_.set.push_back("step2.learning_rate=-1");
  EXPECT_THAT(Start(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("step2.learning_rate: ")));
  EXPECT_FALSE(fs::exists(WorkFile("data")));
}

TEST_F(StartTest, CommandsThatAreNextHaveQuotedPaths) {
  options_.photos = dir_.File("my photos");
  options_.checkpoint_root = dir_.File("B\xc3\xbcro 7");
  fs::create_directories(options_.photos);
  TakePhotos();
  options_.set.push_back("step2.epochs=1");
  ASSERT_THAT(Start(), IsOk());
  EXPECT_THAT(said_.str(), AllOf(HasSubstr("--checkpoint-root '" + options_.checkpoint_root + "' "),
                                 HasSubstr("--id-from path '" + options_.photos + "'\n"),
                                 HasSubstr("--add --out '" + WorkFile("data") + "'\n")));
}

}  // namespace
}  // namespace s2p::test
