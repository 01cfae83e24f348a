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

}  // namespace
}  // namespace s2p
