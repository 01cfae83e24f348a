// Whether photos show their things from both sides, which decides if mirroring them is practice for
// what will be searched or a second task that nobody asks for.
#ifndef S2P_TRAINER_DATA_FACING_H_
#define S2P_TRAINER_DATA_FACING_H_

#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "image/image.h"

namespace s2p {

// Fewer photos say nothing about which way they face, and no more are looked at.
inline constexpr int kFewestToTellFacing = 8;
inline constexpr int kMostToTellFacing = 1000;

// Share of the photos, in [0, 1], that are closer to a photo of another identity when they are
// mirrored than as they are (a tie is not closer): 0 where all face one way, about a half where
// both ways are as common or where things are nearly symmetric. The distance is Euclidean over the
// grey means of 16 x 16 cells. `photo(i)` is the one of identities[i]; all are of one size, at
// least 16 x 16. More than kMostToTellFacing are divided into so many ranges, of each of which one
// is drawn, always the same. Nothing for fewer than kFewestToTellFacing.
std::optional<double> MirroredShare(const std::vector<int>& identities,
                                    absl::FunctionRef<Image(int)> photo);

// From which share on both ways count as common. Photos of which a tenth is mirrored give 0.2.
inline constexpr double kBothWaysShare = 0.25;

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_FACING_H_
