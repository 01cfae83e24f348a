// How much people's sketches count next to pseudo-sketches.
#ifndef S2P_TRAINER_IHDA_HUMAN_SHARE_H_
#define S2P_TRAINER_IHDA_HUMAN_SHARE_H_

#include <cstdint>
#include <vector>

#include "s2p/v1/training.pb.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// With fewer held-back sketches than this, chance decides which share is best on them.
inline constexpr int64_t kLeastToChoose = 20;

// The share by the number of sketches alone: n / (n + 50), at most a quarter. More would pull the
// sketches of photos that nobody has drawn to those that somebody has (docs/lab/day_one.md).
double ShareByNumber(int64_t sketches);

// Sketches that people have drawn, and that are trained on with a photo.
int64_t PeoplesPairs(const TrainingData& data);

// The shares that a run may have, the one to take without a choice first: human_share of a resolved
// spec; or with choose_human_share that by number, and where kLeastToChoose sketches are held back
// up to five others. 0, which means that every sketch counts alike, where there is one kind of
// pairs.
std::vector<double> SharesToTry(const v1::TrainingSpec& spec, const TrainingData& data);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_HUMAN_SHARE_H_
