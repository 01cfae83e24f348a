// Measures the cost of removals, filters and exact scores over a bare FAISS call: the gallery
// view's search and FAISS's own search of the same vectors take turns, so that other load on the
// machine affects both. `ratio` is FAISS's time divided by ours; 1 is equally fast, more is faster.
//
// The vectors are unit vectors in clusters, like embeddings; a filter passes one row in a hundred.
#include <benchmark/benchmark.h>
#include <faiss/IndexFlat.h>
#include <faiss/utils/distances.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "server/gallery/indexed_gallery_view.h"
#include "tests/benchmarks/timing.h"
#include "tests/server/random_units.h"
#include "tests/server/view_builder.h"

namespace s2p {
namespace {

using test::Median;
using test::SecondsOf;

constexpr int kTopK = 10;
constexpr int kClusters = 2000;

double MegabytesResident() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word != "VmRSS:") continue;
    double kilobytes = 0;
    status >> kilobytes;
    return kilobytes / 1024;
  }
  return 0;
}

std::shared_ptr<const IndexedGalleryView> MakeView(const EmbeddingMatrix& vectors,
                                                   const std::string& kind) {
  GalleryBaseBuilder builder({1, vectors.dimension(), {}}, vectors.rows());
  for (int row = 0; row < vectors.rows(); ++row) {
    auto item = std::make_shared<GalleryItem>();
    item->photo_id = absl::StrFormat("photo%08d", row);
    item->metadata = {{"share", absl::StrCat(row % 100)}};
    S2P_CHECK(builder.Add(std::move(item), vectors.row(row), {}).ok());
  }
  const auto index_builder = test::MakeIndexBuilder(kind);
  auto base = builder.Build(*index_builder, nullptr);
  S2P_CHECK(base.ok());
  return std::make_shared<const IndexedGalleryView>(*std::move(base));
}

// 100,000 x 512 in a view and in FAISS.
struct Exact {
  Exact()
      : vectors(test::ClusteredUnits(100'000, 512, kClusters, 1)),
        view(MakeView(vectors, "Flat")),
        flat(vectors.dimension()) {
    flat.add(vectors.rows(), vectors.data());
    std::vector<std::string> removed;
    // No cluster loses more than one of its rows, since the rows of a cluster are kClusters apart.
    for (int row = 0; row < vectors.rows(); ++row) {
      if ((row % kClusters + row / kClusters) % 100 != 0) continue;
      removed.push_back(absl::StrFormat("photo%08d", row));
    }
    S2P_CHECK(removed.size() == 1000);
    without = *view->With({}, removed);
  }
  const EmbeddingMatrix vectors;
  std::shared_ptr<const IndexedGalleryView> view, without;
  faiss::IndexFlatIP flat;
};

Exact& TheExact() {
  static auto& exact = *new Exact;
  return exact;
}

// Queries from the same clusters.
EmbeddingMatrix Queries(int count, int dimension, uint32_t seed) {
  return test::ClusteredUnits(count, dimension, kClusters, 1, seed);
}

// The faster of FAISS's two ways to compare.
double BareSeconds(const faiss::IndexFlatIP& flat, const EmbeddingMatrix& queries) {
  std::vector<float> scores(static_cast<size_t>(queries.rows()) * kTopK);
  std::vector<int64_t> rows(scores.size());
  const auto search = [&] {
    flat.search(queries.rows(), queries.data(), kTopK, scores.data(), rows.data());
  };
  const int before = faiss::distance_compute_blas_threshold;
  faiss::distance_compute_blas_threshold = 1;
  const double with_product = SecondsOf(search);
  faiss::distance_compute_blas_threshold = 1000;
  const double without_product = queries.rows() == 1 ? SecondsOf(search) : with_product;
  faiss::distance_compute_blas_threshold = before;
  return std::min(with_product, without_product);
}

enum class Kind { kPlain, kRemoved, kFiltered };

void ExactSearch(benchmark::State& state, Kind kind) {
  Exact& exact = TheExact();
  const int batch = static_cast<int>(state.range(0));
  const auto& view = kind == Kind::kRemoved ? *exact.without : *exact.view;
  GallerySearchOptions options;
  options.top_k = kTopK;
  if (kind == Kind::kFiltered) options.filter.metadata = {{"share", "7"}};
  const std::vector<GallerySearchOptions> all(static_cast<size_t>(batch), options);
  std::vector<double> ours, bare;
  uint32_t seed = 100;
  for (auto _ : state) {
    const EmbeddingMatrix queries = Queries(batch, exact.vectors.dimension(), ++seed);
    bare.push_back(BareSeconds(exact.flat, queries));
    ours.push_back(SecondsOf([&] { S2P_CHECK(view.Search(queries, all).ok()); }));
    state.SetIterationTime(ours.back());
  }
  state.counters["faiss_ms"] = Median(bare) * 1e3;
  state.counters["ours_ms"] = Median(ours) * 1e3;
  state.counters["ratio"] = Median(bare) / Median(ours);
}

BENCHMARK_CAPTURE(ExactSearch, 100000x512_plain, Kind::kPlain)
    ->Arg(1)
    ->Arg(32)
    ->Iterations(15)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ExactSearch, 100000x512_removed_1_percent, Kind::kRemoved)
    ->Arg(1)
    ->Arg(32)
    ->Iterations(15)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ExactSearch, 100000x512_filter_1_percent, Kind::kFiltered)
    ->Arg(1)
    ->Arg(32)
    ->Iterations(15)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond);

// 1,000,000 x 256 in an inverted file: recall@10 against an exact scan, for queries from the
// clusters, and the time it takes.
void IvfSearch(benchmark::State& state) {
  constexpr int kRows = 1'000'000, kDimension = 256, kQueries = 200;
  const double before = MegabytesResident();
  std::shared_ptr<const IndexedGalleryView> view;
  double build_seconds = 0;
  std::vector<std::set<int64_t>> truth(kQueries);
  const EmbeddingMatrix queries = Queries(kQueries, kDimension, 77);
  {
    const EmbeddingMatrix vectors = test::ClusteredUnits(kRows, kDimension, kClusters, 1);
    std::vector<float> scores(kQueries * kTopK);
    std::vector<int64_t> rows(scores.size());
    faiss::knn_inner_product(queries.data(), vectors.data(), kDimension, kQueries, kRows, kTopK,
                             scores.data(), rows.data());
    for (size_t i = 0; i < rows.size(); ++i) truth[i / kTopK].insert(rows[i]);
    build_seconds = SecondsOf([&] { view = MakeView(vectors, "auto"); });
  }
  GallerySearchOptions options;
  options.top_k = kTopK;
  int64_t hits = 0, searched = 0;
  int next = 0;
  for (auto _ : state) {
    EmbeddingMatrix query(1, kDimension);
    const auto from = queries.row(next);
    std::copy(from.begin(), from.end(), query.row(0).begin());
    const auto found = view->Search(query, {&options, 1});
    S2P_CHECK(found.ok());
    for (const GalleryMatch& match : found->front()) {
      hits += static_cast<int64_t>(
          truth[static_cast<size_t>(next)].count(std::stoll(match.item->photo_id.substr(5))));
    }
    ++searched;
    next = (next + 1) % kQueries;
  }
  state.SetLabel(view->index_kind());
  state.counters["recall_at_10"] =
      static_cast<double>(hits) / static_cast<double>(searched * kTopK);
  state.counters["measured_when_trained"] = view->index_recall();
  state.counters["build_s"] = build_seconds;
  state.counters["resident_mb"] = MegabytesResident() - before;
  state.counters["vectors_mb"] = kRows * (kDimension * 4.0) / (1 << 20);
  state.counters["queries_per_s"] =
      benchmark::Counter(static_cast<double>(searched), benchmark::Counter::kIsRate);
}
BENCHMARK(IvfSearch)->Iterations(200)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace s2p

BENCHMARK_MAIN();
