#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "model/checkpoint.h"
#include "trainer/data/data_set.h"
#include "trainer/evaluation/checkpoint_evaluation.h"
#include "trainer/evaluation/edge_correlation.h"
#include "trainer/evaluation/evaluator.h"
#include "trainer/pictures/ranking_picture.h"
#include "trainer/program/commands.h"
#include "trainer/program/evaluation_report.h"
#include "trainer/program/measured_images.h"
#include "trainer/program/training_display.h"

namespace s2p {
namespace {

// Measurements; one that was not asked for, or is impossible, is unset.
struct Measured {
  std::optional<EvaluationResult> retrieval;
  std::vector<AttributeAccuracy> attributes;
  // Set with --details, for the retrieval.
  MeasuredImages images;
};

bool HasBothModalities(const std::vector<DataSetImage>& images) {
  bool photo = false, sketch = false;
  for (const DataSetImage& image : images) {
    (image.modality == v1::MODALITY_SKETCH ? sketch : photo) = true;
  }
  return photo && sketch;
}

absl::StatusOr<Measured> MeasureCheckpoint(const EvaluateOptions& options,
                                           const DataSet& data_set) {
  S2P_ASSIGN_OR_RETURN(const auto images, ImagesOfSplit(data_set, options.split));
  S2P_ASSIGN_OR_RETURN(const auto checkpoint, ReadCheckpoint(options.checkpoint));
  S2P_ASSIGN_OR_RETURN(const auto network,
                       LoadNetworks(checkpoint, {options.device, options.threads}));
  Measured measured;
  const bool searchable = HasBothModalities(images);
  if (options.details || !searchable) {
    S2P_ASSIGN_OR_RETURN(measured.attributes, MeasureAttributes(*network, checkpoint.manifest,
                                                                data_set, images, options.threads));
  }
  if (!searchable && !measured.attributes.empty()) return measured;
  S2P_ASSIGN_OR_RETURN(const auto set,
                       LoadEvaluationSet(data_set, images, checkpoint.manifest, options.threads));
  S2P_ASSIGN_OR_RETURN(measured.retrieval, Evaluate(*network, set, options.direction));
  measured.retrieval->evaluation.set_dataset(data_set.name());
  if (options.details) measured.images = MeasuredImagesOf(data_set, images, options.threads);
  return measured;
}

absl::StatusOr<Measured> Measure(const EvaluateOptions& options, const DataSet& data_set) {
  if (options.baseline.empty()) return MeasureCheckpoint(options, data_set);
  S2P_ASSIGN_OR_RETURN(auto evaluation,
                       EvaluateEdgeCorrelation(data_set, options.split, options.direction));
  Measured measured;
  measured.retrieval.emplace();
  measured.retrieval->evaluation = std::move(evaluation);
  return measured;
}

absl::Status WritePictureOf(const EvaluationResult& result, const EvaluateOptions& options,
                            const DataSet& data_set) {
  const auto read = [&](const std::string& path) {
    DataSetImage image;
    image.path = path;
    return data_set.Read(image);
  };
  std::vector<RankedQuery> rows;
  const RowOrder order =
      options.picture_of == "best" ? RowOrder::kBestFirst : RowOrder::kWorstFirst;
  for (const size_t q : ChooseRows(result.first_match_rank, result.margin,
                                   static_cast<size_t>(options.rows), order)) {
    RankedQuery row;
    S2P_ASSIGN_OR_RETURN(row.query, read(result.query_paths[q]));
    row.true_rank = result.first_match_rank[q];
    row.caption = result.query_identities[q];
    for (const int match : result.top[q]) {
      S2P_ASSIGN_OR_RETURN(auto image, read(result.gallery_paths[match]));
      row.top.push_back(std::move(image));
      row.hit.push_back(result.gallery_identities[match] == result.query_identities[q]);
    }
    rows.push_back(std::move(row));
  }
  const std::string title =
      absl::StrFormat("%s, %s, %s: rank-1 %.1f %%; the %s %d of %d queries", data_set.name(),
                      options.split, options.direction, 100 * result.evaluation.rank1(),
                      options.picture_of, rows.size(), result.evaluation.queries());
  return WriteRankingPicture(rows, title, options.picture);
}

}  // namespace

absl::Status RunEvaluate(const EvaluateOptions& options, std::ostream& out) {
  if (options.checkpoint.empty() == options.baseline.empty()) {
    return absl::InvalidArgumentError(
        "say what to evaluate: --checkpoint DIR/VERSION or --baseline edge-correlation");
  }
  if (!options.baseline.empty() && (options.details || !options.picture.empty())) {
    return absl::InvalidArgumentError("--details and --picture are for checkpoints");
  }
  S2P_ASSIGN_OR_RETURN(const auto data_set, DataSet::Open(options.dataset));
  auto measured = Measure(options, data_set);
  if (!measured.ok()) return measured.status();
  if (measured->retrieval) measured->retrieval->evaluation.set_split(options.split);
  if (options.json) {
    out << EvaluationJson(measured->retrieval, measured->attributes, options.details,
                          measured->images.sha256);
  } else {
    if (measured->retrieval) out << EvaluationTable({measured->retrieval->evaluation});
    out << AttributeTable(measured->attributes);
  }
  if (options.picture.empty()) return absl::OkStatus();
  if (!measured->retrieval) {
    return absl::InvalidArgumentError("--picture: the split has no sketch to search with");
  }
  return WritePictureOf(*measured->retrieval, options, data_set);
}

}  // namespace s2p
