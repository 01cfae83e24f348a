#include "trainer/memory/training_memory.h"

#include <torch/types.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/status_macros.h"
#include "model/torch_device.h"
#include "model/torch_version.h"
#include "trainer/ihda/device_memory.h"
#include "trainer/ihda/ihda_networks.h"
#include "trainer/ihda/ihda_steps.h"
#include "trainer/memory/allocation_counter.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

// How often an encoder's weights are in memory while a model is made of it, besides its own: in the
// model, in the network for the golden embeddings, and in that network's folded layers.
constexpr uint64_t kModelCopies = 3;

// The largest batch of a step, all ranks together.
struct Batch {
  int step = 0;
  int photos = 0;
  int sketches = 0;
  // The classes of the identity classifier.
  int identities = 0;
};

// Images that are trained on.
class Images {
 public:
  void Add(const DataSetImage& image) {
    identities_.insert(image.identity);
    ++(image.modality == v1::MODALITY_SKETCH ? sketches_ : photos_);
  }
  int photos() const { return photos_; }
  int sketches() const { return sketches_; }
  int identities() const { return static_cast<int>(identities_.size()); }

 private:
  std::set<absl::string_view> identities_;
  int photos_ = 0, sketches_ = 0;
};

std::vector<Batch> BatchesOf(const OpenDataSets& data_sets, const v1::TrainingSpec& spec) {
  std::vector<Batch> batches;
  Images source, target;
  if (data_sets.source) {
    for (const DataSetImage& image : data_sets.source->images()) {
      if (image.split == "train" && image.modality == v1::MODALITY_PHOTO) source.Add(image);
    }
  }
  for (const DataSetImage& image : data_sets.target.images()) {
    if (data_sets.IsTrainedOn(image)) target.Add(image);
  }
  if (data_sets.source && RunsStep1(spec)) {
    const auto size = static_cast<int>(spec.step1().batch_size());
    batches.push_back({1, std::min(size, source.photos()), 0, source.identities()});
  }
  if (spec.step2().epochs() > 0) {
    const Step2Sizes sizes = SizesOfStep2(spec, data_sets.source.has_value());
    const int made = target.photos() * static_cast<int>(spec.pseudo().per_photo());
    const int pairs = std::min(sizes.pairs, target.sketches() + made);
    const int photos = pairs + std::min(sizes.source_images, source.photos());
    batches.push_back({2, photos, pairs, target.identities()});
  }
  return batches;
}

uint64_t BytesOf(const std::vector<torch::Tensor>& tensors) {
  uint64_t bytes = 0;
  for (const torch::Tensor& tensor : tensors) bytes += tensor.nbytes();
  return bytes;
}

// 0 instead of a negative one.
uint64_t Difference(uint64_t a, uint64_t b) { return a - std::min(a, b); }

// The networks of a run, whose tensors are counted.
class Probe {
 public:
  Probe(const v1::TrainingSpec& spec, IhdaNetworks& networks, AllocationCounter& counter)
      : spec_(spec), networks_(networks), counter_(counter) {}

  TrainingMemory Measure(const Batch& batch, int ranks) {
    networks_.BeginStep(batch.step, batch.identities);
    networks_.SetTraining();
    const auto share = [ranks](int images) -> uint64_t { return (images + ranks - 1) / ranks; };
    TrainingMemory memory;
    memory.batch_images = static_cast<int>(share(batch.photos) + share(batch.sketches));
    const uint64_t before = counter_.live_bytes();
    const Line photos = LineOf(share(batch.photos), v1::MODALITY_PHOTO, spec_.photo());
    const Line sketches = LineOf(share(batch.sketches), v1::MODALITY_SKETCH, spec_.sketch());
    memory.batch_bytes = std::max(photos.constant, sketches.constant) + photos.images +
                         sketches.images +
                         BatchesAhead() * (share(batch.photos) * PixelBytes(spec_.photo()) +
                                           share(batch.sketches) * PixelBytes(spec_.sketch()));
    const uint64_t gradients = Difference(counter_.live_bytes(), before);
    memory.writing_bytes = std::max(networks_.SavedBytes(), kModelCopies * EncoderBytes());
    memory.networks_bytes = networks_.SavedBytes() + gradients + KeptCopies() * EncoderBytes();
    if (batch.step == 2 && spec_.loss().photo_neighbours().meta_step()) {
      // Weights as they are, while the others are tried.
      memory.networks_bytes += gradients;
    }
    return memory;
  }

 private:
  // The most that images take on their way there and back, which is a constant and a part for them.
  struct Line {
    uint64_t constant = 0;
    uint64_t images = 0;
  };
  Line LineOf(uint64_t images, v1::Modality modality, const v1::TrainingSpec::InputSpec& input) {
    if (images == 0) return {};
    // The first pass makes the gradients.
    Pass(2, modality, input);
    const uint64_t two = Pass(2, modality, input), four = Pass(4, modality, input);
    const uint64_t of_two = Difference(four, two);
    return {Difference(two, of_two), of_two * images / 2};
  }

  uint64_t Pass(int images, v1::Modality modality, const v1::TrainingSpec::InputSpec& input) {
    const uint64_t before = counter_.live_bytes();
    counter_.ResetPeak();
    const torch::Tensor pictures = torch::zeros(
        {images, 3, static_cast<int64_t>(input.height()), static_cast<int64_t>(input.width())});
    const DualEncoderOutput output = networks_.Forward({pictures}, {modality})[0];
    torch::Tensor loss = output.embedding.sum() + output.stage3.sum();
    if (spec_.loss().identity() > 0) {
      loss = loss + networks_.IdentityLogits(output.embedding).sum();
    }
    if (loss.requires_grad()) loss.backward();
    return counter_.peak_bytes() - before;
  }

  // The batches that BatchLoader has made, besides the one that is trained on.
  uint64_t BatchesAhead() const { return spec_.workers() > 0 ? spec_.workers() + 1 : 0; }
  static uint64_t PixelBytes(const v1::TrainingSpec::InputSpec& input) {
    return uint64_t{3} * input.height() * input.width() * sizeof(float);
  }

  // The weights that a run puts aside: of its best epoch and of its last one, of its start and of
  // its earlier repeats.
  uint64_t KeptCopies() const {
    const bool mixes = spec_.averaging().runs() > 1 || spec_.averaging().start_share() > 0;
    return (spec_.validation().keep_best() ? 2 : 0) + (mixes ? 2 : 0);
  }
  uint64_t EncoderBytes() {
    return s2p::BytesOf(networks_.encoder().parameters()) +
           s2p::BytesOf(networks_.encoder().buffers());
  }

  const v1::TrainingSpec& spec_;
  IhdaNetworks& networks_;
  AllocationCounter& counter_;
};

absl::Status NotEvenFour(const absl::Status& status) {
  return WithoutDeviceMemory(status, "give the trainer more memory, or train a smaller network");
}

}  // namespace

absl::StatusOr<TrainingMemory> MeasureTrainingMemory(const OpenDataSets& data_sets,
                                                     const v1::TrainingSpec& resolved, int ranks) {
  S2P_ASSIGN_OR_RETURN(const auto device,
                       SelectDevice(resolved.device().empty() ? "auto" : resolved.device()));
  TrainingMemory most;
  if (!device.is_cpu()) return most;
  S2P_ASSIGN_OR_RETURN(const auto manifest, ManifestOf(resolved, data_sets.attributes()));
  try {
    for (const Batch& batch : BatchesOf(data_sets, resolved)) {
      AllocationCounter counter;
      S2P_ASSIGN_OR_RETURN(const auto networks, IhdaNetworks::Create(resolved, manifest, device));
      const TrainingMemory memory = Probe(resolved, *networks, counter).Measure(batch, ranks);
      if (memory.total_bytes() > most.total_bytes()) most = memory;
    }
  } catch (const std::exception& error) {
    return NotEvenFour(TorchError(error, "measuring what training takes"));
  }
  return most;
}

}  // namespace s2p
