#include "server/index.h"

#include <faiss/IndexFlat.h>
#include <faiss/utils/distances.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "model/check.h"

namespace s2p {
namespace {

// Runs `work`, whose exceptions become a status: nothing of FAISS leaves this file.
template <typename Work>
absl::Status Guarded(const char* what, const Work& work) {
  try {
    work();
    return absl::OkStatus();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(what, ": out of memory"));
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat(what, ": ", e.what()));
  }
}

// Below this many queries FAISS compares them one by one instead of by a matrix product, which is
// never faster: on one thread and 100,000 x 256 rows, 8 queries took 162 ms so and 18 ms by a
// product, one query 19 ms and 17 ms. A global of the library: set once.
void PreferMatrixProducts() {
  static std::once_flag once;
  std::call_once(once, [] { faiss::distance_compute_blas_threshold = 1; });
}

class ExactIndex final : public Index {
 public:
  explicit ExactIndex(int dimension) : flat_(dimension) {}

  absl::Status Add(const EmbeddingMatrix& vectors) {
    return Guarded("build index", [&] { flat_.add(vectors.rows(), vectors.data()); });
  }

  std::string kind() const override { return "Flat"; }
  int64_t size() const override { return flat_.ntotal; }

  absl::Span<const float> vector(int64_t row) const override {
    S2P_CHECK(row >= 0 && row < flat_.ntotal);
    const size_t dimension = static_cast<size_t>(flat_.d);
    return absl::MakeConstSpan(flat_.get_xb() + static_cast<size_t>(row) * dimension, dimension);
  }

  // The classical bound for a sum of d float32 products of unit vectors, d * 2^-24, doubled: it
  // also covers norms that are off by their own rounding.
  float tolerance() const override { return static_cast<float>(flat_.d + 8) / (1 << 23); }

  absl::StatusOr<std::vector<std::vector<IndexMatch>>> Search(const EmbeddingMatrix& queries,
                                                              int64_t k) const override {
    S2P_CHECK(k >= 1);
    S2P_CHECK(queries.rows() == 0 || queries.dimension() == flat_.d);
    const int64_t n = queries.rows();
    const int64_t found = std::min<int64_t>(k, flat_.ntotal);
    std::vector<std::vector<IndexMatch>> matches(static_cast<size_t>(n));
    if (n == 0 || found == 0) return matches;
    std::vector<float> scores(static_cast<size_t>(n * found));
    std::vector<int64_t> rows(scores.size());
    absl::Status status = Guarded("search index", [&] {
      flat_.search(n, queries.data(), found, scores.data(), rows.data());
    });
    if (!status.ok()) return status;
    for (int64_t i = 0; i < n; ++i) {
      std::vector<IndexMatch>& out = matches[static_cast<size_t>(i)];
      out.reserve(static_cast<size_t>(found));
      for (int64_t j = i * found; j < (i + 1) * found; ++j) {
        // FAISS fills up with -1 where a score is not a number.
        if (rows[static_cast<size_t>(j)] < 0) {
          return absl::InternalError("search index: a score that is not a number");
        }
        out.push_back({rows[static_cast<size_t>(j)], scores[static_cast<size_t>(j)]});
      }
    }
    return matches;
  }

 private:
  faiss::IndexFlatIP flat_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<const Index>> Index::BuildExact(const EmbeddingMatrix& vectors) {
  PreferMatrixProducts();
  auto index = std::make_unique<ExactIndex>(vectors.dimension());
  if (vectors.rows() > 0) {
    absl::Status status = index->Add(vectors);
    if (!status.ok()) return status;
  }
  return std::unique_ptr<const Index>(std::move(index));
}

}  // namespace s2p
