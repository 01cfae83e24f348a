// Measures the overhead of ranking beyond its matrix product: EvaluateRetrieval and the bare
// product of the same embeddings, in turn.
//
//   retrieval_benchmark [QUERIES [GALLERY [DIMENSION]]]      10000 100000 256
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/hardware_threads.h"
#include "tests/benchmarks/timing.h"
#include "tests/server/random_units.h"
#include "trainer/evaluation/retrieval_metrics.h"

namespace s2p {
namespace {

constexpr int kRepetitions = 3;
constexpr double kGoal = 1.5;

std::vector<std::string> Names(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back(absl::StrCat("identity ", i));
  return names;
}

// Each query has the photo of its number. In blocks, as nobody can keep all scores.
void Product(const EmbeddingMatrix& queries, const EmbeddingMatrix& gallery) {
  const auto tensor = [](const EmbeddingMatrix& matrix, int begin, int count) {
    return torch::from_blob(const_cast<float*>(matrix.row(begin).data()),
                            {count, matrix.dimension()});
  };
  constexpr int kBlock = 256;
  torch::Tensor scores = torch::empty({kBlock, gallery.rows()});
  const torch::Tensor columns = tensor(gallery, 0, gallery.rows()).t();
  for (int begin = 0; begin < queries.rows(); begin += kBlock) {
    const int count = std::min(kBlock, queries.rows() - begin);
    torch::Tensor block = scores.narrow(0, 0, count);
    torch::mm_out(block, tensor(queries, begin, count), columns);
  }
}

int Main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) {
    return argc > i ? std::max(1, std::atoi(argv[i])) : otherwise;
  };
  const int dimension = argument(3, 256);
  const auto queries = test::RandomUnits(argument(1, 10'000), dimension, 1);
  const auto gallery = test::RandomUnits(argument(2, 100'000), dimension, 2);
  const auto asked = Names(queries.rows()), names = Names(gallery.rows());
  at::set_num_threads(HardwareThreads());
  std::vector<double> product, evaluation;
  for (int i = 0; i < kRepetitions; ++i) {
    product.push_back(test::SecondsOf([&] { Product(queries, gallery); }));
    evaluation.push_back(
        test::SecondsOf([&] { EvaluateRetrieval(queries, asked, gallery, names); }));
  }
  std::printf("%d queries, %d photos, %d dimensions: product %.2f s, evaluation %.2f s\n",
              queries.rows(), gallery.rows(), dimension, test::Median(product),
              test::Median(evaluation));
  std::printf("evaluation / product: %.2f (goal: %.2f)\n",
              test::Median(evaluation) / test::Median(product), kGoal);
  return 0;
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) { return s2p::Main(argc, argv); }
