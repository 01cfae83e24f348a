#include "trainer/data/prepared_images.h"

#include <gmock/gmock.h>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/drawn_images.h"

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class MadeImagesTest : public DrawnImagesTest {
 protected:
  // Two images of each of `items`, of one grey value each: 10 * item, and one more.
  static MadeImages Made(int items) {
    MadeImages made;
    made.items = items;
    made.each = 2;
    made.make = [](int64_t item) {
      const auto grey = static_cast<uint8_t>(10 * item);
      return std::vector<Image>{Image(kWidth, kHeight, grey),
                                Image(kWidth, kHeight, static_cast<uint8_t>(grey + 1))};
    };
    return made;
  }
  absl::StatusOr<std::shared_ptr<const PreparedImages>> LoadWith(const MadeImages& made,
                                                                 UnreadableImages* unreadable) {
    const auto data_set = Open();
    EXPECT_THAT(data_set, IsOk());
    return PreparedImages::Load(*data_set, data_set->images(), Preprocessing(), 2, {}, unreadable,
                                {}, made);
  }
  static int GreyOf(const PreparedImages& images, int i) { return images.Read(i)->row(0)[0]; }
};

TEST_F(MadeImagesTest, FollowTheOthersInTheOrderOfTheirItems) {
  Write(2);
  const auto images = LoadWith(Made(3), nullptr);
  ASSERT_THAT(images, IsOk());
  ASSERT_EQ((*images)->size(), 8);
  std::vector<int> greys;
  for (int i = 2; i < 8; ++i) greys.push_back(GreyOf(**images, i));
  EXPECT_THAT(greys, ElementsAre(0, 1, 10, 11, 20, 21));
}

TEST_F(MadeImagesTest, CloseUpToAnUnreadableImageAndDoNotCountInItsShare) {
  Write(4);
  Break(1);
  UnreadableImages unreadable;
  unreadable.allowed_share = 0.25;
  const auto images = LoadWith(Made(1), &unreadable);
  ASSERT_THAT(images, IsOk());
  EXPECT_THAT(unreadable.left_out, ElementsAre(1));
  ASSERT_EQ((*images)->size(), 5);
  EXPECT_EQ(GreyOf(**images, 4), 1);
  unreadable.allowed_share = 0.2;
  EXPECT_THAT(LoadWith(Made(100), &unreadable),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 of 4 images")));
}

TEST_F(MadeImagesTest, ItemThatFailsFailsTheWhole) {
  Write(1);
  MadeImages made = Made(3);
  made.make = [](int64_t item) -> absl::StatusOr<std::vector<Image>> {
    return absl::DataLossError(absl::StrCat("item ", item));
  };
  made.items = 1;
  EXPECT_THAT(LoadWith(made, nullptr), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("item 0")));
}

}  // namespace
}  // namespace s2p::test
