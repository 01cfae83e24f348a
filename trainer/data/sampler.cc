#include "trainer/data/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "trainer/data/deal_cards.h"
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

size_t Sum(const std::vector<size_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), size_t{0});
}

// The number of batches of at most `per_batch` that counts[i] cards of each i are dealt into, no
// two of one i into the same. No batch has a single card as long as there are two, because neither
// batch norm nor a contrastive loss can use one alone; so a batch may have one card too many.
size_t CountBatches(const std::vector<size_t>& counts, size_t per_batch) {
  const auto dealt = [&](size_t batches) {
    size_t cards = 0;
    for (const size_t count : counts) cards += std::min(count, batches);
    return cards;
  };
  size_t low = 1;
  size_t high = std::max<size_t>(1, (Sum(counts) + per_batch - 1) / per_batch);
  while (low < high) {
    const size_t batches = (low + high + 1) / 2;
    const size_t cards = dealt(batches);
    if (cards > (batches - 1) * per_batch && cards >= batches * std::min<size_t>(per_batch, 2)) {
      low = batches;
    } else {
      high = batches - 1;
    }
  }
  return low;
}

// Appends `count` of the images `all` to `out`: those that are not in `used` first, repeats where
// an identity has too few.
void Fill(const std::vector<int>& all, const std::vector<int>& used, size_t count, Random& random,
          std::vector<int>& out) {
  if (count == 0) return;
  std::vector<int> images = all;
  random.Shuffle(images);
  std::stable_partition(images.begin(), images.end(), [&](int image) {
    return std::find(used.begin(), used.end(), image) == used.end();
  });
  for (size_t i = 0; i < count; ++i) out.push_back(images[i % images.size()]);
}

// Number of the random stream, of those of an epoch's seed, that chooses the sketches of an epoch.
constexpr uint64_t kShareStream = 1;

struct LabelledSketch {
  size_t label = 0;
  int sketch = 0;
};

// Adds `count` of the sketches to their labels, each as often as the others or once more, but no
// label gets more than `most`, and no sketch is taken more than kMostRepeats times. Returns how
// many it has taken.
size_t Take(std::vector<LabelledSketch> sketches, size_t count, size_t most, Random& random,
            Groups& out) {
  random.Shuffle(sketches);
  size_t taken = 0;
  for (int turn = 0; turn < kMostRepeats; ++turn) {
    for (const LabelledSketch& sketch : sketches) {
      if (taken == count) return taken;
      if (out[sketch.label].size() >= most) continue;
      out[sketch.label].push_back(sketch.sketch);
      ++taken;
    }
  }
  return taken;
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
  sampler.identities_per_batch_ = std::min(identities_per_batch, static_cast<int>(groups.size()));
  sampler.images_of_ = std::move(groups);
  sampler.images_per_identity_ = images_per_identity;
  sampler.seed_ = seed;
  return sampler;
}

std::vector<std::vector<int>> IdentitySampler::Epoch(int epoch) const {
  Random random(EpochSeed(seed_, epoch));
  const auto group_size = static_cast<size_t>(images_per_identity_);
  Groups left = images_of_;
  std::vector<size_t> counts;
  for (std::vector<int>& images : left) {
    random.Shuffle(images);
    counts.push_back((images.size() + group_size - 1) / group_size);
  }
  const size_t batches = CountBatches(counts, static_cast<size_t>(identities_per_batch_));
  std::vector<std::vector<int>> epoch_batches;
  for (const std::vector<size_t>& identities : DealCards(counts, batches, random)) {
    std::vector<int>& batch = epoch_batches.emplace_back();
    for (const size_t identity : identities) {
      const std::vector<int>& images = images_of_[identity];
      std::vector<int>& unused = left[identity];
      const size_t fresh = std::min(group_size, unused.size());
      batch.insert(batch.end(), unused.end() - static_cast<ptrdiff_t>(fresh), unused.end());
      const std::vector<int> group(unused.end() - static_cast<ptrdiff_t>(fresh), unused.end());
      unused.resize(unused.size() - fresh);
      Fill(images, group, group_size - fresh, random, batch);
    }
  }
  return epoch_batches;
}

absl::StatusOr<PairSampler> PairSampler::Create(std::vector<int> photo_labels,
                                                std::vector<int> sketch_labels, int pairs_per_batch,
                                                uint64_t seed, PairShare share) {
  if (pairs_per_batch < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("batches of ", pairs_per_batch, " pairs: there must be at least 2"));
  }
  S2P_ASSIGN_OR_RETURN(auto photos, GroupByLabel(photo_labels));
  S2P_ASSIGN_OR_RETURN(auto sketches, GroupByLabel(sketch_labels));
  PairSampler sampler;
  sampler.first_made_ = static_cast<int>(sketch_labels.size()) - share.made;
  sampler.human_share_ = share.human_share;
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

Groups PairSampler::SketchesOf(int epoch) const {
  if (human_share_ <= 0) return sketches_of_;
  std::vector<LabelledSketch> drawn, made;
  for (size_t label = 0; label < sketches_of_.size(); ++label) {
    for (const int sketch : sketches_of_[label]) {
      (sketch < first_made_ ? drawn : made).push_back({label, sketch});
    }
  }
  if (drawn.empty() || made.empty()) return sketches_of_;
  const size_t all = drawn.size() + made.size();
  const auto asked = static_cast<size_t>(std::lround(human_share_ * static_cast<double>(all)));
  // An identity with more sketches than there are batches would leave batches out.
  const auto pairs_per_batch = static_cast<size_t>(pairs_per_batch_);
  const size_t batches = (all + pairs_per_batch - 1) / pairs_per_batch;
  Random random(SeedOf(EpochSeed(seed_, epoch), kShareStream));
  Groups chosen(sketches_of_.size());
  const size_t of_drawn = Take(std::move(drawn), asked, batches, random, chosen);
  Take(std::move(made), all - of_drawn, batches, random, chosen);
  return chosen;
}

std::vector<std::vector<SampledPair>> PairSampler::Epoch(int epoch) const {
  Random random(EpochSeed(seed_, epoch));
  Groups left = SketchesOf(epoch);
  std::vector<size_t> counts;
  for (std::vector<int>& sketches : left) {
    random.Shuffle(sketches);
    counts.push_back(sketches.size());
  }
  const size_t batches = CountBatches(counts, static_cast<size_t>(pairs_per_batch_));
  std::vector<std::vector<SampledPair>> epoch_batches;
  for (const std::vector<size_t>& identities : DealCards(counts, batches, random)) {
    std::vector<SampledPair>& batch = epoch_batches.emplace_back();
    for (const size_t identity : identities) {
      const std::vector<int>& photos = photos_of_[identity];
      const int photo = photos[static_cast<size_t>(random.Index(static_cast<int>(photos.size())))];
      batch.push_back({photo, left[identity].back()});
      left[identity].pop_back();
    }
  }
  return epoch_batches;
}

}  // namespace s2p
