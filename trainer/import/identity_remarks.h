// Remarks on identities of an import that people should look at.
#ifndef S2P_TRAINER_IMPORT_IDENTITY_REMARKS_H_
#define S2P_TRAINER_IMPORT_IDENTITY_REMARKS_H_

#include "trainer/import/import_plan.h"

namespace s2p {

// The functions below are thread-safe.

// Adds to the plan's remarks: identities that people take for one another.
void RemarkTwins(Plan& plan);

// Adds to the plan's warnings: identities with so many photos that they may be several things. Ten
// or more that are a quarter of all photos, or ten times as many as the median identity has; or two
// or more photos of "IMG" and the like.
void WarnOfCrowds(Plan& plan);

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_IDENTITY_REMARKS_H_
