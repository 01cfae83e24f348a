#include "server/index/index_builder.h"

#include <cmath>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/index/index_guard.h"

namespace s2p {
namespace {

// Below this an exact search is no slower than drawing its results on the page.
constexpr int64_t kAutoMinRows = 100'000;
// A training is reused until the gallery is this many times larger.
constexpr uint64_t kMaxGrowth = 4;

// The power of two nearest to 4 sqrt(n), which balances finding the lists with scanning them.
std::string AutoKind(int64_t rows) {
  const double lists = 4 * std::sqrt(static_cast<double>(rows));
  return absl::StrCat("IVF", int64_t{1} << std::lround(std::log2(lists)), ",Flat");
}

IvfAssignment AssignmentOf(const v1::IndexFile& file) {
  IvfAssignment assignment;
  assignment.reserve(static_cast<size_t>(file.digests_size()));
  for (int i = 0; i < file.digests_size(); ++i) {
    assignment.emplace_back(file.digests(i), file.lists(i));
  }
  return assignment;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const IndexBuilder>> IndexBuilder::Create(
    IndexBuilderOptions options) {
  if (options.kind != "Flat" && options.kind != "auto") {
    if (!absl::StartsWith(options.kind, "IVF")) {
      return absl::InvalidArgumentError(
          absl::StrCat("index: '", options.kind,
                       "' is neither Flat, nor auto, nor a string that begins with "
                       "IVF, such as IVF1024,Flat"));
    }
    absl::Status status = CheckIvfKind(options.kind);
    if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat("index: ", status.message()));
  }
  if (!(options.recall > 0 && options.recall <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("index recall: ", options.recall, " is not in (0, 1]"));
  }
  PrepareFaiss();
  return std::unique_ptr<const IndexBuilder>(new IndexBuilder(std::move(options)));
}

IndexBuilder::IndexBuilder(IndexBuilderOptions options)
    : options_(std::move(options)), files_(options_.directory) {}

std::string IndexBuilder::KindFor(int64_t rows) const {
  if (options_.kind == "auto") return rows < kAutoMinRows ? "Flat" : AutoKind(rows);
  if (options_.kind == "Flat" || rows < ListsOf(options_.kind)) return "Flat";
  return options_.kind;
}

bool IndexBuilder::Suits(const v1::IvfTraining& training, const std::string& kind,
                         const EmbeddingMatrix& vectors) const {
  // "auto" names another number of lists as the gallery grows, which alone is no reason to train
  // again.
  const bool same_kind =
      training.kind() == kind ||
      (options_.kind == "auto" &&
       training.kind() == AutoKind(static_cast<int64_t>(training.trained_rows())));
  return same_kind && training.dimension() == static_cast<uint32_t>(vectors.dimension()) &&
         training.wanted_recall() == options_.recall &&
         static_cast<uint64_t>(vectors.rows()) <= kMaxGrowth * training.trained_rows();
}

absl::StatusOr<std::unique_ptr<const Index>> IndexBuilder::Build(int64_t version,
                                                                 EmbeddingMatrix vectors,
                                                                 const Index* previous) const {
  const std::string kind = KindFor(vectors.rows());
  if (kind == "Flat") return Index::BuildExact(std::move(vectors));
  absl::StatusOr<std::unique_ptr<const IvfIndex>> index = absl::NotFoundError("not trained");
  const auto* trained = dynamic_cast<const IvfIndex*>(previous);
  if (trained != nullptr && Suits(trained->training(), kind, vectors)) {
    index = IvfIndex::Build(trained->training(), std::move(vectors), trained->assignment());
  } else {
    absl::StatusOr<v1::IndexFile> file = absl::NotFoundError("no file");
    if (trained == nullptr && !options_.directory.empty()) file = files_.Read(version);
    if (file.ok() && Suits(file->training(), kind, vectors)) {
      index = IvfIndex::Build(file->training(), std::move(vectors), AssignmentOf(*file));
      if (!index.ok()) file = index.status();
    }
    if (!file.ok() && !absl::IsNotFound(file.status())) ReportProblem(file.status());
  }
  if (absl::IsNotFound(index.status()) || absl::IsDataLoss(index.status())) {
    index = IvfIndex::Train(std::move(vectors), {kind, options_.recall, options_.interrupted});
  }
  if (absl::IsInvalidArgument(index.status())) {
    // A kind that does not fit the gallery must not keep a model from serving.
    ReportProblem(index.status());
    return Index::BuildExact(std::move(vectors));
  }
  if (!index.ok()) return index.status();
  Save(version, **index);
  return std::unique_ptr<const Index>(*std::move(index));
}

void IndexBuilder::Save(int64_t version, const IvfIndex& index) const {
  if (options_.directory.empty()) return;
  v1::IndexFile file;
  file.set_model_version(version);
  *file.mutable_training() = index.training();
  for (const auto& [digest, list] : index.assignment()) {
    file.add_digests(digest);
    file.add_lists(list);
  }
  absl::Status status =
      options_.check_room ? options_.check_room(file.ByteSizeLong()) : absl::OkStatus();
  if (status.ok()) status = files_.Write(file);
  if (!status.ok()) ReportProblem(status);
}

void IndexBuilder::ReportProblem(const absl::Status& status) const {
  if (options_.on_problem) options_.on_problem(status);
}

void IndexBuilder::Keep(const std::set<int64_t>& versions) const {
  if (!options_.directory.empty()) files_.Keep(versions);
}

}  // namespace s2p
