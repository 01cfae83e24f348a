// Compares a model in bfloat16 with itself in float32, on pictures of one's own:
//
//   precision_agreement CHECKPOINT_ROOT PHOTO_FOLDER SKETCH_FOLDER
//
// Sketch and photo belong together if their file names agree up to the extension. Prints a row of a
// Markdown table for each way to mix the two precisions.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "image/image.h"
#include "model/checkpoint_store.h"
#include "model/encoder.h"
#include "model/encoder_agreement.h"

namespace s2p {
namespace {

constexpr size_t kBatch = 32;
constexpr int kBest = 10;

// By the name of the file, without its extension.
using Pictures = std::map<std::string, Image>;

absl::StatusOr<Pictures> ReadFolder(const std::string& folder) {
  Pictures pictures;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    auto image = DecodeImage(bytes.str(), ImageLimits());
    if (!image.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(entry.path().string(), ": ", image.status().message()));
    }
    pictures.emplace(entry.path().stem().string(), *std::move(image));
  }
  if (pictures.empty()) return absl::NotFoundError(absl::StrCat(folder, ": no pictures"));
  return pictures;
}

absl::StatusOr<EmbeddingMatrix> Embed(const Encoder& encoder, const Pictures& pictures,
                                      v1::Modality modality) {
  EmbeddingMatrix all(static_cast<int>(pictures.size()), encoder.dimension());
  std::vector<EncoderInput> batch;
  int row = 0;
  const auto flush = [&]() -> absl::Status {
    S2P_ASSIGN_OR_RETURN(const Encoding encoding, encoder.Encode(batch));
    for (int i = 0; i < encoding.embeddings.rows(); ++i, ++row) {
      const auto from = encoding.embeddings.row(i);
      std::copy(from.begin(), from.end(), all.row(row).begin());
    }
    batch.clear();
    return absl::OkStatus();
  };
  for (const auto& [name, image] : pictures) {
    batch.push_back({&image, modality});
    if (batch.size() < kBatch) continue;
    S2P_RETURN_IF_ERROR(flush());
  }
  if (!batch.empty()) {
    S2P_RETURN_IF_ERROR(flush());
  }
  return all;
}

// The photos' rows, best first; equal scores by row.
std::vector<int> Ranking(absl::Span<const float> sketch, const EmbeddingMatrix& photos) {
  std::vector<std::pair<float, int>> scores;
  for (int i = 0; i < photos.rows(); ++i) {
    scores.emplace_back(-CosineSimilarity(sketch, photos.row(i)), i);
  }
  std::sort(scores.begin(), scores.end());
  std::vector<int> rows;
  for (const auto& [score, row] : scores) rows.push_back(row);
  return rows;
}

struct Comparison {
  double top10 = 0;
  double same_first = 0;
  double same_order = 0;
  double rank1 = 0;
  double largest_score_change = 0;
};

Comparison Compare(const EmbeddedPictures& want, const EmbeddingMatrix& sketches,
                   const EmbeddingMatrix& photos, const std::vector<int>& true_rows) {
  Comparison result;
  int matched = 0;
  for (int i = 0; i < sketches.rows(); ++i) {
    std::vector<int> a = Ranking(want.sketches.row(i), want.photos);
    std::vector<int> b = Ranking(sketches.row(i), photos);
    for (int k = 0; k < photos.rows(); ++k) {
      const double change = CosineSimilarity(want.sketches.row(i), want.photos.row(k)) -
                            CosineSimilarity(sketches.row(i), photos.row(k));
      result.largest_score_change = std::max(result.largest_score_change, std::abs(change));
    }
    if (true_rows[i] >= 0) {
      ++matched;
      result.rank1 += b[0] == true_rows[i] ? 1 : 0;
    }
    const size_t best = std::min<size_t>(kBest, a.size());
    a.resize(best);
    b.resize(best);
    result.same_first += a[0] == b[0] ? 1 : 0;
    result.same_order += a == b ? 1 : 0;
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    std::vector<int> both;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
    result.top10 += static_cast<double>(both.size()) / static_cast<double>(best);
  }
  result.top10 /= sketches.rows();
  result.same_first /= sketches.rows();
  result.same_order /= sketches.rows();
  if (matched > 0) result.rank1 /= matched;
  return result;
}

absl::Status Run(const std::string& root, const std::string& photo_folder,
                 const std::string& sketch_folder) {
  const CheckpointStore store(root);
  S2P_ASSIGN_OR_RETURN(const auto version, store.NewestVersion());
  S2P_ASSIGN_OR_RETURN(const auto checkpoint, store.Read(version));
  S2P_ASSIGN_OR_RETURN(const Pictures photos, ReadFolder(photo_folder));
  S2P_ASSIGN_OR_RETURN(const Pictures sketches, ReadFolder(sketch_folder));
  EmbeddedPictures embedded[2];
  for (int i = 0; i < 2; ++i) {
    EncoderOptions options;
    options.device = "cpu";
    options.threads = 1;
    options.precision = i == 0 ? "fp32" : "bf16";
    S2P_ASSIGN_OR_RETURN(const auto encoder, LoadEncoder(checkpoint, options));
    const PrecisionChoice choice = encoder->precision_choice();
    std::printf("%s: %s %s\n", options.precision.c_str(), encoder->description().c_str(),
                choice.reason.c_str());
    S2P_ASSIGN_OR_RETURN(embedded[i].photos, Embed(*encoder, photos, v1::MODALITY_PHOTO));
    S2P_ASSIGN_OR_RETURN(embedded[i].sketches, Embed(*encoder, sketches, v1::MODALITY_SKETCH));
  }
  std::vector<int> true_rows;
  for (const auto& [name, image] : sketches) {
    const auto photo = photos.find(name);
    true_rows.push_back(
        photo == photos.end() ? -1 : static_cast<int>(std::distance(photos.begin(), photo)));
  }
  const auto& [full, reduced] = embedded;
  std::printf(
      "%d photos, %d sketches; lowest cosine similarity of a picture's two embeddings "
      "%.6f\n\n",
      full.photos.rows(), full.sketches.rows(), AgreementOf(full, reduced).min_cosine);
  std::printf(
      "| sketches | photos | of the 10 best stay | same first | same 10 in order | rank-1 | "
      "largest change of a score |\n|---|---|---|---|---|---|---|\n");
  const std::pair<const char*, const EmbeddedPictures*> sides[] = {{"fp32", &full},
                                                                   {"bf16", &reduced}};
  for (const auto& [sketch_name, a] : sides) {
    for (const auto& [photo_name, b] : sides) {
      const Comparison c = Compare(full, a->sketches, b->photos, true_rows);
      std::printf("| %s | %s | %.2f %% | %.1f %% | %.1f %% | %.1f %% | %.4f |\n", sketch_name,
                  photo_name, 100 * c.top10, 100 * c.same_first, 100 * c.same_order, 100 * c.rank1,
                  c.largest_score_change);
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: precision_agreement CHECKPOINT_ROOT PHOTO_FOLDER SKETCH_FOLDER\n");
    return 2;
  }
  const absl::Status status = s2p::Run(argv[1], argv[2], argv[3]);
  if (status.ok()) return 0;
  std::fprintf(stderr, "precision_agreement: %s\n", status.ToString().c_str());
  return 1;
}
