// First weights of the projection that keep what the pretrained features distinguish.
#ifndef S2P_TRAINER_START_PROJECTION_INIT_H_
#define S2P_TRAINER_START_PROJECTION_INIT_H_

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "model/dual_encoder.h"
#include "s2p/v1/training.pb.h"
#include "trainer/data/labelled_images.h"

namespace s2p {

// The images that the start is fitted to, as indices into each modality's images, ascending.
struct StartImages {
  std::vector<int> photos, sketches;
  // Identities with both among them, pseudo-sketches included.
  int pairs = 0;
};

inline constexpr int kMostStartImages = 1440;

// Chooses at most `most` images of each modality from those with these identities. All of them
// where they fit. Otherwise images of identities that have both come first, an identity at a time;
// what room is left is for the others. Both are drawn at random, and the same each time. The last
// `made` sketches are pseudo-sketches, which come after people's, the first of each identity, then
// the second of each, and so on; but sketches without a photo beyond an eighth of `most` come after
// them.
StartImages ChooseStartImages(const std::vector<int>& photo_labels,
                              const std::vector<int>& sketch_labels, int most = kMostStartImages,
                              int made = 0);

// Sets the projection to the directions of the pooled features that distinguish photos, as the
// training pairs show them: a linear discriminant analysis. The features of photos, of sketches and
// of pseudo-sketches, each less the mean of its kind, are brought to their principal components,
// twice as many as the embedding is long; there what a sketch and its photo differ in is whitened
// (trainer/start/pair_whitening.h), and the principal components of the result are kept, scaled so
// that photos vary as much as on that many components alone. Where there are fewer components (at
// most two less than images), the other rows are the axes of separable_axes.h less what the
// components have of them, so that an image that is not like those looked at is not lost.
// `embedding` is the spec's, whose grids say what the pooled values are.
//
// The means of photos and of sketches become the biases. Where there are fewer than five sketches
// of people, paired or not, the mean of pseudo-sketches stands in for theirs, in both places.
//
// Where there are both kinds of pairs, `human_share`, in (0, 1), is the weight of the differences
// of people's sketches to their photos in what is whitened, and the rest that of pseudo-sketches;
// at 0 every difference counts alike.
//
// Looks at the images of ChooseStartImages; unpaired ones count in the means and the components.
// Does nothing without a projection. ResourceExhausted, Internal.
absl::Status InitializeProjection(const LabelledImages& photos, const LabelledImages& sketches,
                                  const v1::TrainingSpec::EmbeddingSpec& embedding,
                                  DualEncoder& encoder, double human_share = 0);

// Sets the projection as InitializeProjection does with the one of `shares` that is best: whose
// encoder `judge` gives the highest number, the first of equals. Returns it. The features are
// computed once. Requires a share, and a projection. Cancelled within a batch of images, and before
// the next share, once `stop` is true; else errors as InitializeProjection, and the judge's.
absl::StatusOr<double> InitializeWithBestShare(
    const LabelledImages& photos, const LabelledImages& sketches,
    const v1::TrainingSpec::EmbeddingSpec& embedding, const std::vector<double>& shares,
    const std::function<absl::StatusOr<double>(DualEncoder&)>& judge, DualEncoder& encoder,
    const std::function<bool()>& stop = {});

}  // namespace s2p

#endif  // S2P_TRAINER_START_PROJECTION_INIT_H_
