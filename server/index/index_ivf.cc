#include "server/index/index_ivf.h"

#include <faiss/IndexIVF.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/impl/io.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>
#include <faiss/utils/distances.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <typeinfo>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "server/index/index_guard.h"

namespace s2p {
namespace {

// Training points per list; more give better centres at proportional cost.
constexpr int kPointsPerList = 64;
// The measurement of recall.
constexpr int kMeasuredQueries = 256;
constexpr int kMeasuredRank = 10;
constexpr float kQueryCosine = 0.7f;
// Rows that are assigned to lists and encoded at a time.
constexpr int64_t kBlockRows = 16384;
// Divisible by the usual numbers of product quantisers.
constexpr int kAnyDimension = 3840;

uint64_t RowDigest(absl::Span<const float> row) {
  // Multiply and mix (as splitmix64 does), word by word.
  uint64_t digest = 0x9E3779B97F4A7C15u;
  for (float value : row) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    digest = (digest ^ bits) * 0xBF58476D1CE4E5B9u;
    digest ^= digest >> 29;
  }
  return digest;
}

absl::Status CheckIvf(const std::string& kind, const faiss::IndexIVF* ivf) {
  if (ivf == nullptr || dynamic_cast<const faiss::ArrayInvertedLists*>(ivf->invlists) == nullptr ||
      ivf->metric_type != faiss::METRIC_INNER_PRODUCT) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", kind,
                     "' is not an inverted file with single codes; use for example IVF1024,Flat or "
                     "IVF4096,SQ8"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<faiss::IndexIVF>> MakeIvf(const std::string& kind, int dimension) {
  if (!absl::StartsWith(kind, "IVF")) {
    return absl::InvalidArgumentError(absl::StrCat("'", kind, "' does not begin with IVF"));
  }
  std::unique_ptr<faiss::Index> index;
  absl::Status status = GuardIndex("", [&] {
    index.reset(faiss::index_factory(dimension, kind.c_str(), faiss::METRIC_INNER_PRODUCT));
  });
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", kind, "' is not a factory string of FAISS", status.message()));
  }
  auto* ivf = dynamic_cast<faiss::IndexIVF*>(index.get());
  status = CheckIvf(kind, ivf);
  if (!status.ok()) return status;
  index.release();
  return std::unique_ptr<faiss::IndexIVF>(ivf);
}

// Reads the trained index without vectors from `training`.
absl::StatusOr<std::unique_ptr<faiss::IndexIVF>> Parse(const v1::IvfTraining& training) {
  faiss::VectorIOReader reader;
  reader.data.assign(training.faiss_index().begin(), training.faiss_index().end());
  std::unique_ptr<faiss::Index> index;
  absl::Status status =
      GuardIndex("read index", [&] { index.reset(faiss::read_index(&reader, 0)); });
  auto* ivf = dynamic_cast<faiss::IndexIVF*>(index.get());
  if (status.ok()) status = CheckIvf(training.kind(), ivf);
  if (absl::IsResourceExhausted(status)) return status;
  if (!status.ok()) return absl::DataLossError(status.message());
  if (!ivf->is_trained || ivf->ntotal != 0 || ivf->metric_type != faiss::METRIC_INNER_PRODUCT ||
      static_cast<uint32_t>(ivf->d) != training.dimension() || training.probes() < 1 ||
      training.probes() > ivf->nlist) {
    return absl::DataLossError("read index: it does not come from training");
  }
  index.release();
  return std::unique_ptr<faiss::IndexIVF>(ivf);
}

v1::IvfTraining Write(const faiss::IndexIVF& trained, const std::string& kind, int64_t rows) {
  faiss::VectorIOWriter writer;
  faiss::write_index(&trained, &writer);
  v1::IvfTraining training;
  training.set_kind(kind);
  training.set_dimension(static_cast<uint32_t>(trained.d));
  training.set_trained_rows(static_cast<uint64_t>(rows));
  training.set_probes(1);
  training.set_faiss_index(writer.data.data(), writer.data.size());
  return training;
}

void AddScaled(absl::Span<const float> from, float factor, absl::Span<float> to) {
  for (size_t k = 0; k < to.size(); ++k) to[k] += factor * from[k];
}

// Makes queries from evenly spread rows of `vectors`, each mixed with another row and noise to a
// cosine similarity of about kQueryCosine: like a sketch, it lies between the lists.
EmbeddingMatrix MixedRows(const EmbeddingMatrix& vectors) {
  const int count = std::min(kMeasuredQueries, vectors.rows());
  EmbeddingMatrix queries(count, vectors.dimension());
  std::mt19937_64 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> noise(static_cast<size_t>(vectors.dimension()));
  const float share = std::sqrt((1 / (kQueryCosine * kQueryCosine) - 1) / 2);
  for (int i = 0; i < count; ++i) {
    for (float& value : noise) value = normal(random);
    NormalizeL2(absl::MakeSpan(noise));
    const auto row = static_cast<int>(int64_t{i} * vectors.rows() / count);
    const auto other = static_cast<int>(random() % static_cast<uint64_t>(vectors.rows()));
    AddScaled(vectors.row(row), 1, queries.row(i));
    AddScaled(vectors.row(other), share, queries.row(i));
    AddScaled(noise, share, queries.row(i));
    NormalizeL2(queries.row(i));
  }
  return queries;
}

class FaissIvfIndex final : public IvfIndex {
 public:
  FaissIvfIndex(v1::IvfTraining training, std::unique_ptr<faiss::IndexIVF> ivf)
      : training_(std::move(training)),
        ivf_(std::move(ivf)),
        // Not a derived class, which has other codes.
        flat_(typeid(*ivf_) == typeid(faiss::IndexIVFFlat)) {}

  absl::Status Fill(EmbeddingMatrix vectors, const IvfAssignment& known) {
    return GuardIndex("build index", [&] {
      FindLists(vectors, known);
      FillLists(vectors);
      // Lossy codes are not vectors.
      if (!flat_) vectors_ = std::move(vectors);
    });
  }

  // Raises the number of visited lists until the recall is reached.
  absl::Status Measure(const EmbeddingMatrix& queries,
                       const std::vector<std::vector<IndexMatch>>& truth, double recall) {
    for (uint32_t probes = 1;; probes = std::min(probes * 2, static_cast<uint32_t>(ivf_->nlist))) {
      training_.set_probes(probes);
      S2P_ASSIGN_OR_RETURN(auto found, Search(queries, kMeasuredRank + kIndexFetchSlack));
      training_.set_recall(RecallOf(found, truth));
      if (training_.recall() >= recall || probes == ivf_->nlist) return absl::OkStatus();
    }
  }

  std::string kind() const override { return training_.kind(); }
  int64_t size() const override { return static_cast<int64_t>(lists_.size()); }
  bool exact() const override { return false; }
  double recall() const override { return training_.recall(); }
  float tolerance() const override { return InnerProductTolerance(ivf_->d); }
  const v1::IvfTraining& training() const override { return training_; }

  absl::Span<const float> vector(int64_t row) const override {
    S2P_CHECK(row >= 0 && row < size());
    if (!flat_) return vectors_.row(static_cast<int>(row));
    const size_t at = static_cast<size_t>(row);
    const uint8_t* code = ivf_->invlists->get_single_code(lists_[at], offsets_[at]);
    return {reinterpret_cast<const float*>(code), static_cast<size_t>(ivf_->d)};
  }

  IvfAssignment assignment() const override {
    IvfAssignment assignment;
    assignment.reserve(lists_.size());
    for (size_t row = 0; row < lists_.size(); ++row) {
      assignment.emplace_back(RowDigest(vector(static_cast<int64_t>(row))), lists_[row]);
    }
    std::sort(assignment.begin(), assignment.end());
    return assignment;
  }

  absl::StatusOr<std::vector<std::vector<IndexMatch>>> Search(const EmbeddingMatrix& queries,
                                                              int64_t k,
                                                              int64_t effort = 1) const override {
    S2P_CHECK(k >= 1 && effort >= 1);
    S2P_CHECK(queries.rows() == 0 || queries.dimension() == ivf_->d);
    const size_t n = static_cast<size_t>(queries.rows());
    const size_t found = static_cast<size_t>(std::min(k, size()));
    if (n == 0 || found == 0) return std::vector<std::vector<IndexMatch>>(n);
    std::vector<float> scores(n * found);
    std::vector<int64_t> rows(scores.size());
    faiss::SearchParametersIVF parameters;
    parameters.nprobe = static_cast<size_t>(std::min(
        static_cast<int64_t>(ivf_->nlist), effort * static_cast<int64_t>(training_.probes())));
    S2P_RETURN_IF_ERROR(GuardIndex("search index", [&] {
      ivf_->search(static_cast<int64_t>(n), queries.data(), static_cast<int64_t>(found),
                   scores.data(), rows.data(), &parameters);
    }));
    return IndexMatchesOf(scores, rows, n);
  }

 private:
  static double RecallOf(const std::vector<std::vector<IndexMatch>>& found,
                         const std::vector<std::vector<IndexMatch>>& truth) {
    size_t wanted = 0, hits = 0;
    for (size_t i = 0; i < truth.size(); ++i) {
      for (const IndexMatch& match : truth[i]) {
        ++wanted;
        hits += std::any_of(found[i].begin(), found[i].end(),
                            [&match](const IndexMatch& other) { return other.row == match.row; });
      }
    }
    return wanted == 0 ? 1 : static_cast<double>(hits) / static_cast<double>(wanted);
  }

  void FindLists(const EmbeddingMatrix& vectors, const IvfAssignment& known) {
    const int n = vectors.rows();
    lists_.resize(static_cast<size_t>(n));
    std::vector<int> unknown;
    for (int row = 0; row < n; ++row) {
      const uint64_t digest = known.empty() ? 0 : RowDigest(vectors.row(row));
      const auto it = std::lower_bound(known.begin(), known.end(), std::pair(digest, uint32_t{0}));
      if (it != known.end() && it->first == digest && it->second < ivf_->nlist) {
        lists_[static_cast<size_t>(row)] = it->second;
      } else {
        unknown.push_back(row);
      }
    }
    const size_t d = static_cast<size_t>(vectors.dimension());
    std::vector<float> block;
    std::vector<int64_t> labels;
    for (size_t begin = 0; begin < unknown.size(); begin += kBlockRows) {
      const size_t count = std::min(unknown.size() - begin, static_cast<size_t>(kBlockRows));
      block.resize(count * d);
      labels.resize(count);
      for (size_t i = 0; i < count; ++i) {
        const absl::Span<const float> row = vectors.row(unknown[begin + i]);
        std::copy(row.begin(), row.end(), block.begin() + static_cast<ptrdiff_t>(i * d));
      }
      ivf_->quantizer->assign(static_cast<int64_t>(count), block.data(), labels.data());
      for (size_t i = 0; i < count; ++i) {
        // -1 marks a vector with a NaN: no query finds it, so any list will do.
        lists_[static_cast<size_t>(unknown[begin + i])] =
            static_cast<uint32_t>(std::max<int64_t>(labels[i], 0));
      }
    }
  }

  // Reserves each list's final length first: letting the lists grow row by row would take up to
  // twice the memory.
  void FillLists(const EmbeddingMatrix& vectors) {
    std::vector<std::vector<int>> rows(ivf_->nlist);
    offsets_.resize(lists_.size());
    for (size_t row = 0; row < lists_.size(); ++row) {
      std::vector<int>& list = rows[lists_[row]];
      offsets_[row] = static_cast<uint32_t>(list.size());
      list.push_back(static_cast<int>(row));
    }
    const size_t d = static_cast<size_t>(vectors.dimension());
    for (size_t list = 0; list < rows.size(); ++list) {
      ivf_->invlists->resize(list, rows[list].size());
      for (size_t begin = 0; begin < rows[list].size(); begin += kBlockRows) {
        const size_t count = std::min(rows[list].size() - begin, static_cast<size_t>(kBlockRows));
        std::vector<float> block(count * d);
        std::vector<int64_t> ids(count);
        for (size_t i = 0; i < count; ++i) {
          const int row = rows[list][begin + i];
          ids[i] = row;
          std::copy_n(vectors.row(row).data(), d, block.data() + i * d);
        }
        const std::vector<int64_t> lists(count, static_cast<int64_t>(list));
        std::vector<uint8_t> codes(count * ivf_->code_size);
        ivf_->encode_vectors(static_cast<int64_t>(count), block.data(), lists.data(), codes.data());
        ivf_->invlists->update_entries(list, begin, count, ids.data(), codes.data());
      }
    }
    ivf_->ntotal = static_cast<int64_t>(lists_.size());
  }

  v1::IvfTraining training_;
  const std::unique_ptr<faiss::IndexIVF> ivf_;
  const bool flat_;
  // By row: its list and its place in the list.
  std::vector<uint32_t> lists_;
  std::vector<uint32_t> offsets_;
  // Empty if the lists hold the vectors themselves.
  EmbeddingMatrix vectors_;
};

absl::StatusOr<std::unique_ptr<FaissIvfIndex>> BuildFilled(const v1::IvfTraining& training,
                                                           EmbeddingMatrix&& vectors,
                                                           const IvfAssignment& known) {
  S2P_ASSIGN_OR_RETURN(auto ivf, Parse(training));
  if (vectors.dimension() != ivf->d) {
    return absl::DataLossError(absl::StrCat("read index: it is for vectors of ", ivf->d,
                                            " values, not ", vectors.dimension()));
  }
  auto index = std::make_unique<FaissIvfIndex>(training, std::move(ivf));
  S2P_RETURN_IF_ERROR(index->Fill(std::move(vectors), known));
  return index;
}

absl::StatusOr<v1::IvfTraining> TrainLists(const EmbeddingMatrix& vectors,
                                           const IvfTrainingOptions& options) {
  S2P_ASSIGN_OR_RETURN(auto made, MakeIvf(options.kind, vectors.dimension()));
  faiss::IndexIVF& ivf = *made;
  S2P_CHECK(vectors.rows() >= static_cast<int64_t>(ivf.nlist));
  ivf.cp.max_points_per_centroid = kPointsPerList;
  // FAISS would print a warning below its own minimum; the measured recall says more.
  ivf.cp.min_points_per_centroid = 1;
  if (auto* product = dynamic_cast<faiss::IndexIVFPQ*>(&ivf)) {
    product->pq.cp.min_points_per_centroid = 1;
  }
  v1::IvfTraining training;
  absl::Status status = GuardIndex("train index", [&] {
    const FaissInterrupt interrupt(options.interrupted);
    ivf.train(vectors.rows(), vectors.data());
    training = Write(ivf, options.kind, vectors.rows());
    training.set_wanted_recall(options.recall);
  });
  if (status.ok()) return training;
  if (options.interrupted && options.interrupted()) {
    return absl::CancelledError("train index: interrupted");
  }
  if (absl::IsInternal(status)) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", options.kind, "' with ", vectors.rows(), " vectors: ", status.message()));
  }
  return status;
}

// The results of an exact search of `vectors`.
absl::StatusOr<std::vector<std::vector<IndexMatch>>> ExactMatches(const EmbeddingMatrix& queries,
                                                                  const EmbeddingMatrix& vectors) {
  const size_t n = static_cast<size_t>(queries.rows());
  const size_t k = static_cast<size_t>(std::min(kMeasuredRank, vectors.rows()));
  std::vector<float> scores(n * k);
  std::vector<int64_t> rows(scores.size());
  S2P_RETURN_IF_ERROR(GuardIndex("measure index", [&] {
    faiss::knn_inner_product(queries.data(), vectors.data(),
                             static_cast<size_t>(vectors.dimension()), n,
                             static_cast<size_t>(vectors.rows()), k, scores.data(), rows.data());
  }));
  return IndexMatchesOf(scores, rows, n);
}

}  // namespace

absl::Status CheckIvfKind(const std::string& kind) { return MakeIvf(kind, kAnyDimension).status(); }

int64_t ListsOf(const std::string& ivf_kind) {
  const auto ivf = MakeIvf(ivf_kind, kAnyDimension);
  return ivf.ok() ? static_cast<int64_t>((*ivf)->nlist) : 0;
}

absl::StatusOr<std::unique_ptr<const IvfIndex>> IvfIndex::Train(EmbeddingMatrix&& vectors,
                                                                const IvfTrainingOptions& options) {
  PrepareFaiss();
  S2P_ASSIGN_OR_RETURN(auto training, TrainLists(vectors, options));
  const EmbeddingMatrix queries = MixedRows(vectors);
  S2P_ASSIGN_OR_RETURN(auto truth, ExactMatches(queries, vectors));
  S2P_ASSIGN_OR_RETURN(auto index, BuildFilled(training, std::move(vectors), {}));
  S2P_RETURN_IF_ERROR(index->Measure(queries, truth, options.recall));
  return std::unique_ptr<const IvfIndex>(std::move(index));
}

absl::StatusOr<std::unique_ptr<const IvfIndex>> IvfIndex::Build(const v1::IvfTraining& training,
                                                                EmbeddingMatrix&& vectors,
                                                                const IvfAssignment& known) {
  S2P_ASSIGN_OR_RETURN(auto index, BuildFilled(training, std::move(vectors), known));
  return std::unique_ptr<const IvfIndex>(std::move(index));
}

}  // namespace s2p
