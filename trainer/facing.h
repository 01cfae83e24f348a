// Whether photos show their things from both sides, which decides if mirroring them is practice for
// what will be searched or a second task that nobody asks for.
#ifndef S2P_TRAINER_FACING_H_
#define S2P_TRAINER_FACING_H_

#include "absl/functional/function_ref.h"
#include "model/image.h"

namespace s2p {

// Share of the photos, in [0, 1], that are closer to some other photo when they are mirrored than
// as they are: 0 where all face one way, about a half where both ways are as common, or where
// things are symmetric. The distance is Euclidean over the grey means of 16 x 16 cells. `photo(i)`
// for i in [0, count) are of one size, at least 16 x 16. Looks at 1,000 of them at most, evenly
// spread; 0 for fewer than eight, which say nothing.
double MirroredShare(int count, absl::FunctionRef<const Image&(int)> photo);

// From which share on both ways count as common. Photos of which a tenth is mirrored give 0.2.
inline constexpr double kBothWays = 0.25;

}  // namespace s2p

#endif  // S2P_TRAINER_FACING_H_
