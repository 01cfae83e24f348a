#include "server/gallery/new_item.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::StatusIs;
using testing::HasSubstr;

class NewItemTest : public testing::Test {
 protected:
  NewItemTest() {
    item_.photo_id = "a";
    item_.bytes = "bytes";
    item_.sha256 = "digest";
    item_.metadata = {{"k", "v"}};
    existing_ = *MakeGalleryItem(item_);
  }
  absl::StatusOr<AddResult> Decide() const { return DecideAdd(item_, &existing_, nullptr); }

  NewItem item_;
  GalleryItem existing_;
};

TEST_F(NewItemTest, FreeIdIsAdded) {
  EXPECT_EQ(*DecideAdd(item_, nullptr, nullptr), AddResult::kAdded);
}

TEST_F(NewItemTest, SameItemIsUnchangedWhateverOnConflictSays) {
  for (const OnConflict say : {OnConflict::kFail, OnConflict::kReplace, OnConflict::kSkip}) {
    item_.on_conflict = say;
    EXPECT_EQ(*Decide(), AddResult::kUnchanged);
  }
}

TEST_F(NewItemTest, DifferenceIsNamedAndFails) {
  item_.metadata.clear();
  EXPECT_THAT(Decide(), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("other metadata")));
  item_.modality = v1::MODALITY_SKETCH;
  EXPECT_THAT(Decide(), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("other modality")));
  item_.sha256 = "other";
  EXPECT_THAT(Decide(), StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("other bytes")));
}

TEST_F(NewItemTest, OnConflictDecidesAboutADifference) {
  item_.sha256 = "other";
  item_.on_conflict = OnConflict::kReplace;
  EXPECT_EQ(*Decide(), AddResult::kReplaced);
  item_.on_conflict = OnConflict::kSkip;
  EXPECT_EQ(*Decide(), AddResult::kSkipped);
}

}  // namespace
}  // namespace s2p
