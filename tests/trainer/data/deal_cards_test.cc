#include "trainer/data/deal_cards.h"

#include <gmock/gmock.h>

namespace s2p::test {
namespace {

using testing::SizeIs;
using testing::UnorderedElementsAre;

// The random numbers that have been drawn from `now`, which began as a copy of `then`; `most` if
// they are more.
size_t DrawnBetween(Random then, Random now, size_t most) {
  const uint64_t next = now.Bits();
  size_t drawn = 0;
  while (drawn < most && then.Bits() != next) ++drawn;
  return drawn;
}

TEST(DealCardsTest, PileHasNoTwoOfAKind) {
  Random random(1);
  const auto piles = DealCards({2, 2, 5}, 2, random);
  ASSERT_THAT(piles, SizeIs(2));
  for (const auto& pile : piles) EXPECT_THAT(pile, UnorderedElementsAre(0, 1, 2));
}

// The work is a fixed number of draws for each card, however many piles there are: dealing that
// shuffled the piles for each card would take hundreds of millions.
TEST(DealCardsTest, DrawsGrowLikeTheCards) {
  for (const size_t kinds : {25'000u, 50'000u, 100'000u}) {
    const size_t piles = kinds / 32, cards = 2 * kinds;
    const Random before(7);
    Random random = before;
    size_t dealt = 0;
    for (const auto& pile : DealCards(std::vector<size_t>(kinds, 2), piles, random)) {
      dealt += pile.size();
    }
    EXPECT_EQ(dealt, cards);
    const size_t most = kinds + cards + piles;
    EXPECT_LT(DrawnBetween(before, random, most), most) << kinds;
  }
}

}  // namespace
}  // namespace s2p::test
