// A gallery, a store and a loader, whose models can be made to fail or to be watched.
#ifndef S2P_TESTS_SERVER_VERSIONS_SWAP_FIXTURE_H_
#define S2P_TESTS_SERVER_VERSIONS_SWAP_FIXTURE_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/versions/snapshot_loader.h"
#include "tests/server/gallery_fixture.h"
#include "tests/server/versions/tiny_checkpoint.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {

// Photos are 8 x 8 pixels, unlike the images that warm up an encoder.
inline bool IsPhoto(const EncoderInput& input) { return input.image->width() == 8; }

class SwapTest : public testing::Test {
 protected:
  struct Model {
    // The factory returns this status if it is not ok.
    absl::Status load;
    // Called with each batch, of photos or a warm-up.
    std::function<absl::Status(absl::Span<const EncoderInput>)> on_encode;
  };

  SwapTest() : store_(dir_.File("checkpoints")) {
    gallery_options_.data_dir = dir_.File("data");
    options_.checkpoint_root = store_.root();
    options_.data_dir = gallery_options_.data_dir;
    options_.poll_interval = absl::InfiniteDuration();
    options_.load_encoder =
        [this](const Checkpoint& checkpoint) -> absl::StatusOr<std::unique_ptr<const Encoder>> {
      return Make(checkpoint.manifest.version());
    };
    options_.on_change = [this](const VersionStatus& status) {
      absl::MutexLock lock(&mutex_);
      history_.push_back(status);
    };
    Restart();
  }
  ~SwapTest() override { loader_.reset(); }

  // A new process, as far as the server is concerned; clears the recorded events.
  void Restart() {
    loader_.reset();
    gallery_.reset();
    slot_.Set(nullptr);
    {
      absl::MutexLock lock(&mutex_);
      loaded_.clear();
      embedded_.clear();
      history_.clear();
    }
    gallery_ = *Gallery::Open(gallery_options_, &slot_);
    loader_ = *SnapshotLoader::Create(options_, gallery_.get());
  }
  int64_t Publish() { return PublishTinyCheckpoint(store_); }
  // Publishes a version and makes the server serve it.
  void Serve() {
    Publish();
    ASSERT_THAT(loader_->Load(), IsOk());
    ASSERT_EQ(ServingVersion(), loader_->Status().versions.front().version);
  }
  // Call this before the version is loaded.
  void SetModel(int64_t version, Model model) {
    absl::MutexLock lock(&mutex_);
    models_[version] = std::move(model);
  }

  void MustAdd(const std::string& photo_id, uint32_t seed) {
    const NewItem item = MakeNewItem(photo_id, seed, *slot_.Get()->encoder);
    const auto added = gallery_->Add({&item, 1}).front();
    ASSERT_THAT(added, IsOk());
  }
  void MustAddMany(int count) {
    std::vector<NewItem> items;
    for (int i = 0; i < count; ++i) {
      items.push_back(MakeNewItem(absl::StrCat("many", i), static_cast<uint32_t>(1000 + i),
                                  *slot_.Get()->encoder));
    }
    for (const auto& added : gallery_->Add(items)) ASSERT_THAT(added, IsOk());
  }
  // The best match of the photo of `seed`; empty if nothing is there.
  std::string Best(uint32_t seed) const {
    const std::shared_ptr<const Snapshot> snapshot = slot_.Get();
    GallerySearchOptions options;
    options.top_k = 1;
    auto results = snapshot->gallery->Search(
        EncodeImage(*snapshot->encoder, PhotoImage(seed)).embeddings, {&options, 1});
    return results->front().empty() ? "" : results->front().front().item->photo_id;
  }

  int64_t ServingVersion() const {
    const auto snapshot = slot_.Get();
    return snapshot == nullptr ? 0 : snapshot->version;
  }
  VersionStatus StatusOf(int64_t version) const {
    for (const VersionStatus& status : loader_->Status().versions) {
      if (status.version == version) return status;
    }
    ADD_FAILURE() << "version " << version << " is not known";
    return {};
  }
  // The versions that were loaded, in order.
  std::vector<int64_t> loaded() const {
    absl::MutexLock lock(&mutex_);
    return loaded_;
  }
  // Photos that the version has seen.
  int embedded(int64_t version) const {
    absl::MutexLock lock(&mutex_);
    const auto found = embedded_.find(version);
    return found == embedded_.end() ? 0 : found->second;
  }
  std::vector<VersionStatus> HistoryOf(int64_t version) const {
    absl::MutexLock lock(&mutex_);
    std::vector<VersionStatus> history;
    for (const VersionStatus& status : history_) {
      if (status.version == version) history.push_back(status);
    }
    return history;
  }
  // Waits until the version has been in the state.
  void WaitFor(int64_t version, VersionState state) const {
    const auto reached = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      for (const VersionStatus& status : history_) {
        if (status.version == version && status.state == state) return true;
      }
      return false;
    };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&reached));
  }

  TempDir dir_;
  const CheckpointStore store_;
  GalleryOptions gallery_options_;
  SnapshotLoaderOptions options_;
  SnapshotSlot slot_;

  mutable absl::Mutex mutex_;
  std::map<int64_t, Model> models_ ABSL_GUARDED_BY(mutex_);
  std::vector<int64_t> loaded_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, int> embedded_ ABSL_GUARDED_BY(mutex_);
  std::vector<VersionStatus> history_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<Gallery> gallery_;
  std::unique_ptr<SnapshotLoader> loader_;

 private:
  absl::StatusOr<std::unique_ptr<const Encoder>> Make(int64_t version) {
    Model model;
    {
      absl::MutexLock lock(&mutex_);
      loaded_.push_back(version);
      model = models_[version];
    }
    if (!model.load.ok()) return model.load;
    FakeEncoderOptions options;
    options.version = version;
    options.on_encode = [this, version, model](absl::Span<const EncoderInput> inputs) {
      if (IsPhoto(inputs.front())) {
        absl::MutexLock lock(&mutex_);
        embedded_[version] += static_cast<int>(inputs.size());
      }
      return model.on_encode ? model.on_encode(inputs) : absl::OkStatus();
    };
    return std::unique_ptr<const Encoder>(std::make_unique<FakeEncoder>(std::move(options)));
  }
};

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_VERSIONS_SWAP_FIXTURE_H_
