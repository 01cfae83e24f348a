#include "trainer/ihda/human_share.h"

#include <algorithm>
#include <iterator>
#include <string>

namespace s2p {
namespace {

constexpr double kSketchesOfAHalf = 50;
constexpr double kMostByNumber = 0.25;
constexpr double kShares[] = {0.1, 0.25, 0.5, 0.75, 0.9};

int64_t HeldBackSketches(const TrainingData& data) {
  if (!data.validation) return 0;
  const auto& photos = data.validation->photo_identities;
  const auto& sketches = data.validation->sketch_identities;
  return std::count_if(sketches.begin(), sketches.end(), [&](const std::string& identity) {
    return std::find(photos.begin(), photos.end(), identity) != photos.end();
  });
}

}  // namespace

double ShareByNumber(int64_t sketches) {
  const auto n = static_cast<double>(sketches);
  return std::min(n / (n + kSketchesOfAHalf), kMostByNumber);
}

int64_t PeoplesPairs(const TrainingData& data) {
  // Identities with a photo and a sketch have the lowest numbers.
  return std::count_if(data.sketches.labels.begin(),
                       data.sketches.labels.end() - data.sketches.made,
                       [&](int label) { return label < data.target_identities; });
}

std::vector<double> SharesToTry(const v1::TrainingSpec& spec, const TrainingData& data) {
  const int64_t pairs = PeoplesPairs(data);
  if (pairs == 0 || data.sketches.made == 0) return {0};
  if (!spec.pseudo().choose_human_share()) return {spec.pseudo().human_share()};
  std::vector<double> shares = {ShareByNumber(pairs)};
  if (HeldBackSketches(data) >= kLeastToChoose) {
    std::copy_if(std::begin(kShares), std::end(kShares), std::back_inserter(shares),
                 [&](double share) { return share != shares[0]; });
  }
  return shares;
}

}  // namespace s2p
