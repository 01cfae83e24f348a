#include "image/dominant_colours.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "base/check.h"
#include "image/shown_part.h"

namespace s2p {
namespace {

// Photos are looked at with at most this longer side: colours need no detail.
constexpr int kLookedAtPixels = 256;
// Pixels are counted in bins of this many bits of each channel.
constexpr int kLevelBits = 5;
// Rounds of k-means, which rarely needs ten.
constexpr int kMostRounds = 20;
// Groups that differ by less (CIEDE2000) are shades of one colour.
constexpr double kSameColour = 10;
// Groups of a smaller share join the one that looks most alike.
constexpr double kLeastShare = 0.03;
// CIEDE2000 divides the difference in lightness by less than this.
constexpr double kMostLightnessWeight = 1.75;
// The agreement falls from 1 to 0 over this difference.
constexpr double kOtherColour = 40;

// A sum of colours, and their number.
struct Group {
  double l = 0;
  double a = 0;
  double b = 0;
  double count = 0;

  Lab mean() const {
    return {static_cast<float>(l / count), static_cast<float>(a / count),
            static_cast<float>(b / count)};
  }
  void Add(const Lab& colour, double times) {
    l += times * colour.l;
    a += times * colour.a;
    b += times * colour.b;
    count += times;
  }
  void Add(const Group& other) {
    l += other.l;
    a += other.a;
    b += other.b;
    count += other.count;
  }
};

// The pixels of one bin.
struct Bin {
  Lab colour;
  double count = 0;
};

// Each new pixel is the mean of those that it covers. (Reduce, which does the arithmetic of
// networks' input, takes several times as long.)
Image Reduced(const Image& photo) {
  const int longer = std::max(photo.width(), photo.height());
  if (longer <= kLookedAtPixels) return photo;
  const double scale = static_cast<double>(kLookedAtPixels) / longer;
  Image reduced(std::max(1, static_cast<int>(std::lround(scale * photo.width()))),
                std::max(1, static_cast<int>(std::lround(scale * photo.height()))));
  // OpenCV has no view of constant pixels, and only reads these.
  const cv::Mat from(photo.height(), photo.width(), CV_8UC3, const_cast<uint8_t*>(photo.row(0)));
  cv::Mat to(reduced.height(), reduced.width(), CV_8UC3, reduced.row(0));
  cv::resize(from, to, to.size(), 0, 0, cv::INTER_AREA);
  return reduced;
}

// 255 where a pixel counts: without the rim, where the ground shines through, if that leaves any.
cv::Mat CountedPixels(const Image& picture) {
  ShownPart shown = FindShownPart(picture);
  if (shown.mask.empty()) return cv::Mat(picture.height(), picture.width(), CV_8U, cv::Scalar(255));
  const cv::Mat mask(shown.height, shown.width, CV_8U, shown.mask.data());
  cv::Mat inner;
  cv::erode(mask, inner, cv::Mat::ones(3, 3, CV_8U), {-1, -1}, 1, cv::BORDER_CONSTANT,
            cv::Scalar::all(255));
  return cv::countNonZero(inner) > 0 ? inner : mask.clone();
}

// The mean colour of each bin that has pixels, in the order of the bins.
std::vector<Bin> BinsOf(const Image& picture, const cv::Mat& counted) {
  struct Sum {
    uint32_t count = 0;
    std::array<uint32_t, 3> channels{};
  };
  std::vector<Sum> sums(size_t{1} << (3 * kLevelBits));
  for (int y = 0; y < picture.height(); ++y) {
    const uint8_t* pixel = picture.row(y);
    for (int x = 0; x < picture.width(); ++x, pixel += Image::kChannels) {
      if (counted.at<uint8_t>(y, x) == 0) continue;
      size_t bin = 0;
      for (int c = 0; c < 3; ++c) bin = bin << kLevelBits | pixel[c] >> (8 - kLevelBits);
      ++sums[bin].count;
      for (int c = 0; c < 3; ++c) sums[bin].channels[c] += pixel[c];
    }
  }
  std::vector<Bin> bins;
  for (const Sum& sum : sums) {
    if (sum.count == 0) continue;
    std::array<uint8_t, 3> mean{};
    for (int c = 0; c < 3; ++c) {
      mean[c] = static_cast<uint8_t>((sum.channels[c] + sum.count / 2) / sum.count);
    }
    bins.push_back({LabOf(mean[0], mean[1], mean[2]), static_cast<double>(sum.count)});
  }
  return bins;
}

double SquaredDistance(const Lab& one, const Lab& other) {
  const double l = double{one.l} - other.l, a = double{one.a} - other.a,
               b = double{one.b} - other.b;
  return l * l + a * a + b * b;
}

// The index of the nearest centre.
size_t NearestOf(const std::vector<Lab>& centres, const Lab& colour) {
  size_t nearest = 0;
  for (size_t i = 1; i < centres.size(); ++i) {
    if (SquaredDistance(centres[i], colour) < SquaredDistance(centres[nearest], colour))
      nearest = i;
  }
  return nearest;
}

// The fullest bin, then in turn the one whose pixels are together farthest from those before.
std::vector<Lab> FirstCentres(const std::vector<Bin>& bins) {
  const auto fullest = std::max_element(
      bins.begin(), bins.end(), [](const Bin& a, const Bin& b) { return a.count < b.count; });
  std::vector<Lab> centres = {fullest->colour};
  while (centres.size() < kMostDominantColours) {
    const Bin* farthest = nullptr;
    double most = 0;
    for (const Bin& bin : bins) {
      const double distance =
          bin.count * SquaredDistance(centres[NearestOf(centres, bin.colour)], bin.colour);
      if (distance <= most) continue;
      most = distance;
      farthest = &bin;
    }
    if (farthest == nullptr) break;
    centres.push_back(farthest->colour);
  }
  return centres;
}

// k-means.
std::vector<Group> GroupsOf(const std::vector<Bin>& bins) {
  std::vector<Lab> centres = FirstCentres(bins);
  std::vector<Group> groups;
  for (int round = 0; round < kMostRounds; ++round) {
    groups.assign(centres.size(), {});
    for (const Bin& bin : bins) groups[NearestOf(centres, bin.colour)].Add(bin.colour, bin.count);
    groups.erase(std::remove_if(groups.begin(), groups.end(),
                                [](const Group& group) { return group.count == 0; }),
                 groups.end());
    std::vector<Lab> moved;
    for (const Group& group : groups) moved.push_back(group.mean());
    const bool settled =
        moved.size() == centres.size() &&
        std::equal(moved.begin(), moved.end(), centres.begin(),
                   [](const Lab& a, const Lab& b) { return SquaredDistance(a, b) == 0; });
    centres = std::move(moved);
    if (settled) break;
  }
  return groups;
}

// Joins shades of one colour, and specks of colour to what they look like.
void JoinAlike(std::vector<Group>& groups) {
  double total = 0;
  for (const Group& group : groups) total += group.count;
  while (groups.size() > 1) {
    size_t first = 0, second = 0;
    double least = 0;
    for (size_t i = 0; i < groups.size(); ++i) {
      for (size_t k = i + 1; k < groups.size(); ++k) {
        const bool small = std::min(groups[i].count, groups[k].count) < kLeastShare * total;
        const double difference = ColourDifference(groups[i].mean(), groups[k].mean());
        if (!small && difference >= kSameColour) continue;
        if (second != 0 && difference >= least) continue;
        first = i;
        second = k;
        least = difference;
      }
    }
    // The second index of a pair is never 0.
    if (second == 0) return;
    groups[first].Add(groups[second]);
    groups.erase(groups.begin() + static_cast<std::ptrdiff_t>(second));
  }
}

}  // namespace

std::vector<ColourShare> DominantColours(const Image& photo) {
  S2P_CHECK(!photo.empty());
  const Image picture = Reduced(photo);
  std::vector<Group> groups = GroupsOf(BinsOf(picture, CountedPixels(picture)));
  JoinAlike(groups);
  double total = 0;
  for (const Group& group : groups) total += group.count;
  std::stable_sort(groups.begin(), groups.end(),
                   [](const Group& a, const Group& b) { return a.count > b.count; });
  std::vector<ColourShare> colours;
  for (const Group& group : groups) {
    colours.push_back({group.mean(), static_cast<float>(group.count / total)});
  }
  return colours;
}

float ShareWithin(absl::Span<const ColourShare> colours, const Lab& wanted, float max_difference) {
  float share = 0;
  for (const ColourShare& colour : colours) {
    // The other parts of a difference are not negative. This costs a fiftieth of the whole, and a
    // filter may ask about every photo.
    const double lightness = std::abs(double{colour.colour.l} - wanted.l);
    if (lightness > kMostLightnessWeight * max_difference) continue;
    if (ColourDifference(colour.colour, wanted) <= max_difference) share += colour.share;
  }
  return share;
}

float ColourAgreement(absl::Span<const ColourShare> colours, const Lab& wanted) {
  double agreement = 0;
  for (const ColourShare& colour : colours) {
    const double difference = ColourDifference(colour.colour, wanted);
    agreement += colour.share * std::max(0.0, 1 - difference / kOtherColour);
  }
  // Shares may add up to a little more than 1.
  return static_cast<float>(std::min(agreement, 1.0));
}

}  // namespace s2p
