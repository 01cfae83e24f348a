// Which identities of an import are for testing, where its format does not say.
#ifndef S2P_TRAINER_IMPORT_IDENTITY_SPLIT_H_
#define S2P_TRAINER_IMPORT_IDENTITY_SPLIT_H_

#include <cstdint>
#include <optional>

#include "trainer/data/data_set.h"
#include "trainer/import/import_plan.h"

namespace s2p {

struct SplitOptions {
  uint64_t seed = 1;
  // Share of the identities, in [0, 1). Unset: a quarter, or as many as the set that is added to
  // has.
  std::optional<double> test_fraction;
};

// The functions below set the split of every image and the plan's split_reason. They depend on the
// names of the identities, on the options and on nothing else. Thread-safe.

// That share of the identities, rounded up, are for testing: those whose seeded hash is lowest.
void SplitByIdentity(const SplitOptions& options, Plan& plan);

// Identities that the set has stay in their split. Each new one is drawn by itself, so that images
// which are added one by one are split as if they were added together.
void SplitLikeSet(const DataSet& set, const SplitOptions& options, Plan& plan);

}  // namespace s2p

#endif  // S2P_TRAINER_IMPORT_IDENTITY_SPLIT_H_
