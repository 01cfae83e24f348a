#include "server/gallery/best_matches.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>

namespace s2p {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class BestMatchesTest : public testing::Test {
 protected:
  // Offers an item whose cosine similarity to the query is `score`.
  void Offer(BestMatches& best, const std::string& photo_id, float score) {
    auto item = std::make_shared<GalleryItem>();
    item->photo_id = photo_id;
    const std::array<float, 2> embedding = {score, std::sqrt(1 - score * score)};
    best.Offer(item, embedding, {});
  }
  // The same, with one colour.
  void OfferInColour(BestMatches& best, const std::string& photo_id, float score,
                     const Lab& colour) {
    auto item = std::make_shared<GalleryItem>();
    item->photo_id = photo_id;
    item->colours = {{colour, 1}};
    const std::array<float, 2> embedding = {score, std::sqrt(1 - score * score)};
    best.Offer(item, embedding, {});
  }
  static std::vector<std::string> Ids(BestMatches& best) {
    std::vector<std::string> ids;
    for (const GalleryMatch& match : best.Take()) ids.push_back(match.item->photo_id);
    return ids;
  }
  static GallerySearchOptions Options(int top_k, float min_score = -1) {
    GallerySearchOptions options;
    options.top_k = top_k;
    options.min_score = min_score;
    return options;
  }

  const std::array<float, 2> query_ = {1, 0};
  const Lab red_ = {50, 60, 40};
  const Lab blue_ = {40, 10, -60};
};

TEST_F(BestMatchesTest, BestStayAndComeBestFirst) {
  BestMatches best(query_, Options(2));
  Offer(best, "b", 0.5f);
  Offer(best, "c", 0.25f);
  Offer(best, "a", 1);
  EXPECT_THAT(Ids(best), ElementsAre("a", "b"));
}

TEST_F(BestMatchesTest, TieGoesToTheSmallerIdInAnyOrder) {
  BestMatches best(query_, Options(1));
  for (const char* id : {"b", "a", "c"}) Offer(best, id, 0.5f);
  EXPECT_THAT(Ids(best), ElementsAre("a"));
}

TEST_F(BestMatchesTest, RowBelowMinScoreIsLeftOut) {
  BestMatches best(query_, Options(2, 0.4f));
  Offer(best, "a", 0.25f);
  EXPECT_THAT(Ids(best), IsEmpty());
}

TEST_F(BestMatchesTest, OnlyScoresUpToTheWorstKeptCanEnterOnceFull) {
  BestMatches best(query_, Options(1));
  EXPECT_TRUE(best.CanEnter(-1));
  Offer(best, "a", 0.5f);
  EXPECT_TRUE(best.CanEnter(0.5f));
  EXPECT_FALSE(best.CanEnter(0.25f));
}

TEST_F(BestMatchesTest, NoneAreKeptWhenNoneAreWanted) {
  BestMatches best(query_, Options(0));
  Offer(best, "a", 1);
  EXPECT_FALSE(best.CanEnter(1));
  EXPECT_THAT(Ids(best), IsEmpty());
}

TEST_F(BestMatchesTest, PreferredColourIsWorthItsWeightAtMost) {
  GallerySearchOptions options = Options(3);
  options.colours = {{red_, 0.25F}};
  BestMatches best(query_, options);
  OfferInColour(best, "blue", 0.75F, blue_);
  OfferInColour(best, "red", 0.625F, red_);
  OfferInColour(best, "far", 0.4375F, red_);
  const std::vector<GalleryMatch> matches = best.Take();
  ASSERT_EQ(matches.size(), 3u);
  EXPECT_EQ(matches[0].item->photo_id, "red");
  EXPECT_FLOAT_EQ(matches[0].score, 0.625F) << "the score stays the cosine";
  EXPECT_FLOAT_EQ(matches[0].colour_score, 0.25F);
  EXPECT_EQ(matches[1].item->photo_id, "blue");
  EXPECT_FLOAT_EQ(matches[1].colour_score, 0);
  EXPECT_EQ(matches[2].item->photo_id, "far");
}

TEST_F(BestMatchesTest, EachPreferenceAdds) {
  GallerySearchOptions options = Options(1);
  options.colours = {{red_, 0.25F}, {red_, 0.5F}, {blue_, 0.125F}};
  BestMatches best(query_, options);
  OfferInColour(best, "red", 0.5F, red_);
  EXPECT_FLOAT_EQ(best.Take().front().colour_score, 0.75F);
}

TEST_F(BestMatchesTest, UnknownColoursAgreeWithNothing) {
  GallerySearchOptions options = Options(2);
  options.colours = {{red_, 1}};
  BestMatches best(query_, options);
  Offer(best, "unknown", 0.5F);
  OfferInColour(best, "red", 0.25F, red_);
  EXPECT_THAT(Ids(best), ElementsAre("red", "unknown"));
}

TEST_F(BestMatchesTest, TieOfSumsGoesToTheSmallerId) {
  GallerySearchOptions options = Options(2);
  options.colours = {{red_, 0.25F}};
  BestMatches best(query_, options);
  OfferInColour(best, "b", 0.75F, blue_);
  OfferInColour(best, "a", 0.5F, red_);
  EXPECT_THAT(Ids(best), ElementsAre("a", "b"));
}

TEST_F(BestMatchesTest, MinScoreIsOfTheCosineAlone) {
  GallerySearchOptions options = Options(2, 0.5F);
  options.colours = {{red_, 1}};
  BestMatches best(query_, options);
  OfferInColour(best, "red", 0.25F, red_);
  EXPECT_THAT(Ids(best), IsEmpty());
}

TEST_F(BestMatchesTest, ColourIsLookedForAmongTwentyTimesAsManyAndTwoThousandAtLeast) {
  GallerySearchOptions options = Options(10);
  EXPECT_EQ(CandidatesOf(options), 10);
  options.colours = {{red_, 0.25F}};
  EXPECT_EQ(CandidatesOf(options), 2000);
  options.top_k = 1000;
  EXPECT_EQ(CandidatesOf(options), 20000);
}

}  // namespace
}  // namespace s2p
