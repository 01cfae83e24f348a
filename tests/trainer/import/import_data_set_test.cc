#include <string>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/import/import_fixture.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A data set with an attribute, a file name that is no identity, and all three splits.
class ImportDataSetTest : public ImportTest {
 protected:
  void SetUp() override {
    Write("dataset.json", R"({"format": 1, "name": "mine", "attributes": ["laces"]})");
    Write(
        "dataset.jsonl",
        R"({"path":"shop/a.jpg","identity":"1","modality":"photo","split":"train","attributes":{"laces":1}}
{"path":"drawn/a.jpg","identity":"1","modality":"sketch","split":"train"}
{"path":"shop/b.jpg","identity":"2","modality":"photo","split":"val"}
{"path":"shop/c.jpg","identity":"3","modality":"photo","split":"test"}
)");
    for (const char* path : {"shop/a.jpg", "drawn/a.jpg", "shop/b.jpg", "shop/c.jpg"}) {
      WriteJpg(path);
    }
  }
};

TEST_F(ImportDataSetTest, EverythingIsKept) {
  const auto summary = Import("data-set");
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->name, "mine");
  EXPECT_EQ(Read(Out("dataset.jsonl")), Read(Root("dataset.jsonl")));
  EXPECT_EQ(AttributesOf(Open(), "shop/a.jpg").at("laces"), 1);
}

TEST_F(ImportDataSetTest, TestFractionZeroPutsAllIdentitiesInTraining) {
  options_.test_fraction = "0";
  ASSERT_THAT(Import("data-set"), IsOk());
  EXPECT_THAT(IdentitiesOf(Open(), "train"), ElementsAre("1", "2", "3"));
}

TEST_F(ImportDataSetTest, BrokenImageIsNamed) {
  Write("shop/b.jpg", "");
  ExpectWrong("data-set", "shop/b.jpg: the image is empty");
}

TEST_F(ImportDataSetTest, FolderThatIsNoDataSetIsNotFound) {
  Remove("dataset.jsonl");
  ExpectMissing("data-set", "dataset.jsonl");
}

TEST_F(ImportDataSetTest, OtherFormatsTakeNoTestFraction) {
  options_.test_fraction = "0";
  ExpectWrong("qmul-shoes", "format qmul-shoes takes no test fraction");
}

}  // namespace
}  // namespace s2p::test
