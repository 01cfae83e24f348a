#include "image/ink_tone.h"

#include <gtest/gtest.h>

namespace s2p {
namespace {

cv::Mat Pixel(const cv::Vec3b& colour) { return cv::Mat(1, 1, CV_8UC3, cv::Scalar(colour)); }

int ToneOf(const InkTone& tone, const cv::Vec3b& colour) {
  return tone.Of(Pixel(colour)).at<uint8_t>(0, 0);
}

TEST(InkToneTest, GreyIsItsOwnTone) {
  for (const int level : {0, 1, 128, 255}) {
    EXPECT_EQ(ToneOf(InkTone(), cv::Vec3b::all(static_cast<uint8_t>(level))), level);
  }
}

TEST(InkToneTest, PensAreAsDarkAsTheirDarkestChannel) {
  EXPECT_EQ(ToneOf(InkTone(), {230, 128, 25}), 25);
  EXPECT_EQ(ToneOf(InkTone(), {25, 153, 51}), 25);
  EXPECT_EQ(ToneOf(InkTone(), {40, 60, 200}), 40);
}

TEST(InkToneTest, ChannelsAreRelativeToTheGround) {
  const InkTone on_yellow = InkTone::OnGround({240, 200, 80});
  EXPECT_EQ(ToneOf(on_yellow, {240, 200, 80}), 240);
  // Half of the ground's red, 120, a quarter of its green, 60, and all of its blue.
  EXPECT_EQ(ToneOf(on_yellow, {120, 50, 80}), 60);
  // Lighter than the ground.
  EXPECT_EQ(ToneOf(on_yellow, {255, 255, 255}), 255);
}

TEST(InkToneTest, GreyGroundChangesNothing) {
  EXPECT_EQ(ToneOf(InkTone::OnGround(cv::Vec3b::all(180)), {90, 180, 170}), 90);
  EXPECT_EQ(ToneOf(InkTone::OnGround(cv::Vec3b::all(0)), {90, 180, 170}), 90);
}

TEST(InkToneTest, LightInkIsAsDarkAsItsLightestChannelIsLight) {
  EXPECT_EQ(ToneOf(InkTone::OfLightInk(), {240, 60, 40}), 15);
  EXPECT_EQ(ToneOf(InkTone::OfLightInk(), {30, 30, 30}), 225);
}

TEST(BorderColourTest, IsTheMedianOfEachChannel) {
  cv::Mat picture(64, 64, CV_8UC3, cv::Scalar(250, 240, 130));
  picture.row(0).colRange(0, 20).setTo(cv::Scalar(0, 0, 0));
  picture(cv::Rect(20, 20, 20, 20)).setTo(cv::Scalar(9, 9, 9));
  EXPECT_EQ(BorderColour(picture), cv::Vec3b(250, 240, 130));
}

TEST(IsColouredTest, AFifthOfTheInkIsEnough) {
  cv::Mat picture(10, 100, CV_8UC3, cv::Scalar(60, 60, 60));
  const cv::Mat ink(picture.size(), CV_8U, cv::Scalar(255));
  picture.colRange(0, 20).setTo(cv::Scalar(200, 30, 30));
  EXPECT_FALSE(IsColoured(picture, ink));
  picture.colRange(0, 21).setTo(cv::Scalar(200, 30, 30));
  EXPECT_TRUE(IsColoured(picture, ink));
}

TEST(IsColouredTest, TintsThatJpegLeavesAreNoColour) {
  const cv::Mat picture(10, 10, CV_8UC3, cv::Scalar(70, 60, 85));
  EXPECT_FALSE(IsColoured(picture, cv::Mat(picture.size(), CV_8U, cv::Scalar(255))));
}

TEST(IsColouredTest, ColourOfTheGroundDoesNotCount) {
  const cv::Mat picture(10, 10, CV_8UC3, cv::Scalar(255, 255, 200));
  EXPECT_FALSE(IsColoured(picture, cv::Mat::zeros(picture.size(), CV_8U)));
}

}  // namespace
}  // namespace s2p
