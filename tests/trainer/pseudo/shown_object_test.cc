#include "trainer/pseudo/shown_object.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "trainer/data/random.h"

namespace s2p {
namespace {

using Colour = std::array<uint8_t, 3>;

void Fill(Image& image, int left, int top, int right, int bottom, const Colour& colour) {
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x)
      std::copy(colour.begin(), colour.end(), image.row(y) + 3 * x);
  }
}

// A box of 100 x 50 pixels on a ground of one colour.
Image BoxOn(const Colour& ground, const Colour& box) {
  Image photo(300, 200);
  Fill(photo, 0, 0, 300, 200, ground);
  Fill(photo, 30, 120, 130, 170, box);
  return photo;
}

TEST(FindObjectTest, GroundOfAnyColourIsCutAway) {
  for (const Colour& ground : {Colour{255, 255, 255}, Colour{20, 20, 20}, Colour{200, 180, 90}}) {
    const ShownObject object = FindObject(BoxOn(ground, {180, 30, 30}));
    EXPECT_TRUE(object.has_ground);
    const cv::Rect box = cv::boundingRect(object.mask);
    EXPECT_NEAR(box.width, 240, 4) << "three quarters of the square";
    EXPECT_NEAR(box.height, 120, 6);
    EXPECT_NEAR(box.x + box.width / 2.0, 160, 2);
    EXPECT_EQ(object.picture.at<cv::Vec3b>(5, 5), cv::Vec3b(255, 255, 255));
    EXPECT_EQ(object.picture.at<cv::Vec3b>(160, 160), cv::Vec3b(180, 30, 30));
  }
}

TEST(FindObjectTest, ColourOfEqualLightnessIsTold) {
  // Both have a luma of about 127.
  EXPECT_NEAR(cv::boundingRect(FindObject(BoxOn({127, 127, 127}, {255, 87, 0})).mask).width, 240,
              4);
}

TEST(FindObjectTest, SpeckDoesNotWidenTheCut) {
  Image photo = BoxOn({255, 255, 255}, {60, 60, 60});
  Fill(photo, 280, 10, 285, 15, {60, 60, 60});
  EXPECT_NEAR(cv::boundingRect(FindObject(photo).mask).height, 120, 6);
}

TEST(FindObjectTest, PhotoWithoutAPlainGroundIsTakenWhole) {
  Image photo(120, 90);
  Random random(7);
  for (int y = 0; y < 90; ++y) {
    for (int x = 0; x < 360; ++x) photo.row(y)[x] = static_cast<uint8_t>(random.Index(256));
  }
  const ShownObject object = FindObject(photo);
  EXPECT_FALSE(object.has_ground);
  EXPECT_EQ(cv::boundingRect(object.mask), cv::Rect(40, 70, 240, 180));
}

}  // namespace
}  // namespace s2p
