#include "trainer/ihda/pseudo_pairs.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "trainer/data/random.h"
#include "trainer/pseudo/pseudo_sketch.h"

namespace s2p {

bool HasPseudoSketches(const v1::TrainingSpec& spec) { return spec.pseudo().per_photo() > 0; }

MadeImages PseudoSketchesOf(const DataSet& target, const std::vector<DataSetImage>& photos,
                            const v1::TrainingSpec& spec) {
  MadeImages made;
  if (!HasPseudoSketches(spec)) return made;
  made.items = static_cast<int64_t>(photos.size());
  made.each = static_cast<int>(spec.pseudo().per_photo());
  made.make = [&target, &photos, each = made.each, options = PseudoSketchOptions::Of(spec.pseudo()),
               seed = SeedOf(spec.seed(), RunStream::kPseudoSketches)](
                  int64_t item) -> absl::StatusOr<std::vector<Image>> {
    const DataSetImage& line = photos[static_cast<size_t>(item)];
    S2P_ASSIGN_OR_RETURN(const auto photo, target.Read(line));
    const PseudoSketcher sketcher(photo, options, SeedOf(seed, HashOf(line.path)));
    std::vector<Image> sketches;
    for (int i = 0; i < each; ++i) sketches.push_back(sketcher.Draw(i));
    return sketches;
  };
  return made;
}

absl::Status CheckCanMakePseudoSketches(const DataSet& target, const v1::TrainingSpec& spec) {
  if (!HasPseudoSketches(spec) || target.packed() == nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(target.folder(),
                   ": pseudo-sketches are made from the photos themselves, which a packed data set "
                   "does not have; name its folder, or set pseudo.per_photo to 0"));
}

}  // namespace s2p
