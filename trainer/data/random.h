// Random numbers that are the same on every machine and with every standard library.
#ifndef S2P_TRAINER_DATA_RANDOM_H_
#define S2P_TRAINER_DATA_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace s2p {

// A bijection that scatters every bit of x (Stafford's variant 13, the finaliser of SplitMix64,
// Steele et al. 2014).
constexpr uint64_t MixBits(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The seed of one of many independent streams: a function of its parent's seed and its own number
// alone, so the order of drawing does not matter.
constexpr uint64_t SeedOf(uint64_t parent, uint64_t stream) {
  return MixBits(MixBits(parent + 0x9e3779b97f4a7c15u) ^ (stream * 0xd1342543de82ef95u + 1));
}

// The streams that the seed of a run (TrainingSpec.seed) is split into. Two with one number would
// draw the same random numbers, and a number that changes changes every run: a new stream gets a
// new number. Streams of other seeds, such as an epoch's, are numbered where they are drawn.
enum class RunStream : uint64_t {
  kPairSampling = 1,
  kSourceSampling = 2,
  kAugmentation = 3,
  kMirror = 4,
  kPseudoSketches = 5,
  // LibTorch's generator: first weights and dropout.
  kTorch = 7,
  // The seeds of the repeats of step 2 after the first, which are split like the run's own.
  kRepeats = 8,
  kPhotoTriplets = 9,
};

constexpr uint64_t SeedOf(uint64_t run_seed, RunStream stream) {
  return SeedOf(run_seed, static_cast<uint64_t>(stream));
}

// FNV-1a of the bytes, mixed: a seed from a name.
constexpr uint64_t HashOf(absl::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return MixBits(hash);
}

// SplitMix64. The standard's engines are portable but its distributions are not, hence our own.
// A value; copying forks the stream. Thread-compatible.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Bits() { return MixBits(state_ += 0x9e3779b97f4a7c15u); }
  // In [0, 1), 53 bits.
  double Uniform() { return static_cast<double>(Bits() >> 11) * (1.0 / 9007199254740992.0); }
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  // In [0, n), unbiased to 2^-53. Requires 0 < n < 2^31.
  int Index(int n) { return static_cast<int>(Uniform() * n); }
  // Consumes one number whatever p is.
  bool Chance(double p) { return Uniform() < p; }
  // Mean 0, standard deviation 1, within ±6 (sum of twelve): no transcendental function, whose last
  // bit may differ between libraries.
  double Normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += Uniform();
    return sum;
  }
  template <typename T>
  void Shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) {
      std::swap(items[i - 1], items[static_cast<size_t>(Index(static_cast<int>(i)))]);
    }
  }

 private:
  uint64_t state_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_DATA_RANDOM_H_
