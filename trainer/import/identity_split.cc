#include "trainer/import/identity_split.h"

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "trainer/data/random.h"

namespace s2p {
namespace {

constexpr double kTestFraction = 0.25;
constexpr char kHeldBack[] =
    "a run still holds back a share of those to train on unless its validation.fraction is 0";

// Seeded hashes of the names of the identities, with the names.
std::set<std::pair<uint64_t, std::string>> HashesOf(uint64_t seed, const Plan& plan) {
  std::set<std::pair<uint64_t, std::string>> hashes;
  for (const PlannedImage& image : plan.images) {
    hashes.emplace(SeedOf(seed, HashOf(image.line.identity)), image.line.identity);
  }
  return hashes;
}

std::string Percent(double fraction) { return absl::StrCat(std::lround(100 * fraction), " %"); }

}  // namespace

void SplitByIdentity(const SplitOptions& options, Plan& plan) {
  const double fraction = options.test_fraction.value_or(kTestFraction);
  const auto hashes = HashesOf(options.seed, plan);
  // A hair less, so that a tenth of 30 is not rounded up to 4.
  const double wanted = fraction * static_cast<double>(hashes.size()) - 1e-9;
  std::set<std::string> test;
  for (const auto& [hash, identity] : hashes) {
    if (static_cast<double>(test.size()) >= wanted) break;
    test.insert(identity);
  }
  for (PlannedImage& image : plan.images) {
    image.line.split = test.count(image.line.identity) > 0 ? "test" : "train";
  }
  plan.split_reason =
      fraction == 0
          ? absl::StrCat("all identities are to train on, as --test-fraction asks; ", kHeldBack)
          : absl::StrCat(Percent(fraction),
                         " of the identities, drawn by name and --split-seed, are for testing; "
                         "--test-fraction 0 leaves all of them to train on; ",
                         kHeldBack);
}

void SplitLikeSet(const DataSet& set, const SplitOptions& options, Plan& plan) {
  std::map<std::string, std::string> split_of;
  size_t tested = 0;
  for (const DataSetImage& image : set.images()) {
    if (split_of.emplace(image.identity, image.split).second && image.split == "test") ++tested;
  }
  const double share = static_cast<double>(tested) / static_cast<double>(split_of.size());
  const double fraction = options.test_fraction.value_or(share);
  for (const auto& [hash, identity] : HashesOf(options.seed, plan)) {
    split_of.emplace(identity, Random(hash).Uniform() < fraction ? "test" : "train");
  }
  for (PlannedImage& image : plan.images) image.line.split = split_of.at(image.line.identity);
  plan.split_reason = absl::StrCat(
      "identities that were there keep their split, and new ones are drawn for testing with a "
      "chance of ",
      Percent(fraction),
      options.test_fraction ? ", as --test-fraction asks" : ", the share of those that were there");
}

}  // namespace s2p
