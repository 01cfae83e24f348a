#include "trainer/ihda/ihda_steps.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "trainer/data/random.h"
#include "trainer/data/sampler.h"
#include "trainer/ihda/batch_parts.h"

namespace s2p {
namespace {

// Seeds of the images of one epoch, one after the other.
class ItemSeeds {
 public:
  ItemSeeds(uint64_t seed, int ihda_step, int epoch)
      : seed_(SeedOf(SeedOf(SeedOf(seed, RunStream::kAugmentation), ihda_step), epoch)) {}
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

// [t, 3], as PhotoNeighbourLoss takes them; undefined without a triplet.
torch::Tensor TripletRows(const std::vector<PhotoTriplet>& triplets, torch::Device device) {
  if (triplets.empty()) return {};
  std::vector<int64_t> rows;
  for (const PhotoTriplet& triplet : triplets) {
    rows.insert(rows.end(), {triplet.anchor, triplet.nearer, triplet.farther});
  }
  return torch::tensor(rows, torch::kLong).view({-1, 3}).to(device);
}

// The number of rows of each part of a batch.
std::vector<int64_t> RowsOf(const std::vector<std::vector<int>>& indices) {
  std::vector<int64_t> rows;
  for (const std::vector<int>& part : indices) rows.push_back(static_cast<int64_t>(part.size()));
  return rows;
}

class Step1 : public IhdaStep {
 public:
  // `single` has one image of each identity in a batch.
  Step1(const v1::TrainingSpec& spec, const TrainingData& data, IdentitySampler several,
        IdentitySampler single)
      : spec_(spec), data_(data), several_(std::move(several)), single_(std::move(single)) {}

  int number() const override { return 1; }
  int identities() const override { return data_.source_identities; }

  EpochPlan Plan(int epoch) const override {
    EpochPlan plan;
    ItemSeeds seeds(spec_.seed(), number(), epoch);
    const IdentitySampler& sampler = Step1ImagesPerIdentity(spec_, epoch) > 1 ? several_ : single_;
    for (std::vector<int>& indices : sampler.Epoch(epoch)) {
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
                 const std::vector<std::vector<int>>& indices, const TrainingPlace& place,
                 IhdaNetworks& networks) const override {
    Step1Batch batch;
    batch.source = networks.Forward(parts, {v1::MODALITY_PHOTO}, RowsOf(indices))[0];
    batch.labels = LabelsOf(data_.source.labels, indices[0], networks.device());
    if (networks.encoder().has_attributes()) {
      batch.attributes = AttributesOf(data_, indices[0], networks.device());
    }
    return Step1Losses(spec_, batch, place, HeadsOf(networks));
  }

 private:
  const v1::TrainingSpec spec_;
  const TrainingData& data_;
  const IdentitySampler several_;
  const IdentitySampler single_;
};

class Step2 : public IhdaStep {
 public:
  Step2(const v1::TrainingSpec& spec, const TrainingData& data, PairSampler pairs,
        std::vector<IdentitySampler> source, const PhotoTripletSampler* triplets)
      : spec_(spec),
        data_(data),
        pairs_(std::move(pairs)),
        source_(std::move(source)),
        triplets_(triplets) {}

  int number() const override { return 2; }
  int identities() const override { return data_.target_identities; }

  // Parts: photos, sketches, and source photos where there are any.
  EpochPlan Plan(int epoch) const override {
    EpochPlan plan;
    ItemSeeds seeds(spec_.seed(), number(), epoch);
    Random mirror(SeedOf(SeedOf(spec_.seed(), RunStream::kMirror), epoch));
    for (const std::vector<SampledPair>& pairs : pairs_.Epoch(epoch)) {
      std::vector<LoadItem> photos, sketches;
      std::vector<int> photo_indices, sketch_indices;
      for (const SampledPair& pair : pairs) {
        const bool flipped = mirror.Chance(data_.pair_flip);
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
                 const std::vector<std::vector<int>>& indices, const TrainingPlace& place,
                 IhdaNetworks& networks) const override {
    const bool has_source = parts.size() > 2;
    std::vector<v1::Modality> modalities = {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH};
    if (has_source) modalities.push_back(v1::MODALITY_PHOTO);
    const std::vector<DualEncoderOutput> outputs =
        networks.Forward(parts, modalities, RowsOf(indices));
    Step2Batch batch;
    batch.photo = outputs[0];
    batch.sketch = outputs[1];
    batch.labels = LabelsOf(data_.photos.labels, indices[0], networks.device());
    if (has_source) {
      batch.source = outputs[2];
      if (networks.encoder().has_attributes()) {
        batch.source_attributes = AttributesOf(data_, indices[2], networks.device());
      }
    }
    batch.photo_triplets = TripletsOf(indices[0], place, networks.device());
    return Step2Losses(spec_, batch, place, HeadsOf(networks));
  }

  bool has_meta_losses() const override {
    return triplets_ != nullptr && spec_.loss().photo_neighbours().meta_step();
  }

  LossSum MetaLosses(const std::vector<torch::Tensor>& parts,
                     const std::vector<std::vector<int>>& indices, const TrainingPlace& place,
                     IhdaNetworks& networks) const override {
    Step2Batch batch;
    batch.photo_triplets = TripletsOf(indices[0], place, networks.device());
    if (!batch.photo_triplets.defined()) return {};
    const std::vector<DualEncoderOutput> outputs =
        networks.Forward({parts[0], parts[1]}, {v1::MODALITY_PHOTO, v1::MODALITY_SKETCH},
                         RowsOf({indices[0], indices[1]}));
    batch.photo = outputs[0];
    batch.sketch = outputs[1];
    return Step2MetaLosses(spec_, batch, HeadsOf(networks));
  }

 private:
  // Those of the batch at `place`, whose photos these are.
  torch::Tensor TripletsOf(const std::vector<int>& photos, const TrainingPlace& place,
                           torch::Device device) const {
    if (triplets_ == nullptr) return {};
    const uint64_t of_epoch = SeedOf(SeedOf(spec_.seed(), RunStream::kPhotoTriplets), place.epoch);
    return TripletRows(triplets_->Draw(photos, SeedOf(of_epoch, place.batch)), device);
  }

  // Gives each batch its source photos; the source's epochs follow one another.
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

  const v1::TrainingSpec spec_;
  const TrainingData& data_;
  const PairSampler pairs_;
  // One, or none without a source.
  const std::vector<IdentitySampler> source_;
  // May be null.
  const PhotoTripletSampler* const triplets_;
};

}  // namespace

LossSum IhdaStep::MetaLosses(const std::vector<torch::Tensor>&,
                             const std::vector<std::vector<int>>&, const TrainingPlace&,
                             IhdaNetworks&) const {
  return {};
}

LossHeads HeadsOf(IhdaNetworks& networks) {
  LossHeads heads;
  heads.identities = [&](const torch::Tensor& v) { return networks.IdentityLogits(v); };
  if (networks.encoder().has_attributes()) {
    heads.attributes = [&](const torch::Tensor& v) {
      return networks.encoder().AttributeLogits(v);
    };
  }
  heads.domains = [&](const torch::Tensor& v, double coefficient) {
    return networks.DomainLogits(v, coefficient);
  };
  heads.retrieval_feature = [&](const torch::Tensor& v) {
    return networks.encoder().RetrievalFeature(v);
  };
  return heads;
}

Step2Sizes SizesOfStep2(const v1::TrainingSpec& spec, bool has_source) {
  const auto batch = static_cast<int>(spec.step2().batch_size());
  Step2Sizes sizes;
  if (has_source && Step2HasSource(spec)) {
    sizes.source_images = static_cast<int>(spec.step2().source_images());
    if (sizes.source_images == 0) sizes.source_images = std::max(2, batch / 3);
  }
  sizes.pairs = std::max(2, (batch - sizes.source_images) / 2);
  return sizes;
}

absl::StatusOr<std::unique_ptr<IhdaStep>> MakeStep1(const v1::TrainingSpec& spec,
                                                    const TrainingData& data) {
  const auto sampler = [&](int images) {
    const int identities = std::max(2, static_cast<int>(spec.step1().batch_size()) / images);
    return IdentitySampler::Create(data.source.labels, identities, images,
                                   SeedOf(spec.seed(), RunStream::kSourceSampling));
  };
  const int images = std::max(1, static_cast<int>(spec.step1().images_per_identity()));
  S2P_ASSIGN_OR_RETURN(auto several, sampler(images));
  S2P_ASSIGN_OR_RETURN(auto single, sampler(1));
  return std::make_unique<Step1>(spec, data, std::move(several), std::move(single));
}

absl::StatusOr<std::unique_ptr<IhdaStep>> MakeStep2(const v1::TrainingSpec& spec,
                                                    const TrainingData& data,
                                                    const PhotoTripletSampler* triplets) {
  const Step2Sizes sizes = SizesOfStep2(spec, data.source.images != nullptr);
  S2P_ASSIGN_OR_RETURN(auto sampler,
                       PairSampler::Create(data.photos.labels, data.sketches.labels, sizes.pairs,
                                           SeedOf(spec.seed(), RunStream::kPairSampling),
                                           {data.sketches.made, spec.pseudo().human_share()}));
  std::vector<IdentitySampler> source;
  if (sizes.source_images > 0) {
    S2P_ASSIGN_OR_RETURN(
        auto source_sampler,
        IdentitySampler::Create(data.source.labels, sizes.source_images, /*images_per_identity=*/1,
                                SeedOf(spec.seed(), RunStream::kSourceSampling)));
    source.push_back(std::move(source_sampler));
  }
  return std::make_unique<Step2>(spec, data, std::move(sampler), std::move(source), triplets);
}

}  // namespace s2p
