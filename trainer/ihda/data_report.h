// Warnings about the data and the start of a run, before hours are spent on it.
#ifndef S2P_TRAINER_IHDA_DATA_REPORT_H_
#define S2P_TRAINER_IHDA_DATA_REPORT_H_

#include <string>
#include <vector>

#include "s2p/v1/training.pb.h"
#include "trainer/ihda/training_data.h"

namespace s2p {

// One sentence each, the most surprising first; empty if there is nothing to report. They are about
// the images that the run trains on: attributes that are never, always, hardly ever or nearly
// always there or known for no photo (their head learns a constant); identities of the target that
// have one modality only (they are left out of step 2); a source most of whose photos belong to few
// identities, or whose identities have one photo only where step 1 wants pairs of them; stages
// that stay random because they are frozen. Where the projection is fitted to pairs
// (trainer/start/projection_init.h), the first sentence says how many. None of it stops a run.
std::vector<std::string> ReportData(const OpenDataSets& data_sets, const v1::TrainingSpec& spec);

}  // namespace s2p

#endif  // S2P_TRAINER_IHDA_DATA_REPORT_H_
