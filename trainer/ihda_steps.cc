#include "trainer/ihda_steps.h"

#include <algorithm>
#include <utility>

#include "trainer/learning_rate.h"
#include "trainer/losses.h"
#include "trainer/random.h"
#include "trainer/sampler.h"

namespace s2p {
namespace {

// Streams of random numbers that a run's seed is split into.
enum Stream : uint64_t { kSampling = 1, kSourceSampling = 2, kAugmentation = 3, kMirror = 4 };

// Seeds of the images of one epoch, one after the other.
class ItemSeeds {
 public:
  ItemSeeds(uint64_t seed, int ihda_step, int epoch)
      : seed_(SeedOf(SeedOf(SeedOf(seed, kAugmentation), ihda_step), epoch)) {}
  uint64_t Next() { return SeedOf(seed_, count_++); }

 private:
  const uint64_t seed_;
  uint64_t count_ = 0;
};

torch::Tensor LabelsOf(const std::vector<int>& labels, const std::vector<int>& indices,
                       torch::Device device) {
  std::vector<int64_t> chosen;
  for (const int index : indices) chosen.push_back(labels[index]);
  return torch::tensor(chosen, torch::kLong).to(device);
}

// [n, a] of the source photos with these indices.
torch::Tensor AttributesOf(const TrainingData& data, const std::vector<int>& indices,
                           torch::Device device) {
  const auto count =
      static_cast<int64_t>(data.source_attributes.size() / data.source.labels.size());
  torch::Tensor targets = torch::empty({static_cast<int64_t>(indices.size()), count});
  float* out = targets.data_ptr<float>();
  for (const int index : indices) {
    out = std::copy_n(data.source_attributes.data() + index * count, count, out);
  }
  return targets.to(device);
}

class Step1 : public IhdaStep {
 public:
  Step1(const v1::TrainingSpec& spec, const TrainingData& data, IdentitySampler sampler)
      : spec_(spec), data_(data), sampler_(std::move(sampler)) {}

  int number() const override { return 1; }
  int identities() const override { return data_.source_identities; }

  EpochPlan Plan(int epoch) const override {
    EpochPlan plan;
    ItemSeeds seeds(spec_.seed(), number(), epoch);
    for (std::vector<int>& indices : sampler_.Epoch(epoch)) {
      std::vector<LoadItem> items;
      for (const int index : indices) {
        items.push_back(
            {data_.source.images.get(), index, v1::MODALITY_PHOTO, seeds.Next(), false, false});
      }
      plan.batches.push_back({std::move(items)});
      plan.indices.push_back({std::move(indices)});
    }
    return plan;
  }

  LossSum Losses(const std::vector<torch::Tensor>& parts,
                 const std::vector<std::vector<int>>& indices, int epoch, int64_t iteration,
                 IhdaNetworks& networks) const override {
    static_cast<void>(epoch);
    static_cast<void>(iteration);
    const auto& weights = spec_.loss();
    const bool release = spec_.recipe() == v1::RECIPE_RELEASE;
    DualEncoder& encoder = networks.encoder();
    const DualEncoderOutput out = encoder.Forward(parts[0], v1::MODALITY_PHOTO);
    const torch::Tensor labels = LabelsOf(data_.source.labels, indices[0], networks.device());
    LossSum sum;
    if (weights.identity() > 0) {
      sum.Add(
          "identity", weights.identity(),
          IdentityLoss(networks.IdentityLogits(out.embedding), labels, weights.label_smoothing()));
    }
    if (weights.triplet() > 0) {
      sum.Add("triplet", weights.triplet(), TripletLoss(out.embedding, labels, weights.margin()));
      if (release) {
        sum.Add("triplet", weights.triplet(), TripletLoss(out.stage3, labels, weights.margin()));
      }
    }
    if (weights.attribute() > 0 && encoder.has_attributes()) {
      // The release gives this term weight 1 in step 1, whatever it is in step 2.
      sum.Add("attribute", release ? 1.0 : weights.attribute(),
              AttributeLoss(encoder.AttributeLogits(out.embedding),
                            AttributesOf(data_, indices[0], networks.device()), spec_.recipe()));
    }
    if (weights.contrastive() > 0 && spec_.step1().images_per_identity() >= 2) {
      const auto stride = static_cast<int64_t>(spec_.step1().images_per_identity());
      const torch::Tensor features = encoder.RetrievalFeature(out.embedding);
      sum.Add(
          "contrastive", weights.contrastive(),
          ContrastiveLoss(features.slice(0, 0, features.size(0), stride),
                          features.slice(0, 1, features.size(0), stride), weights.temperature()));
    }
    return sum;
  }

 private:
  const v1::TrainingSpec spec_;
  const TrainingData& data_;
  const IdentitySampler sampler_;
};

class Step2 : public IhdaStep {
 public:
  Step2(const v1::TrainingSpec& spec, const TrainingData& data, PairSampler pairs,
        std::vector<IdentitySampler> source)
      : spec_(spec), data_(data), pairs_(std::move(pairs)), source_(std::move(source)) {}

  int number() const override { return 2; }
  int identities() const override { return data_.target_identities; }

  // Parts: photos, sketches, and source photos where there are any.
  EpochPlan Plan(int epoch) const override {
    EpochPlan plan;
    ItemSeeds seeds(spec_.seed(), number(), epoch);
    Random mirror(SeedOf(SeedOf(spec_.seed(), kMirror), epoch));
    for (const std::vector<SampledPair>& pairs : pairs_.Epoch(epoch)) {
      std::vector<LoadItem> photos, sketches;
      std::vector<int> photo_indices, sketch_indices;
      for (const SampledPair& pair : pairs) {
        const bool flipped = mirror.Chance(spec_.augmentation().pair_flip());
        photos.push_back({data_.photos.images.get(), pair.photo, v1::MODALITY_PHOTO, seeds.Next(),
                          flipped, true});
        sketches.push_back({data_.sketches.images.get(), pair.sketch, v1::MODALITY_SKETCH,
                            seeds.Next(), flipped, true});
        photo_indices.push_back(pair.photo);
        sketch_indices.push_back(pair.sketch);
      }
      plan.batches.push_back({std::move(photos), std::move(sketches)});
      plan.indices.push_back({std::move(photo_indices), std::move(sketch_indices)});
    }
    if (!source_.empty()) AddSource(epoch, seeds, plan);
    return plan;
  }

  LossSum Losses(const std::vector<torch::Tensor>& parts,
                 const std::vector<std::vector<int>>& indices, int epoch, int64_t iteration,
                 IhdaNetworks& networks) const override {
    DualEncoder& encoder = networks.encoder();
    std::vector<v1::Modality> modalities = {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH};
    if (parts.size() > 2) modalities.push_back(v1::MODALITY_PHOTO);
    const std::vector<DualEncoderOutput> outputs = encoder.ForwardParts(parts, modalities);
    Batch batch;
    batch.photo = outputs[0];
    batch.sketch = outputs[1];
    if (parts.size() > 2) batch.source = outputs[2];
    batch.labels = LabelsOf(data_.photos.labels, indices[0], networks.device());
    LossSum sum;
    AddIdentity(batch, networks, sum);
    if (epoch >= static_cast<int>(spec_.loss().triplet_from_epoch())) AddTriplet(batch, sum);
    if (encoder.has_attributes()) AddAttributes(batch, indices, networks, sum);
    if (parts.size() > 2) AddDomain(batch, iteration, networks, sum);
    if (spec_.loss().contrastive() > 0) {
      sum.Add("contrastive", spec_.loss().contrastive(),
              ContrastiveLoss(encoder.RetrievalFeature(batch.sketch.embedding),
                              encoder.RetrievalFeature(batch.photo.embedding),
                              spec_.loss().temperature()));
    }
    return sum;
  }

 private:
  struct Batch {
    DualEncoderOutput photo, sketch, source;
    // Of row i of photo and of row i of sketch.
    torch::Tensor labels;
  };

  bool release() const { return spec_.recipe() == v1::RECIPE_RELEASE; }

  // Gives each batch as many source photos as it has pairs; the source's epochs follow one another.
  void AddSource(int epoch, ItemSeeds& seeds, EpochPlan& plan) const {
    std::vector<std::vector<int>> batches;
    for (int round = 0; batches.size() < plan.batches.size(); ++round) {
      for (std::vector<int>& batch : source_[0].Epoch(epoch + round * 100'000)) {
        batches.push_back(std::move(batch));
      }
    }
    for (size_t b = 0; b < plan.batches.size(); ++b) {
      std::vector<LoadItem> items;
      for (const int index : batches[b]) {
        items.push_back(
            {data_.source.images.get(), index, v1::MODALITY_PHOTO, seeds.Next(), false, false});
      }
      plan.batches[b].push_back(std::move(items));
      plan.indices[b].push_back(std::move(batches[b]));
    }
  }

  void AddIdentity(const Batch& batch, IhdaNetworks& networks, LossSum& sum) const {
    const auto& weights = spec_.loss();
    if (weights.identity() == 0) return;
    if (release()) {
      const torch::Tensor logits =
          networks.IdentityLogits(torch::cat({batch.photo.embedding, batch.sketch.embedding}));
      sum.Add("identity", weights.identity(),
              IdentityLoss(logits, torch::cat({batch.labels, batch.labels}),
                           weights.label_smoothing()));
      return;
    }
    for (const DualEncoderOutput* out : {&batch.photo, &batch.sketch}) {
      sum.Add("identity", weights.identity(),
              IdentityLoss(networks.IdentityLogits(out->embedding), batch.labels,
                           weights.label_smoothing()));
    }
  }

  void AddTriplet(const Batch& batch, LossSum& sum) const {
    const auto& weights = spec_.loss();
    if (weights.triplet() == 0) return;
    if (!release()) {
      sum.Add("triplet", weights.triplet(),
              CrossModalTripletLoss(batch.sketch.embedding, batch.labels, batch.photo.embedding,
                                    batch.labels, weights.margin()));
      return;
    }
    const torch::Tensor labels = torch::cat({batch.labels, batch.labels});
    sum.Add("triplet", weights.triplet(),
            TripletLoss(torch::cat({batch.photo.stage3, batch.sketch.stage3}), labels,
                        weights.margin()));
    sum.Add("triplet", weights.triplet(),
            TripletLoss(torch::cat({batch.photo.embedding, batch.sketch.embedding}), labels,
                        weights.margin()));
  }

  void AddAttributes(const Batch& batch, const std::vector<std::vector<int>>& indices,
                     IhdaNetworks& networks, LossSum& sum) const {
    const auto& weights = spec_.loss();
    DualEncoder& encoder = networks.encoder();
    if (weights.attribute() > 0 && indices.size() > 2) {
      sum.Add("attribute", weights.attribute(),
              AttributeLoss(encoder.AttributeLogits(batch.source.embedding),
                            AttributesOf(data_, indices[2], networks.device()), spec_.recipe()));
    }
    if (weights.attribute_entropy() == 0 && weights.consistency() == 0) return;
    const torch::Tensor photo = encoder.AttributeLogits(batch.photo.embedding);
    const torch::Tensor sketch = encoder.AttributeLogits(batch.sketch.embedding);
    for (const torch::Tensor& logits : {photo, sketch}) {
      sum.Add("attribute_entropy", weights.attribute_entropy(),
              AttributeEntropyLoss(logits, spec_.recipe()));
    }
    sum.Add("consistency", weights.consistency(), ConsistencyLoss(photo, sketch, spec_.recipe()));
  }

  void AddDomain(const Batch& batch, int64_t iteration, IhdaNetworks& networks,
                 LossSum& sum) const {
    if (spec_.loss().domain() == 0) return;
    const torch::Tensor features =
        torch::cat({batch.source.embedding, batch.photo.embedding, batch.sketch.embedding});
    std::vector<int64_t> domains(batch.source.embedding.size(0), 0);
    domains.insert(domains.end(), batch.photo.embedding.size(0), 1);
    domains.insert(domains.end(), batch.sketch.embedding.size(0), 2);
    sum.Add("domain", spec_.loss().domain(),
            DomainLoss(networks.DomainLogits(features, ReversalCoefficient(iteration)),
                       torch::tensor(domains, torch::kLong).to(networks.device()), spec_.recipe()));
  }

  const v1::TrainingSpec spec_;
  const TrainingData& data_;
  const PairSampler pairs_;
  // One, or none without a source.
  const std::vector<IdentitySampler> source_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<IhdaStep>> MakeStep1(const v1::TrainingSpec& spec,
                                                    const TrainingData& data) {
  const int images = std::max(1, static_cast<int>(spec.step1().images_per_identity()));
  const int identities = std::max(2, static_cast<int>(spec.step1().batch_size()) / images);
  auto sampler = IdentitySampler::Create(data.source.labels, identities, images,
                                         SeedOf(spec.seed(), kSourceSampling));
  if (!sampler.ok()) return sampler.status();
  return std::make_unique<Step1>(spec, data, *std::move(sampler));
}

absl::StatusOr<std::unique_ptr<IhdaStep>> MakeStep2(const v1::TrainingSpec& spec,
                                                    const TrainingData& data) {
  // Source photos cost a third of the time: they come along only where a loss looks at them.
  const bool has_source =
      data.source.images != nullptr && (spec.loss().attribute() > 0 || spec.loss().domain() > 0);
  const int pairs = std::max(2, static_cast<int>(spec.step2().batch_size()) / (has_source ? 3 : 2));
  auto sampler = PairSampler::Create(data.photos.labels, data.sketches.labels, pairs,
                                     SeedOf(spec.seed(), kSampling));
  if (!sampler.ok()) return sampler.status();
  std::vector<IdentitySampler> source;
  if (has_source) {
    auto source_sampler = IdentitySampler::Create(
        data.source.labels, pairs, /*images_per_identity=*/1, SeedOf(spec.seed(), kSourceSampling));
    if (!source_sampler.ok()) return source_sampler.status();
    source.push_back(*std::move(source_sampler));
  }
  return std::make_unique<Step2>(spec, data, *std::move(sampler), std::move(source));
}

}  // namespace s2p
