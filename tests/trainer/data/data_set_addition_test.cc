#include "trainer/data/data_set_addition.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace s2p::test {
namespace {

using testing::HasSubstr;

constexpr char kLine[] =
    R"({"path":"photo/1.jpg","identity":"1","modality":"photo","split":"train"})";

// A data set with the attribute "laces" and one line.
class DataSetAdditionTest : public testing::Test {
 protected:
  void SetUp() override {
    Write("dataset.json", R"({"format": 1, "name": "mine", "attributes": ["laces"]})");
    Write("dataset.jsonl", std::string(kLine) + "\n");
  }
  void Write(const std::string& name, const std::string& bytes) {
    std::ofstream(dir_.File(name), std::ios::binary) << bytes;
  }
  std::string Lines() {
    std::ifstream file(dir_.File("dataset.jsonl"), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  DataSet Open() {
    auto data_set = DataSet::Open(dir_.path(), ImageFiles::kMayBeMissing);
    EXPECT_THAT(data_set, IsOk());
    return *std::move(data_set);
  }
  static DataSetImage Photo(const std::string& name, std::vector<float> attributes = {}) {
    return {"photo/" + name + ".jpg", name, v1::MODALITY_PHOTO, "test", std::move(attributes)};
  }
  TempDir dir_;
};

TEST_F(DataSetAdditionTest, LinesAreAppendedToThoseThatStayAsTheyAre) {
  ASSERT_THAT(AddToDataSet(Open(), {Photo("2", {1}), Photo("3")}), IsOk());
  EXPECT_EQ(Lines().substr(0, sizeof(kLine)), std::string(kLine) + "\n");
  const DataSet data_set = Open();
  ASSERT_EQ(data_set.images().size(), 3u);
  EXPECT_EQ(data_set.images()[1].path, "photo/2.jpg");
  EXPECT_EQ(data_set.images()[1].attributes[0], 1);
  EXPECT_EQ(data_set.images()[2].split, "test");
}

TEST_F(DataSetAdditionTest, EndsOfLinesThatAnEditorWroteAreNoObstacle) {
  for (const char* start : {"", "\xef\xbb\xbf"}) {
    for (const char* end : {"", "\r\n", "\r"}) {
      Write("dataset.jsonl", std::string(start) + kLine + end);
      ASSERT_THAT(AddToDataSet(Open(), {Photo("2")}), IsOk());
      EXPECT_EQ(Open().images().size(), 2u);
    }
  }
}

TEST_F(DataSetAdditionTest, SetThatHasChangedSinceItWasOpenedIsLeftAlone) {
  const DataSet data_set = Open();
  Write("dataset.jsonl", std::string(kLine) + "\n\n");
  EXPECT_THAT(AddToDataSet(data_set, {Photo("2")}),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("was changed by another program")));
  EXPECT_EQ(Lines(), std::string(kLine) + "\n\n");
}

TEST_F(DataSetAdditionTest, NameThatIsNotUtf8IsRefusedAndNothingWritten) {
  EXPECT_THAT(AddToDataSet(Open(), {Photo("caf\xe9")}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not UTF-8")));
  EXPECT_EQ(Lines(), std::string(kLine) + "\n");
}

TEST_F(DataSetAdditionTest, OldLinesStayIfTheNewFileCannotBeWritten) {
  std::filesystem::create_directories(dir_.File("dataset.jsonl.tmp/in the way"));
  EXPECT_FALSE(AddToDataSet(Open(), {Photo("2")}).ok());
  EXPECT_EQ(Lines(), std::string(kLine) + "\n");
}

}  // namespace
}  // namespace s2p::test
