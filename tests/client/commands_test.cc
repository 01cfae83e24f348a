#include "client/commands/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "client/files.h"
#include "client/labelled_set.h"
#include "image/image.h"
#include "tests/client/fake_search_server.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;

// A data set whose sketch of identity i has the bytes of its photo, so that the fake server finds
// it; the gallery is empty.
class CommandsTest : public testing::Test {
 protected:
  CommandsTest() {
    ClientOptions options;
    options.server = server_.address();
    client_ = *SearchClient::Create(options);
    std::filesystem::create_directories(dir_.File("photo"));
    std::filesystem::create_directories(dir_.File("sketch"));
    std::string lines;
    for (int i = 0; i < 3; ++i) {
      for (const char* modality : {"photo", "sketch"}) {
        const std::string path = absl::StrCat(modality, "/", i, ".png");
        Write(path, *EncodePng(Image(8, 8, static_cast<uint8_t>(40 * i))));
        absl::StrAppend(&lines, "{\"path\":\"", path, "\",\"identity\":\"", i, "\",\"modality\":\"",
                        modality, "\",\"split\":\"test\"}\n");
      }
    }
    Write("dataset.json", R"({"format":1,"name":"shoes"})");
    Write("dataset.jsonl", lines);
  }

  void Write(const std::string& name, const std::string& bytes) {
    ASSERT_THAT(WriteFile(dir_.File(name), bytes), IsOk());
  }
  absl::Status AddDataSet() {
    GalleryAddOptions options;
    options.dataset = dir_.path();
    return RunGalleryAdd(*client_, options, out_, err_);
  }
  absl::Status Eval(EvalOptions options = {}) {
    out_.str("");
    options.dataset = dir_.path();
    options.json = true;
    return RunEval(*client_, options, out_);
  }

  test::FakeSearchServer server_;
  std::unique_ptr<SearchClient> client_;
  test::TempDir dir_;
  std::ostringstream out_, err_;
};

TEST_F(CommandsTest, AddSaysHowManyWereAdded) {
  ASSERT_THAT(AddDataSet(), IsOk());
  EXPECT_THAT(server_.photo_ids(), ElementsAre("0", "1", "2"));
  EXPECT_THAT(out_.str(), HasSubstr("3 added in "));
  ASSERT_THAT(AddDataSet(), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("0 added, 3 unchanged in "));
}

TEST_F(CommandsTest, RefusedPhotoIsNamedAndTheOthersAreAdded) {
  Write("photo/1.png", "bad");
  const absl::Status status = AddDataSet();
  EXPECT_THAT(std::string(status.message()), HasSubstr("1 of 3 photos were not added"));
  EXPECT_THAT(err_.str(), HasSubstr("photo/1.png: image: not an image (INVALID_ARGUMENT)"));
  EXPECT_THAT(server_.photo_ids(), ElementsAre("0", "2"));
}

TEST_F(CommandsTest, BadNameIsNamedBeforeAnythingIsSentAndTheOthersAreAdded) {
  GalleryAddOptions options;
  for (const char* name : {"in/a1.jpg", "in/caf\xE9.jpg", "in/z9.jpg"}) {
    std::filesystem::create_directories(dir_.File("in"));
    Write(name, "x");
  }
  options.paths = {dir_.File("in")};
  const absl::Status status = RunGalleryAdd(*client_, options, out_, err_);
  EXPECT_EQ(status.message(), "1 of 3 photos were not added");
  EXPECT_THAT(err_.str(),
              HasSubstr("in/caf\\xe9.jpg: the id: \"caf\\xe9\" is not UTF-8 text; rename"));
  EXPECT_THAT(server_.photo_ids(), ElementsAre("a1", "z9"));
}

TEST_F(CommandsTest, AddSaysHowManyWereSkipped) {
  std::filesystem::create_directories(dir_.File("in/@eaDir"));
  for (const char* name : {"in/a.jpg", "in/._a.jpg", "in/Thumbs.db"}) Write(name, "x");
  GalleryAddOptions options;
  options.paths = {dir_.File("in")};
  ASSERT_THAT(RunGalleryAdd(*client_, options, out_, err_), IsOk());
  EXPECT_EQ(err_.str(),
            "skipped 3 hidden, system or partly copied files and folders; name one to add it\n");
}

TEST_F(CommandsTest, IdThatTheServerWouldRefuseIsRefusedFirst) {
  server_.FailNextCall(absl::InternalError("was called"));
  GalleryGetOptions get;
  get.photo_id = "caf\xE9";
  SearchOptions search;
  search.like = {"caf\xE9"};
  const std::string words = ": \"caf\\xe9\" is not UTF-8 text";
  EXPECT_EQ(RunGalleryGet(*client_, get, out_).message(), "ID" + words);
  EXPECT_EQ(RunGalleryRemove(*client_, {"a", "caf\xE9"}, false, out_).message(), "ID" + words);
  EXPECT_EQ(RunSearch(*client_, search, out_).message(), "--like" + words);
}

TEST_F(CommandsTest, SearchSendsTheRequestedOptions) {
  ASSERT_THAT(AddDataSet(), IsOk());
  SearchOptions options;
  options.sketches = {dir_.File("sketch/1.png")};
  options.not_sketches = {dir_.File("sketch/2.png")};
  options.like = {"0"};
  options.k = 2;
  options.filters = {"identity=1"};
  options.attributes = {"boots:0.5..1"};
  options.min_score = 0.25F;
  ASSERT_THAT(RunSearch(*client_, options, out_), IsOk());
  const v1::SearchRequest request = server_.last_search();
  ASSERT_EQ(request.examples_size(), 3);
  EXPECT_EQ(request.examples(1).weight(), -1);
  EXPECT_EQ(request.examples(2).photo_id(), "0");
  EXPECT_EQ(request.top_k(), 2u);
  EXPECT_EQ(request.filter().metadata().at("identity"), "1");
  EXPECT_EQ(request.filter().attributes(0).name(), "boots");
  EXPECT_FLOAT_EQ(request.min_score(), 0.25F);
}

TEST_F(CommandsTest, SearchSendsEachColourWithTheWeight) {
  SearchOptions options;
  options.like = {"0"};
  options.colors = {"#c0392b", "ffffff"};
  ASSERT_THAT(RunSearch(*client_, options, out_), IsOk());
  v1::SearchRequest request = server_.last_search();
  ASSERT_EQ(request.color_preferences_size(), 2);
  EXPECT_EQ(request.color_preferences(0).color().rgb(), "#c0392b");
  EXPECT_FALSE(request.color_preferences(0).has_weight()) << "the server knows its default";
  EXPECT_EQ(request.color_preferences(1).color().rgb(), "#ffffff");
  options.color_weight = 0.5F;
  ASSERT_THAT(RunSearch(*client_, options, out_), IsOk());
  request = server_.last_search();
  EXPECT_FLOAT_EQ(request.color_preferences(1).weight(), 0.5F);
}

TEST_F(CommandsTest, SearchByColourPrintsWhatTheColourAdded) {
  ASSERT_THAT(AddDataSet(), IsOk());
  SearchOptions options;
  options.sketches = {dir_.File("sketch/1.png")};
  options.colors = {"c0392b"};
  out_.str("");
  ASSERT_THAT(RunSearch(*client_, options, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("rank   score    color  photo"));
  EXPECT_THAT(out_.str(), HasSubstr("   1  1.0000  +0.0000  1      "));
}

TEST_F(CommandsTest, SearchForABadColourNamesTheFlag) {
  SearchOptions options;
  options.like = {"0"};
  options.colors = {"red"};
  EXPECT_THAT(RunSearch(*client_, options, out_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--color red: expected")));
}

TEST_F(CommandsTest, SearchPrintsTheMatchesBestFirst) {
  ASSERT_THAT(AddDataSet(), IsOk());
  SearchOptions options;
  options.sketches = {dir_.File("sketch/1.png")};
  out_.str("");
  ASSERT_THAT(RunSearch(*client_, options, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("   1  1.0000  1      dataset=shoes identity=1 split=test\n"));
  EXPECT_THAT(out_.str(), HasSubstr("model version 7"));
}

TEST_F(CommandsTest, MontageIsAnImage) {
  ASSERT_THAT(AddDataSet(), IsOk());
  SearchOptions options;
  options.sketches = {dir_.File("sketch/1.png")};
  options.montage = dir_.File("out.png");
  ASSERT_THAT(RunSearch(*client_, options, out_), IsOk());
  EXPECT_THAT(DecodeImage(*ReadImageFile(options.montage)), IsOk());
}

TEST_F(CommandsTest, SearchForNothingIsRefused) {
  EXPECT_THAT(RunSearch(*client_, {}, out_), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(CommandsTest, ListFetchesAllPages) {
  ASSERT_THAT(AddDataSet(), IsOk());
  out_.str("");
  ASSERT_THAT(RunGalleryList(*client_, {}, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("\n2 "));
}

TEST_F(CommandsTest, OriginalIsWrittenWhole) {
  ASSERT_THAT(AddDataSet(), IsOk());
  GalleryGetOptions options;
  options.photo_id = "2";
  options.out_file = dir_.File("got.png");
  ASSERT_THAT(RunGalleryGet(*client_, options, out_), IsOk());
  EXPECT_EQ(*ReadImageFile(options.out_file), *ReadImageFile(dir_.File("photo/2.png")));
}

TEST_F(CommandsTest, ExportIsADataSetOfTheOriginals) {
  Write("named.png", "the bytes");
  GalleryAddOptions named;
  named.paths = {dir_.File("named.png")};
  named.metadata = {"identity=boot"};
  ASSERT_THAT(RunGalleryAdd(*client_, named, out_, err_), IsOk());
  ASSERT_THAT(AddDataSet(), IsOk());
  GalleryExportOptions options;
  options.folder = dir_.File("new/exported");
  out_.str("");
  ASSERT_THAT(RunGalleryExport(*client_, options, out_), IsOk());
  EXPECT_EQ(out_.str(), absl::StrCat("4 photos in ", options.folder, "\n"));
  const auto exported = ReadLabelledSet(options.folder, "train");
  ASSERT_THAT(exported, IsOk());
  std::vector<std::string> identities;
  for (const auto& image : exported->images) identities.push_back(image.identity);
  EXPECT_THAT(identities, ElementsAre("0", "1", "2", "boot"));
  const auto bytes_of = [&](size_t i) {
    return *ReadImageFile(absl::StrCat(options.folder, "/", exported->images[i].path));
  };
  EXPECT_EQ(bytes_of(2), *ReadImageFile(dir_.File("photo/2.png")));
  EXPECT_EQ(bytes_of(3), "the bytes");
  EXPECT_THAT(RunGalleryExport(*client_, options, out_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not an empty folder")));
}

TEST_F(CommandsTest, ExportThatFailsLeavesNothing) {
  GalleryExportOptions options;
  options.folder = dir_.File("new/exported");
  EXPECT_THAT(RunGalleryExport(*client_, options, out_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no photo to export")));
  EXPECT_FALSE(std::filesystem::exists(dir_.File("new")));
  ASSERT_THAT(AddDataSet(), IsOk());
  // Two pages of the list, and a photo, are answered.
  server_.FailNextCall(absl::PermissionDeniedError("not yours"), /*after=*/3);
  EXPECT_THAT(RunGalleryExport(*client_, options, out_),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_FALSE(std::filesystem::exists(dir_.File("new")));
}

TEST_F(CommandsTest, MissingPhotoIsNamedAfterTheOthersAreDeleted) {
  ASSERT_THAT(AddDataSet(), IsOk());
  const absl::Status status = RunGalleryRemove(*client_, {"0", "none"}, /*json=*/false, out_);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_THAT(server_.photo_ids(), ElementsAre("1", "2"));
}

TEST_F(CommandsTest, VersionShowsItsAccuracyBySketch) {
  ASSERT_THAT(RunModelStatus(*client_, /*json=*/false, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("rank-1 75.0 %"));
}

TEST_F(CommandsTest, FailedVersionShowsTheReason) {
  ASSERT_THAT(RunModelStatus(*client_, /*json=*/false, out_), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("version 8: weights.safetensors: sha256 differs"));
  EXPECT_THAT(out_.str(), HasSubstr("version 7 serves on cpu"));
}

TEST_F(CommandsTest, EvalOfAPerfectServerIsOne) {
  ASSERT_THAT(AddDataSet(), IsOk());
  ASSERT_THAT(Eval(), IsOk());
  EXPECT_EQ(out_.str(),
            "{\"queries\":3,\"gallery\":3,\"unmatched\":0,\"rank1\":1.0,\"rank5\":1.0,"
            "\"rank10\":1.0,\"rank20\":1.0,\"mAP\":1.0}\n");
}

TEST_F(CommandsTest, EvalCountsTheServersMistakes) {
  ASSERT_THAT(AddDataSet(), IsOk());
  Write("sketch/2.png", *EncodePng(Image(8, 8, 200)));  // Like no photo: its own ranks last.
  ASSERT_THAT(Eval(), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("\"rank1\":0.6666"));
  EXPECT_THAT(out_.str(), HasSubstr("\"rank5\":1.0"));
}

TEST_F(CommandsTest, QueryWithoutItsPhotoIsUnmatched) {
  ASSERT_THAT(AddDataSet(), IsOk());
  ASSERT_THAT(RunGalleryRemove(*client_, {"0"}, /*json=*/false, out_), IsOk());
  ASSERT_THAT(Eval(), IsOk());
  EXPECT_THAT(out_.str(), HasSubstr("{\"queries\":2,\"gallery\":2,\"unmatched\":1,"));
}

TEST_F(CommandsTest, EvalOfAGalleryWithoutTheDataSetIsRefused) {
  const absl::Status status = Eval();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("gallery add --dataset")));
}

TEST_F(CommandsTest, EvalDrawsTheRequestedRows) {
  ASSERT_THAT(AddDataSet(), IsOk());
  EvalOptions options;
  options.montage = dir_.File("out.png");
  options.montage_rows = 1;
  ASSERT_THAT(Eval(options), IsOk());
  const int one = DecodeImage(*ReadImageFile(options.montage))->height();
  options.montage_rows = 2;
  ASSERT_THAT(Eval(options), IsOk());
  EXPECT_GT(DecodeImage(*ReadImageFile(options.montage))->height(), one + 100);
}

}  // namespace
}  // namespace s2p
