#include "model/backbone/transformer_fields.h"

#include "absl/strings/str_cat.h"

namespace s2p {
namespace {

// The most weights that a file may hold (model/checkpoint.cc).
constexpr uint64_t kMaxWeights = uint64_t{1} << 31;

// The weights of the blocks' dense layers, without biases.
uint64_t CountWeights(const v1::VisionTransformer& t) {
  return uint64_t{t.depth()} * t.width() * (4 * uint64_t{t.width()} + 2 * uint64_t{t.mlp_width()});
}

struct Range {
  const char* name;
  uint32_t value;
  uint32_t low, high;
};

}  // namespace

std::vector<WrongField> WrongFields(const v1::VisionTransformer& t) {
  std::vector<WrongField> wrong;
  for (const Range& range :
       {Range{"patch", t.patch(), 1, 64}, Range{"width", t.width(), 8, 4096},
        Range{"depth", t.depth(), 1, 64}, Range{"heads", t.heads(), 1, 64},
        Range{"mlp_width", t.mlp_width(), 1, 16384},
        Range{"position_side", t.position_side(), 1, 128}, Range{"registers", t.registers(), 0, 64},
        Range{"projection", t.projection(), 0, 8192}}) {
    if (range.value >= range.low && range.value <= range.high) continue;
    wrong.push_back({range.name, absl::StrCat("from ", range.low, " to ", range.high)});
  }
  if (wrong.empty() && t.width() % t.heads() != 0) {
    wrong.push_back({"width", absl::StrCat("a multiple of heads, ", t.heads())});
  }
  if (wrong.empty() && CountWeights(t) > kMaxWeights) {
    wrong.push_back({"depth", "less with these widths, for weights that fit into a file of 8 GiB"});
  }
  if (t.activation() == v1::ACTIVATION_UNSPECIFIED || !v1::Activation_IsValid(t.activation())) {
    wrong.push_back({"activation",
                     "ACTIVATION_GELU, ACTIVATION_GELU_TANH or "
                     "ACTIVATION_QUICK_GELU"});
  }
  // Written so that NaN fails.
  if (!(t.norm_epsilon() >= 1e-12 && t.norm_epsilon() <= 0.01)) {
    wrong.push_back({"norm_epsilon", "from 1e-12 to 0.01"});
  }
  if (t.position_resampling() == v1::POSITION_RESAMPLING_UNSPECIFIED ||
      !v1::PositionResampling_IsValid(t.position_resampling())) {
    wrong.push_back({"position_resampling",
                     "POSITION_RESAMPLING_ANTIALIASED, POSITION_RESAMPLING_PLAIN, "
                     "POSITION_RESAMPLING_OFFSET or POSITION_RESAMPLING_ALIGNED_CORNERS"});
  }
  return wrong;
}

}  // namespace s2p
