// Deals cards into piles: the images of identities into batches.
#ifndef S2P_TRAINER_DATA_DEAL_CARDS_H_
#define S2P_TRAINER_DATA_DEAL_CARDS_H_

#include <cstddef>
#include <vector>

#include "trainer/data/random.h"

namespace s2p {

// Deals counts[i] cards of each i into `piles` piles in random order, no two of one i into the same
// pile; what an i has beyond one card a pile is not dealt. The sizes of the piles differ by at most
// one card. Requires a pile. Takes time in proportion to the cards and the piles: it draws fewer
// random numbers than there are i, cards and piles together.
std::vector<std::vector<size_t>> DealCards(const std::vector<size_t>& counts, size_t piles,
                                           Random& random);

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_DEAL_CARDS_H_
