// Which program wrote a checkpoint.
#ifndef S2P_TRAINER_IHDA_BUILD_TEXT_H_
#define S2P_TRAINER_IHDA_BUILD_TEXT_H_

#include <string>

namespace s2p {

// "s2p-trainer 0.1.0, LibTorch 1.13.1".
std::string BuildText();

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_BUILD_TEXT_H_
