#include "trainer/data/deal_cards.h"

#include <algorithm>

namespace s2p {

std::vector<std::vector<size_t>> DealCards(const std::vector<size_t>& counts, size_t piles,
                                           Random& random) {
  std::vector<size_t> order(counts.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  random.Shuffle(order);

  std::vector<std::vector<size_t>> dealt(piles);
  // Piles that lack a card of this round; a round gives each pile one.
  std::vector<size_t> waiting;
  std::vector<bool> has_card(piles, false);
  std::vector<size_t> given;
  for (const size_t i : order) {
    given.clear();
    while (given.size() < std::min(counts[i], piles)) {
      if (waiting.empty()) {
        for (size_t pile = 0; pile < piles; ++pile) waiting.push_back(pile);
        random.Shuffle(waiting);
        // The piles that have a card of i already are reached after it has none left.
        std::stable_partition(waiting.begin(), waiting.end(),
                              [&](size_t pile) { return has_card[pile]; });
      }
      const size_t pile = waiting.back();
      waiting.pop_back();
      dealt[pile].push_back(i);
      has_card[pile] = true;
      given.push_back(pile);
    }
    for (const size_t pile : given) has_card[pile] = false;
  }
  return dealt;
}

}  // namespace s2p
