// A gallery view, and a plain list of its expected rows.
#ifndef S2P_TESTS_SERVER_GALLERY_GALLERY_VIEW_FIXTURE_H_
#define S2P_TESTS_SERVER_GALLERY_GALLERY_VIEW_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "server/gallery/indexed_gallery_view.h"
#include "tests/server/view_builder.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {

inline constexpr int kDimension = 24;
// Rows whose id ends in 8 show both, those whose id ends in 9 the second alone, all others the
// first.
inline constexpr Lab kFrequent = {50, 60, 40};
inline constexpr Lab kRare = {40, 10, -60};

class GalleryViewTest : public testing::Test {
 protected:
  std::vector<float> RandomUnit() {
    std::normal_distribution<float> normal;
    std::vector<float> vector(kDimension);
    for (float& value : vector) value = normal(random_);
    NormalizeL2(absl::MakeSpan(vector));
    return vector;
  }
  EmbeddingMatrix OneRandomQuery() {
    EmbeddingMatrix query(1, kDimension);
    const std::vector<float> values = RandomUnit();
    std::copy(values.begin(), values.end(), query.row(0).begin());
    return query;
  }
  GalleryRow Row(const std::string& photo_id, std::vector<float> embedding) {
    auto item = std::make_shared<GalleryItem>();
    item->photo_id = photo_id;
    item->metadata = {{"parity", photo_id.back() % 2 == 0 ? "even" : "odd"},
                      {"last", photo_id.substr(photo_id.size() - 1)}};
    std::uniform_real_distribution<float> uniform(0, 1);
    item->colours = {{kFrequent, 1}};
    if (photo_id.back() == '8') item->colours = {{kFrequent, 0.5F}, {kRare, 0.5F}};
    if (photo_id.back() == '9') item->colours = {{kRare, 1}};
    return {std::move(item), std::move(embedding), {uniform(random_)}};
  }
  // Adds `count` rows to the truth and returns them. Every seventh repeats an earlier vector, so
  // that there are ties.
  std::vector<GalleryRow> NewRows(int count) {
    std::vector<GalleryRow> rows;
    for (int i = 0; i < count; ++i) {
      std::vector<float> embedding = RandomUnit();
      if (i % 7 == 6) embedding = rows[static_cast<size_t>(i / 2)].embedding;
      rows.push_back(Row(absl::StrFormat("p%06d", next_id_++), std::move(embedding)));
    }
    std::shuffle(rows.begin(), rows.end(), random_);
    truth_.insert(truth_.end(), rows.begin(), rows.end());
    return rows;
  }
  void Build(int count) { view_ = *BuildView(model_, NewRows(count), *builder_); }
  void Append(int count) { view_ = *view_->With(NewRows(count), {}); }
  // Removes every `step`th row of the truth.
  void RemoveEvery(size_t step) {
    std::vector<std::string> removed;
    std::vector<GalleryRow> kept;
    for (size_t i = 0; i < truth_.size(); ++i) {
      if (i % step == 0) {
        removed.push_back(truth_[i].item->photo_id);
      } else {
        kept.push_back(truth_[i]);
      }
    }
    truth_ = std::move(kept);
    view_ = *view_->With({}, removed);
  }

  // The results of a plain loop over all rows: "id score".
  std::vector<std::string> BruteForce(absl::Span<const float> query,
                                      const GallerySearchOptions& options) const {
    std::vector<std::tuple<float, std::string, float>> all;
    for (const GalleryRow& row : truth_) {
      if (!ItemPasses(*row.item, options.filter)) continue;
      bool passes = true;
      for (const AttributeBounds& bounds : options.filter.attributes) {
        passes = passes && row.attributes[0] >= bounds.min && row.attributes[0] <= bounds.max;
      }
      const float score = CosineSimilarity(query, row.embedding);
      float sum = score;
      for (const ColourPreference& preference : options.colours) {
        sum += preference.weight * ColourAgreement(row.item->colours, preference.colour);
      }
      if (passes && score >= options.min_score) all.push_back({-sum, row.item->photo_id, score});
    }
    std::sort(all.begin(), all.end());
    if (all.size() > static_cast<size_t>(options.top_k)) {
      all.resize(static_cast<size_t>(options.top_k));
    }
    std::vector<std::string> lines;
    for (const auto& [negative, id, score] : all) {
      lines.push_back(absl::StrFormat("%s %.9g", id, score));
    }
    return lines;
  }
  static std::vector<std::string> Lines(const std::vector<GalleryMatch>& matches) {
    std::vector<std::string> lines;
    for (const GalleryMatch& match : matches) {
      lines.push_back(absl::StrFormat("%s %.9g", match.item->photo_id, match.score));
    }
    return lines;
  }
  // Searches with `batch` queries at once and compares each with the plain loop. Every fourth query
  // is a row of the gallery, which has ties where the row was repeated.
  void ExpectBruteForce(int batch, const GallerySearchOptions& options) {
    EmbeddingMatrix queries(batch, kDimension);
    for (int i = 0; i < batch; ++i) {
      std::vector<float> query = RandomUnit();
      if (i % 4 == 3) query = truth_[truth_.size() / 2 + static_cast<size_t>(i)].embedding;
      std::copy(query.begin(), query.end(), queries.row(i).begin());
    }
    const std::vector<GallerySearchOptions> all(static_cast<size_t>(batch), options);
    const auto results = view_->Search(queries, all);
    ASSERT_THAT(results, IsOk());
    const EmbeddingMatrix& const_queries = queries;
    for (int i = 0; i < batch; ++i) {
      EXPECT_EQ(Lines((*results)[static_cast<size_t>(i)]),
                BruteForce(const_queries.row(i), options))
          << "query " << i << " of " << batch;
    }
  }
  void ExpectBruteForce(const GallerySearchOptions& options) {
    for (int batch : {1, 3, 32}) ExpectBruteForce(batch, options);
  }

  std::mt19937 random_{20240601};
  int next_id_ = 0;
  const GalleryViewModel model_{5, kDimension, {"boots"}};
  std::unique_ptr<const IndexBuilder> builder_ = MakeIndexBuilder();
  std::shared_ptr<const IndexedGalleryView> view_;
  std::vector<GalleryRow> truth_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_GALLERY_GALLERY_VIEW_FIXTURE_H_
