#include "trainer/data/photo_triplets.h"

#include <gmock/gmock.h>

#include <cmath>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

namespace s2p::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

using Places = std::tuple<int, int, int>;

std::vector<Places> PlacesOf(const std::vector<PhotoTriplet>& triplets) {
  std::vector<Places> places;
  for (const PhotoTriplet& t : triplets) places.emplace_back(t.anchor, t.nearer, t.farther);
  return places;
}

// A photo in each of these directions of the plane, in degrees: the smaller the angle between two,
// the more similar they are.
PhotoTripletSampler Sampler(const std::vector<double>& degrees, int per_anchor) {
  EmbeddingMatrix embeddings(static_cast<int>(degrees.size()), 2);
  for (size_t i = 0; i < degrees.size(); ++i) {
    const double radians = degrees[i] * 3.14159265358979 / 180;
    embeddings.row(static_cast<int>(i))[0] = static_cast<float>(std::cos(radians));
    embeddings.row(static_cast<int>(i))[1] = static_cast<float>(std::sin(radians));
  }
  return PhotoTripletSampler(std::move(embeddings), per_anchor);
}

// Every triplet of four photos, and the twelve orders that are right: photo 0 is most similar to 1,
// then 2, then 3; photo 1 to 0, 2, 3; photo 2 to 1, 0, 3; photo 3 to 2, 1, 0.
TEST(PhotoTripletSamplerTest, AllLevelsOfSimilarityAreDrawnAlikeAndInTheOrderOfTheEmbeddings) {
  const std::vector<Places> all = {{0, 1, 2}, {0, 1, 3}, {0, 2, 3}, {1, 0, 2},
                                   {1, 0, 3}, {1, 2, 3}, {2, 1, 0}, {2, 1, 3},
                                   {2, 0, 3}, {3, 2, 1}, {3, 2, 0}, {3, 1, 0}};
  constexpr int kDraws = 3000;
  std::map<Places, int> drawn;
  for (const Places& places : PlacesOf(Sampler({0, 10, 30, 80}, kDraws).Draw({0, 1, 2, 3}, 1))) {
    ++drawn[places];
  }
  EXPECT_EQ(drawn.size(), all.size());
  // Five standard deviations of a third of the draws.
  for (const Places& places : all) EXPECT_NEAR(drawn[places], kDraws / 3, 130);
}

TEST(PhotoTripletSamplerTest, EachPhotoIsTheAnchorOfThatMany) {
  const auto triplets = Sampler({0, 10, 30, 80}, 2).Draw({0, 1, 2, 3}, 1);
  std::vector<int> anchors;
  for (const PhotoTriplet& triplet : triplets) anchors.push_back(triplet.anchor);
  EXPECT_THAT(anchors, ElementsAre(0, 0, 1, 1, 2, 2, 3, 3));
}

// The batch has photos 3, 0 and 2, at 80, 0 and 30 degrees.
TEST(PhotoTripletSamplerTest, PlacesAreThoseOfTheBatch) {
  EXPECT_THAT(PlacesOf(Sampler({0, 10, 30, 80}, 1).Draw({3, 0, 2}, 1)),
              ElementsAre(Places{0, 2, 1}, Places{1, 2, 0}, Places{2, 1, 0}));
}

TEST(PhotoTripletSamplerTest, DrawIsAFunctionOfTheSeed) {
  const PhotoTripletSampler sampler = Sampler({0, 10, 30, 80, 95}, 10);
  const auto draw = [&](uint64_t seed) { return PlacesOf(sampler.Draw({0, 1, 2, 3, 4}, seed)); };
  EXPECT_EQ(draw(7), draw(7));
  EXPECT_NE(draw(7), draw(8));
}

// Photos 1 and 2 are the same picture: R of eq. 2 is 1 where the distances are equal.
TEST(PhotoTripletSamplerTest, OfTwoEquallySimilarPhotosTheFirstOneDrawnIsTheNearer) {
  const auto triplets = Sampler({0, 20, 20}, 200).Draw({0, 1, 2}, 1);
  int first_is_1 = 0;
  for (const PhotoTriplet& t : triplets) first_is_1 += t.anchor == 0 && t.nearer == 1 ? 1 : 0;
  EXPECT_NEAR(first_is_1, 100, 40);
}

TEST(PhotoTripletSamplerTest, TwoPhotosMakeNoTriplet) {
  EXPECT_THAT(Sampler({0, 10, 30}, 10).Draw({0, 1}, 1), IsEmpty());
  EXPECT_THAT(Sampler({0, 10, 30}, 10).Draw({0, 1, 2}, 1), SizeIs(30));
}

}  // namespace
}  // namespace s2p::test
