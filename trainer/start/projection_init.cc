#include "trainer/start/projection_init.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "model/torch_version.h"
#include "trainer/data/random.h"
#include "trainer/evaluation/image_batch.h"
#include "trainer/start/pair_whitening.h"
#include "trainer/start/separable_axes.h"

namespace s2p {
namespace {

constexpr size_t kBatch = 64;
// Chosen on QMUL-Shoes (docs/lab/qmul_shoes_folds.md): half or twice as much differs little.
constexpr double kShrinkage = 1;
// With fewer differences than this between sketches and photos the shrinkage of the further axes
// grows as their number falls (docs/lab/few_pairs.md).
constexpr double kFewDifferences = 50;
// Principal components that the directions are chosen among, as a multiple of their number.
constexpr int64_t kWider = 2;
// Components with a smaller share of the largest one's variance are rounding: float32 features,
// whose products are summed in double.
constexpr double kLeastVariance = 1e-10;
// Seed of the sample of images.
constexpr uint64_t kSeed = 1440;

// Fewer sketches than this say less about the mean of all than pseudo-sketches do.
constexpr int64_t kLeastDrawn = 5;

struct Features {
  // [n, pooled], float64 on the CPU, less the mean of their kind; `mean` [pooled] is that of the
  // images that the network will see.
  torch::Tensor centred, mean;
  std::vector<int> labels;
  // The first rows, this many, are no pseudo-sketches.
  int64_t drawn = 0;
};

// Takes its mean [pooled] off `rows` [n, pooled].
torch::Tensor Centre(torch::Tensor rows) {
  const torch::Tensor mean = rows.mean(0);
  rows.sub_(mean);
  return mean;
}

absl::Status CheckStop(const std::function<bool()>& stop) {
  if (!stop || !stop()) return absl::OkStatus();
  return absl::CancelledError("stopped while the projection was fitted");
}

absl::StatusOr<Features> FeaturesOf(const LabelledImages& labelled, const std::vector<int>& chosen,
                                    v1::Modality modality, DualEncoder& encoder,
                                    const std::function<bool()>& stop) {
  const torch::Device device = encoder.parameters()[0].device();
  const PreparedImages& images = *labelled.images;
  std::vector<torch::Tensor> parts;
  const size_t count = chosen.size();
  for (size_t begin = 0; begin < count; begin += kBatch) {
    S2P_RETURN_IF_ERROR(CheckStop(stop));
    std::vector<torch::Tensor> of_batch;
    for (size_t i = begin; i < std::min(begin + kBatch, count); ++i) {
      of_batch.push_back(NormalizedBatch(images, chosen[i], chosen[i] + 1));
    }
    const torch::Tensor batch = torch::cat(of_batch).to(device);
    parts.push_back(encoder.Pooled(batch, modality).to(torch::kCPU, torch::kFloat64));
  }
  Features features;
  features.centred = torch::cat(parts);
  parts.clear();
  for (const int i : chosen) features.labels.push_back(labelled.labels[i]);
  // Pseudo-sketches are the last.
  const auto first_made =
      std::lower_bound(chosen.begin(), chosen.end(), images.size() - labelled.made);
  const int64_t drawn = first_made - chosen.begin(), made = chosen.end() - first_made;
  features.drawn = drawn;
  torch::Tensor by_people = features.centred.narrow(0, 0, drawn);
  if (made > 0) features.mean = Centre(features.centred.narrow(0, drawn, made));
  if (made == 0 || drawn >= kLeastDrawn) {
    features.mean = Centre(by_people);
  } else {
    // A single sketch less its own mean would be nothing.
    by_people.sub_(features.mean);
  }
  return features;
}

// The `most` largest principal components of the rows of `centred` [n, d], or as many as they have:
// [k, d], orthonormal rows.
torch::Tensor PrincipalComponents(const torch::Tensor& centred, int64_t most) {
  // Decompose the n x n matrix of inner products where that is the smaller one.
  const bool by_rows = centred.size(0) < centred.size(1);
  const torch::Tensor products =
      by_rows ? torch::matmul(centred, centred.t()) : torch::matmul(centred.t(), centred);
  const auto [values, vectors] = torch::linalg_eigh(products, "L");
  const double least = kLeastVariance * values.max().item<double>();
  const int64_t count = std::min(most, (values > least).sum().item<int64_t>());
  const torch::Tensor largest = vectors.flip(1).narrow(1, 0, count).t();
  if (!by_rows) return largest;
  const torch::Tensor lengths = values.flip(0).narrow(0, 0, count).sqrt().unsqueeze(1);
  return torch::matmul(largest, centred) / lengths;
}

// The differences of `sketch_rows` to `photo_rows`, which belong to `photos` and `sketches`. Those
// of people's sketches have the share `human_share` of the scatter's weight, unless it is 0 or
// there is one kind alone.
torch::Tensor Differences(const torch::Tensor& photo_rows, const Features& photos,
                          const torch::Tensor& sketch_rows, const Features& sketches,
                          double human_share) {
  const auto first_made = sketches.labels.begin() + sketches.drawn;
  const torch::Tensor drawn =
      PairDifferences(photo_rows, photos.labels, sketch_rows.narrow(0, 0, sketches.drawn),
                      {sketches.labels.begin(), first_made});
  const torch::Tensor made =
      PairDifferences(photo_rows, photos.labels,
                      sketch_rows.narrow(0, sketches.drawn, sketch_rows.size(0) - sketches.drawn),
                      {first_made, sketches.labels.end()});
  if (human_share <= 0 || drawn.size(0) == 0 || made.size(0) == 0) return torch::cat({drawn, made});
  const auto all = static_cast<double>(drawn.size(0) + made.size(0));
  return torch::cat(
      {drawn * std::sqrt(human_share * all / static_cast<double>(drawn.size(0))),
       made * std::sqrt((1 - human_share) * all / static_cast<double>(made.size(0)))});
}

double ShrinkageFor(const torch::Tensor& differences) {
  const auto count = static_cast<double>(std::max<int64_t>(1, differences.size(0)));
  return kShrinkage * std::max(1.0, kFewDifferences / count);
}

// The parts of the pooled vector of `pooled` values (model/manifest.cc has the order).
std::vector<PooledBlock> BlocksOf(const v1::TrainingSpec::EmbeddingSpec& embedding,
                                  int64_t pooled) {
  if (embedding.pooling() != v1::POOLING_GRID) return {{pooled, 1}};
  const int64_t cells = int64_t{embedding.grid()} * embedding.grid();
  const int64_t fine_cells = int64_t{embedding.fine_grid()} * embedding.fine_grid();
  const int64_t channels = 2 * pooled / (2 * cells + fine_cells);
  if (fine_cells == 0) return {{channels, cells}};
  return {{channels, cells}, {channels / 2, fine_cells}};
}

// The `count` directions [count, pooled] of what `components` [k, pooled] leave out: of that many
// and k more, those that lie least in the components.
torch::Tensor FurtherAxes(const Features& photos, const Features& sketches,
                          const torch::Tensor& components, const std::vector<PooledBlock>& blocks,
                          int64_t count, double human_share) {
  const torch::Tensor differences =
      Differences(photos.centred, photos, sketches.centred, sketches, human_share);
  const torch::Tensor axes = SeparableAxes(
      torch::cat({photos.centred, sketches.centred}), differences, blocks,
      ShrinkageFor(differences), std::min(count + components.size(0), components.size(1)));
  const torch::Tensor rest = axes - torch::matmul(torch::matmul(axes, components.t()), components);
  const torch::Tensor share_left = rest.square().sum(1) / axes.square().sum(1);
  const torch::Tensor kept = std::get<1>(share_left.topk(count));
  return rest.index_select(0, std::get<0>(kept.sort()));
}

// The `most` directions [most, pooled] in which photos differ most from each other, measured by how
// much a sketch differs from its photo there. `components` are the principal ones of both.
torch::Tensor DiscriminantAxes(const Features& photos, const Features& sketches,
                               const torch::Tensor& components,
                               const std::vector<PooledBlock>& blocks, int64_t most,
                               double human_share) {
  if (components.size(0) == 0) return components;
  const torch::Tensor photos_on = torch::matmul(photos.centred, components.t());
  const torch::Tensor sketches_on = torch::matmul(sketches.centred, components.t());
  const torch::Tensor differences =
      Differences(photos_on, photos, sketches_on, sketches, human_share);
  const torch::Tensor whitening = PairWhitening(differences, kShrinkage);
  const torch::Tensor whitened = torch::matmul(torch::cat({photos_on, sketches_on}), whitening);
  const torch::Tensor axes =
      torch::matmul(torch::matmul(PrincipalComponents(whitened, most), whitening), components);
  // As large as the largest principal components alone would be.
  const double scale =
      (photos_on.narrow(1, 0, axes.size(0)).norm() / torch::matmul(photos.centred, axes.t()).norm())
          .item<double>();
  if (!(std::isfinite(scale) && scale > 0)) return axes;
  const int64_t rest = std::min(most, components.size(1)) - axes.size(0);
  if (rest <= 0) return axes * scale;
  return scale *
         torch::cat({axes, FurtherAxes(photos, sketches, components, blocks, rest, human_share)});
}

// The features that the projection is fitted to.
struct Start {
  Features photos, sketches;
  // Principal components of both, [k, pooled].
  torch::Tensor components;
};

absl::StatusOr<Start> StartOf(const LabelledImages& photos, const LabelledImages& sketches,
                              DualEncoder& encoder, const std::function<bool()>& stop) {
  // More than 2,895 of both are too many: the eigenvalue routine is then called with too small a
  // workspace, whose size (2 n^2 + 6 n + 1) LAPACK returns as a float32.
  const StartImages images =
      ChooseStartImages(photos.labels, sketches.labels, kMostStartImages, sketches.made);
  Start start;
  S2P_ASSIGN_OR_RETURN(start.photos,
                       FeaturesOf(photos, images.photos, v1::MODALITY_PHOTO, encoder, stop));
  S2P_ASSIGN_OR_RETURN(start.sketches,
                       FeaturesOf(sketches, images.sketches, v1::MODALITY_SKETCH, encoder, stop));
  const int64_t most = encoder.named_parameters()["projection.weight"].size(0);
  start.components = PrincipalComponents(torch::cat({start.photos.centred, start.sketches.centred}),
                                         kWider * most);
  return start;
}

void SetProjection(const Start& start, const v1::TrainingSpec::EmbeddingSpec& embedding,
                   double human_share, DualEncoder& encoder) {
  auto parameters = encoder.named_parameters();
  torch::Tensor weight = parameters["projection.weight"];
  const torch::Tensor axes =
      DiscriminantAxes(start.photos, start.sketches, start.components,
                       BlocksOf(embedding, weight.size(1)), weight.size(0), human_share);
  if (axes.size(0) == 0) return;
  weight.narrow(0, 0, axes.size(0)).copy_(axes);
  const torch::Tensor on_cpu = weight.to(torch::kCPU, torch::kFloat64);
  parameters["projection.photo_bias"].copy_(-torch::mv(on_cpu, start.photos.mean));
  parameters["projection.sketch_bias"].copy_(-torch::mv(on_cpu, start.sketches.mean));
}

// How many sketches without a photo come before pseudo-sketches: enough for a mean, and an eighth
// of `most`, so that there is room for pairs.
int MostUnpaired(int most) { return (most + 7) / 8; }

// Marks up to `most` images; false in `chosen` becomes true.
void Choose(const std::vector<int>& candidates, int most, std::vector<bool>& chosen, int& count) {
  for (const int i : candidates) {
    if (count >= most) return;
    if (chosen[i]) continue;
    chosen[i] = true;
    ++count;
  }
}

std::map<int, std::vector<int>> ByIdentity(const std::vector<int>& labels) {
  std::map<int, std::vector<int>> images;
  for (size_t i = 0; i < labels.size(); ++i) images[labels[i]].push_back(static_cast<int>(i));
  return images;
}

// Marks pseudo-sketches, which are those from `first` on, and photos of theirs.
class MadeChoice {
 public:
  MadeChoice(const std::map<int, std::vector<int>>& photos, const std::vector<int>& sketch_labels,
             size_t first, Random& random)
      : photos_(photos) {
    for (size_t i = first; i < sketch_labels.size(); ++i) {
      of_[sketch_labels[i]].push_back(static_cast<int>(i));
    }
    for (const auto& item : of_) identities_.push_back(item.first);
    random.Shuffle(identities_);
  }

  void Choose(int most, std::vector<bool>& photo, int& photo_count, std::vector<bool>& sketch,
              int& sketch_count) const {
    std::vector<int> chosen;
    for (const int identity : identities_) {
      if (photo_count >= most || sketch_count >= most) break;
      s2p::Choose(photos_.at(identity), most, photo, photo_count);
      chosen.push_back(identity);
    }
    for (size_t round = 0; sketch_count < most; ++round) {
      const int before = sketch_count;
      for (const int identity : chosen) {
        const std::vector<int>& sketches = of_.at(identity);
        if (round < sketches.size()) s2p::Choose({sketches[round]}, most, sketch, sketch_count);
      }
      if (sketch_count == before) return;
    }
  }

 private:
  const std::map<int, std::vector<int>>& photos_;
  // By identity, in their order.
  std::map<int, std::vector<int>> of_;
  std::vector<int> identities_;
};

std::vector<int> Marked(const std::vector<bool>& chosen) {
  std::vector<int> marked;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (chosen[i]) marked.push_back(static_cast<int>(i));
  }
  return marked;
}

int CountPairs(const std::vector<int>& photo_labels, const std::vector<int>& sketch_labels,
               const StartImages& start) {
  std::set<int> photographed, both;
  for (const int i : start.photos) photographed.insert(photo_labels[static_cast<size_t>(i)]);
  for (const int i : start.sketches) {
    const int identity = sketch_labels[static_cast<size_t>(i)];
    if (photographed.count(identity) > 0) both.insert(identity);
  }
  return static_cast<int>(both.size());
}

}  // namespace

StartImages ChooseStartImages(const std::vector<int>& photo_labels,
                              const std::vector<int>& sketch_labels, int most, int made) {
  const auto drawn = sketch_labels.end() - made;
  const auto photos = ByIdentity(photo_labels),
             sketches = ByIdentity({sketch_labels.begin(), drawn});
  std::vector<int> paired;
  for (const auto& [identity, images] : sketches) {
    if (photos.count(identity) > 0) paired.push_back(identity);
  }
  Random random(kSeed);
  random.Shuffle(paired);
  std::vector<bool> photo(photo_labels.size()), sketch(sketch_labels.size());
  int photo_count = 0, sketch_count = 0;
  StartImages start;
  for (const int identity : paired) {
    if (photo_count >= most || sketch_count >= most) break;
    Choose(photos.at(identity), most, photo, photo_count);
    Choose(sketches.at(identity), most, sketch, sketch_count);
    ++start.pairs;
  }
  const auto shuffled = [&](size_t first_ones) {
    std::vector<int> all(first_ones);
    std::iota(all.begin(), all.end(), 0);
    random.Shuffle(all);
    return all;
  };
  std::vector<int> other_sketches;
  if (made > 0) {
    const size_t first_made = sketch_labels.size() - static_cast<size_t>(made);
    other_sketches = shuffled(first_made);
    Choose(other_sketches, std::min(most, sketch_count + MostUnpaired(most)), sketch, sketch_count);
    MadeChoice(photos, sketch_labels, first_made, random)
        .Choose(most, photo, photo_count, sketch, sketch_count);
  }
  Choose(shuffled(photo.size()), most, photo, photo_count);
  if (made == 0) other_sketches = shuffled(sketch.size());
  Choose(other_sketches, most, sketch, sketch_count);
  start.photos = Marked(photo);
  start.sketches = Marked(sketch);
  if (made > 0) start.pairs = CountPairs(photo_labels, sketch_labels, start);
  return start;
}

absl::Status InitializeProjection(const LabelledImages& photos, const LabelledImages& sketches,
                                  const v1::TrainingSpec::EmbeddingSpec& embedding,
                                  DualEncoder& encoder, double human_share) {
  if (!encoder.named_parameters().contains("projection.weight")) return absl::OkStatus();
  const auto judge = [](DualEncoder&) -> absl::StatusOr<double> { return 0.0; };
  return InitializeWithBestShare(photos, sketches, embedding, {human_share}, judge, encoder)
      .status();
}

absl::StatusOr<double> InitializeWithBestShare(
    const LabelledImages& photos, const LabelledImages& sketches,
    const v1::TrainingSpec::EmbeddingSpec& embedding, const std::vector<double>& shares,
    const std::function<absl::StatusOr<double>(DualEncoder&)>& judge, DualEncoder& encoder,
    const std::function<bool()>& stop) {
  S2P_CHECK(!shares.empty());
  const bool was_training = encoder.is_training();
  try {
    torch::NoGradGuard no_grad;
    encoder.eval();
    S2P_ASSIGN_OR_RETURN(const Start start, StartOf(photos, sketches, encoder, stop));
    double best = shares[0];
    std::optional<double> best_judged;
    for (const double share : shares) {
      S2P_RETURN_IF_ERROR(CheckStop(stop));
      SetProjection(start, embedding, share, encoder);
      if (shares.size() == 1) break;
      S2P_ASSIGN_OR_RETURN(const double judged, judge(encoder));
      if (!best_judged || judged > *best_judged) {
        best = share;
        best_judged = judged;
      }
    }
    if (best != shares.back()) SetProjection(start, embedding, best, encoder);
    encoder.train(was_training);
    return best;
  } catch (const std::exception& error) {
    return TorchError(error, "projection");
  }
}

}  // namespace s2p
