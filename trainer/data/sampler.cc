#include "trainer/data/sampler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "trainer/data/random.h"

namespace s2p {
namespace {

using Groups = std::vector<std::vector<int>>;

// Image indices by label; labels that nobody has are left empty.
absl::StatusOr<Groups> GroupByLabel(const std::vector<int>& labels) {
  Groups groups;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) {
      return absl::InvalidArgumentError(absl::StrCat("label ", labels[i], " is negative"));
    }
    const auto label = static_cast<size_t>(labels[i]);
    if (label >= groups.size()) groups.resize(label + 1);
    groups[label].push_back(static_cast<int>(i));
  }
  return groups;
}

uint64_t EpochSeed(uint64_t seed, int epoch) { return SeedOf(seed, static_cast<uint64_t>(epoch)); }

// `count` of the images, all different as long as there are enough.
void Draw(std::vector<int> images, int count, Random& random, std::vector<int>& out) {
  for (int drawn = 0; drawn < count; ++drawn) {
    const size_t place = static_cast<size_t>(drawn) % images.size();
    if (place == 0) random.Shuffle(images);
    out.push_back(images[place]);
  }
}

}  // namespace

absl::StatusOr<IdentitySampler> IdentitySampler::Create(std::vector<int> labels,
                                                        int identities_per_batch,
                                                        int images_per_identity, uint64_t seed) {
  if (identities_per_batch < 1 || images_per_identity < 1) {
    return absl::InvalidArgumentError(absl::StrCat("batches of ", identities_per_batch,
                                                   " identities with ", images_per_identity,
                                                   " images each: both must be at least 1"));
  }
  S2P_ASSIGN_OR_RETURN(auto groups, GroupByLabel(labels));
  groups.erase(std::remove_if(groups.begin(), groups.end(),
                              [](const std::vector<int>& group) { return group.empty(); }),
               groups.end());
  if (groups.size() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("sampling needs two identities, there are ", groups.size()));
  }
  IdentitySampler sampler;
  sampler.images_of_ = std::move(groups);
  sampler.identities_per_batch_ = identities_per_batch;
  sampler.images_per_identity_ = images_per_identity;
  sampler.seed_ = seed;
  return sampler;
}

std::vector<std::vector<int>> IdentitySampler::Epoch(int epoch) const {
  Random random(EpochSeed(seed_, epoch));
  std::vector<int> order(images_of_.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  random.Shuffle(order);

  const auto per_batch = static_cast<size_t>(identities_per_batch_);
  std::vector<std::vector<int>> batches;
  for (size_t begin = 0; begin < order.size(); begin += per_batch) {
    const size_t end = std::min(order.size(), begin + per_batch);
    if (end - begin < per_batch && !batches.empty()) break;
    std::vector<int>& batch = batches.emplace_back();
    for (size_t i = begin; i < end; ++i) {
      Draw(images_of_[static_cast<size_t>(order[i])], images_per_identity_, random, batch);
    }
  }
  return batches;
}

absl::StatusOr<PairSampler> PairSampler::Create(std::vector<int> photo_labels,
                                                std::vector<int> sketch_labels, int pairs_per_batch,
                                                uint64_t seed) {
  if (pairs_per_batch < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("batches of ", pairs_per_batch, " pairs: there must be at least 2"));
  }
  S2P_ASSIGN_OR_RETURN(auto photos, GroupByLabel(photo_labels));
  S2P_ASSIGN_OR_RETURN(auto sketches, GroupByLabel(sketch_labels));
  PairSampler sampler;
  for (size_t label = 0; label < std::min(photos.size(), sketches.size()); ++label) {
    if (photos[label].empty() || sketches[label].empty()) continue;
    sampler.photos_of_.push_back(std::move(photos[label]));
    sampler.sketches_of_.push_back(std::move(sketches[label]));
  }
  if (sampler.photos_of_.empty()) {
    return absl::InvalidArgumentError("no identity has both a photo and a sketch");
  }
  sampler.pairs_per_batch_ = std::min(pairs_per_batch, static_cast<int>(sampler.photos_of_.size()));
  sampler.seed_ = seed;
  return sampler;
}

std::vector<std::vector<SampledPair>> PairSampler::Epoch(int epoch) const {
  Random random(EpochSeed(seed_, epoch));
  Groups left = sketches_of_;
  for (std::vector<int>& sketches : left) random.Shuffle(sketches);

  // Each batch takes the identities with most sketches left: that keeps the identities of a batch
  // distinct for as long as there is any way to do so.
  const auto per_batch = static_cast<size_t>(pairs_per_batch_);
  std::vector<std::vector<SampledPair>> batches;
  while (true) {
    std::vector<size_t> candidates;
    for (size_t i = 0; i < left.size(); ++i) {
      if (!left[i].empty()) candidates.push_back(i);
    }
    if (candidates.empty() || (candidates.size() < per_batch && !batches.empty())) return batches;
    random.Shuffle(candidates);
    std::stable_sort(candidates.begin(), candidates.end(),
                     [&](size_t a, size_t b) { return left[a].size() > left[b].size(); });
    std::vector<SampledPair>& batch = batches.emplace_back();
    for (size_t i = 0; i < std::min(per_batch, candidates.size()); ++i) {
      const std::vector<int>& photos = photos_of_[candidates[i]];
      std::vector<int>& sketches = left[candidates[i]];
      batch.push_back({photos[static_cast<size_t>(random.Index(static_cast<int>(photos.size())))],
                       sketches.back()});
      sketches.pop_back();
    }
  }
}

}  // namespace s2p
