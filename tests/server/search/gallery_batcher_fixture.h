// A batcher over a small gallery whose searches can be counted and stopped.
#ifndef S2P_TESTS_SERVER_SEARCH_GALLERY_BATCHER_FIXTURE_H_
#define S2P_TESTS_SERVER_SEARCH_GALLERY_BATCHER_FIXTURE_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/gallery/indexed_gallery_view.h"
#include "tests/server/search/batcher_fixture.h"
#include "tests/server/view_builder.h"

namespace s2p::test {

// A view that notes its searches and can stop in one.
class WatchedView final : public GalleryView {
 public:
  explicit WatchedView(std::shared_ptr<const GalleryView> view) : view_(std::move(view)) {}
  int64_t version() const override { return view_->version(); }
  int dimension() const override { return view_->dimension(); }
  const std::vector<std::string>& attributes() const override { return view_->attributes(); }
  int64_t size() const override { return view_->size(); }
  absl::StatusOr<std::vector<std::vector<GalleryMatch>>> Search(
      const EmbeddingMatrix& queries,
      absl::Span<const GallerySearchOptions> options) const override {
    {
      absl::MutexLock lock(&mutex_);
      searches_.push_back(queries.rows());
    }
    if (hold.exchange(false)) {
      holding.Notify();
      go_on.WaitForNotification();
    }
    return view_->Search(queries, options);
  }
  absl::Status CheckFilter(const GalleryFilter& filter) const override {
    return view_->CheckFilter(filter);
  }
  std::shared_ptr<const GalleryItem> Find(absl::string_view photo_id) const override {
    return view_->Find(photo_id);
  }
  absl::StatusOr<absl::Span<const float>> EmbeddingOf(absl::string_view photo_id) const override {
    return view_->EmbeddingOf(photo_id);
  }

  // The queries of each search.
  std::vector<int> searches() const {
    absl::MutexLock lock(&mutex_);
    return searches_;
  }

  // Only for the next search.
  mutable std::atomic<bool> hold{false};
  mutable absl::Notification holding, go_on;

 private:
  const std::shared_ptr<const GalleryView> view_;
  mutable absl::Mutex mutex_;
  mutable std::vector<int> searches_ ABSL_GUARDED_BY(mutex_);
};

// Version 1 serves the photos of the seeds 1 to 9.
class GalleryBatcherTest : public BatcherTest {
 protected:
  void SetUp() override {
    const FakeEncoder encoder(1);
    std::vector<GalleryRow> rows;
    for (uint32_t seed = 1; seed <= 9; ++seed) {
      const Encoding encoding = EncodeImage(encoder, PhotoImage(seed));
      auto item = std::make_shared<GalleryItem>();
      item->photo_id = absl::StrCat("photo", seed);
      const auto embedding = encoding.embeddings.row(0);
      const auto attributes = encoding.attributes.row(0);
      rows.push_back({std::move(item),
                      {embedding.begin(), embedding.end()},
                      {attributes.begin(), attributes.end()}});
    }
    view_ = std::make_shared<WatchedView>(*BuildView({1, encoder.dimension(), encoder.attributes()},
                                                     std::move(rows), *MakeIndexBuilder()));
    Serve(1, view_);
  }
  static BatchRequest Search(Answer& answer, uint32_t seed) {
    BatchRequest request = Request(answer, 0);
    request.images.push_back(PhotoImage(seed));
    request.modalities.push_back(v1::MODALITY_PHOTO);
    request.query = [](const EmbeddingMatrix& drawn, const GalleryView&) { return drawn; };
    request.search.top_k = 1;
    return request;
  }
  // The best match of an answered search, or its error.
  static std::string Best(const Answer& answer) {
    if (!answer.result.ok()) return answer.result.status().ToString();
    const std::vector<GalleryMatch>& matches = answer.result->matches;
    return matches.empty() ? "no match" : matches.front().item->photo_id;
  }

  std::shared_ptr<WatchedView> view_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_SEARCH_GALLERY_BATCHER_FIXTURE_H_
