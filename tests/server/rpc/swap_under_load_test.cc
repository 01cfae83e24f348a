// Twenty versions under constant searches, adds and deletes, a third of them failing.
#include <atomic>
#include <cmath>
#include <deque>
#include <set>
#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "server/rpc/metrics.h"
#include "server/rpc/photo_adder.h"
#include "server/search/batcher.h"
#include "tests/server/versions/swap_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

constexpr int64_t kVersions = 20;
// Published together; only the last must be seen.
constexpr int64_t kBurstBegin = 9, kBurstEnd = 11;
constexpr int kAdders = 2, kSearchers = 2;
// Most photos of one adder at a time, not counting those that stay.
constexpr size_t kMostPassing = 40;

std::string IdOf(uint32_t seed) { return absl::StrCat("p", seed); }
uint32_t SeedOf(const std::string& photo_id) {
  return static_cast<uint32_t>(std::stoul(photo_id.substr(1)));
}
bool Stays(uint32_t seed) { return seed % 8 == 0; }

std::vector<float> EmbeddingOf(int64_t version, uint32_t seed) {
  const Encoding encoding = EncodeImage(FakeEncoder(version), PhotoImage(seed));
  const absl::Span<const float> row = encoding.embeddings.row(0);
  return {row.begin(), row.end()};
}

float Dot(absl::Span<const float> a, absl::Span<const float> b) {
  float sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// About every seventh version fails in each of the possible ways.
std::map<int64_t, std::string> Failures() {
  return {{2, "load"},   {4, "memory"}, {7, "warm-up"}, {10, "load"},
          {13, "embed"}, {16, "load"},  {19, "embed"}};
}

class SwapUnderLoadTest : public SwapTest {
 protected:
  SwapUnderLoadTest() : metrics_("test"), memory_(100'000'000, "there was memory") {
    options_.poll_interval = absl::Milliseconds(1);
    options_.busy = [this] { return batcher_->queue_depth() > 0; };
    Restart();
    BatcherOptions batcher_options;
    batcher_options.max_delay = absl::Milliseconds(1);
    batcher_ = *Batcher::Create(batcher_options, &slot_);
    service_.slot = &slot_;
    service_.gallery = gallery_.get();
    service_.loader = loader_.get();
    service_.batcher = batcher_.get();
    service_.metrics = &metrics_;
    service_.add_decoding = {&decoder_, &memory_};
    for (const auto& [version, kind] : Failures()) SetModel(version, FailingModel(kind));
  }

  static Model FailingModel(const std::string& kind) {
    Model model;
    if (kind == "load") model.load = absl::DataLossError("injected");
    if (kind == "memory") model.load = absl::ResourceExhaustedError("injected");
    const bool of_photos = kind == "embed";
    if (of_photos || kind == "warm-up") {
      model.on_encode = [of_photos](absl::Span<const EncoderInput> inputs) {
        return IsPhoto(inputs.front()) == of_photos ? absl::InternalError("injected")
                                                    : absl::OkStatus();
      };
    }
    return model;
  }

  // Until stop_: adds photos, and deletes the older ones again.
  void AddAndDelete(uint32_t first_seed) {
    std::deque<uint32_t> passing;
    for (uint32_t seed = first_seed; !stop_; seed += kAdders) {
      v1::AddPhotoRequest request;
      request.set_photo_id(IdOf(seed));
      request.set_image(PhotoBytes(seed));
      const v1::AddPhotoResponse added =
          AddPhoto(service_, std::move(request), [] { return false; });
      EXPECT_EQ(added.status().code(), 0) << added.status().message();
      {
        absl::MutexLock lock(&ledger_mutex_);
        there_.insert(seed);
        if (Stays(seed)) staying_.push_back(seed);
        ++writes_;
      }
      if (!Stays(seed)) passing.push_back(seed);
      if (passing.size() <= kMostPassing) continue;
      const uint32_t victim = passing.front();
      passing.pop_front();
      const auto deleted = gallery_->Delete({IdOf(victim)});
      EXPECT_TRUE(deleted.ok() && deleted->front()) << deleted.status();
      absl::MutexLock lock(&ledger_mutex_);
      there_.erase(victim);
      gone_.insert(victim);
    }
  }

  // Until stop_: searches for photos that stay.
  void Search(uint32_t salt) {
    for (uint32_t i = salt; !stop_; ++i) {
      uint32_t wanted = 0;
      std::set<uint32_t> gone;
      {
        absl::MutexLock lock(&ledger_mutex_);
        if (!staying_.empty()) wanted = staying_[i * 7919 % staying_.size()];
        gone = gone_;
      }
      if (wanted == 0) {
        std::this_thread::yield();
        continue;
      }
      absl::Notification done;
      absl::StatusOr<BatchResult> result = absl::UnknownError("not done");
      BatchRequest request;
      request.images.push_back(PhotoImage(wanted));
      request.modalities.push_back(v1::MODALITY_PHOTO);
      request.done = [&](absl::StatusOr<BatchResult> batch) {
        result = std::move(batch);
        done.Notify();
      };
      const absl::Status submitted = batcher_->Submit(std::move(request));
      EXPECT_THAT(submitted, IsOk());
      if (!submitted.ok()) return;
      done.WaitForNotification();
      EXPECT_THAT(result, IsOk());
      if (!result.ok()) return;
      CheckAnswer(*result, wanted, gone);
    }
  }

  void CheckAnswer(const BatchResult& result, uint32_t wanted, const std::set<uint32_t>& gone) {
    const Snapshot& snapshot = *result.snapshot;
    const int64_t version = snapshot.version;
    EXPECT_EQ(snapshot.encoder->version(), version);
    EXPECT_EQ(snapshot.gallery->version(), version);
    const std::vector<float> query = EmbeddingOf(version, wanted);
    const absl::Span<const float> row = result.encoding.embeddings.row(0);
    EXPECT_EQ(std::vector<float>(row.begin(), row.end()), query) << "version " << version;
    GallerySearchOptions search;
    search.top_k = 5;
    const auto found = snapshot.gallery->Search(result.encoding.embeddings, {&search, 1});
    ASSERT_THAT(found, IsOk());
    const std::vector<GalleryMatch>& matches = found->front();
    // A photo that stays, and was acknowledged before the search, must be found.
    ASSERT_FALSE(matches.empty());
    EXPECT_EQ(matches.front().item->photo_id, IdOf(wanted)) << "version " << version;
    float last = 2;
    for (const GalleryMatch& match : matches) {
      const uint32_t seed = SeedOf(match.item->photo_id);
      EXPECT_NEAR(match.score, Dot(query, EmbeddingOf(version, seed)), 1e-5)
          << "version " << version;
      EXPECT_LE(match.score, last);
      last = match.score;
      EXPECT_EQ(gone.count(seed), 0u) << match.item->photo_id << " was deleted before";
    }
    absl::MutexLock lock(&ledger_mutex_);
    ++answers_[version];
  }

  // Waits until `version` has answered, and photos were added under it.
  void WaitForLoad(int64_t version) {
    absl::MutexLock lock(&ledger_mutex_);
    const int enough = writes_ + 8;
    const auto loaded = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(ledger_mutex_) {
      return answers_[version] >= 5 && writes_ >= enough;
    };
    ledger_mutex_.Await(absl::Condition(&loaded));
  }

  Metrics metrics_;
  InProcessDecoder decoder_;
  Budget memory_;
  ServiceContext service_;
  std::unique_ptr<Batcher> batcher_;
  std::atomic<bool> stop_{false};

  absl::Mutex ledger_mutex_;
  // Seeds whose adding, and whose deletion, was answered.
  std::set<uint32_t> there_ ABSL_GUARDED_BY(ledger_mutex_);
  std::set<uint32_t> gone_ ABSL_GUARDED_BY(ledger_mutex_);
  std::vector<uint32_t> staying_ ABSL_GUARDED_BY(ledger_mutex_);
  int writes_ ABSL_GUARDED_BY(ledger_mutex_) = 0;
  std::map<int64_t, int> answers_ ABSL_GUARDED_BY(ledger_mutex_);
};

TEST_F(SwapUnderLoadTest, TwentyVersionsWithoutOneWrongAnswer) {
  loader_->Start();
  Publish();
  WaitFor(1, VersionState::kServing);
  std::vector<std::thread> threads;
  for (int i = 0; i < kAdders; ++i) {
    threads.emplace_back([this, i] { AddAndDelete(static_cast<uint32_t>(i + 1)); });
  }
  for (int i = 0; i < kSearchers; ++i) {
    threads.emplace_back([this, i] { Search(static_cast<uint32_t>(i)); });
  }
  WaitForLoad(1);
  const auto failures = Failures();
  for (int64_t version = 2; version <= kVersions; ++version) {
    Publish();
    if (version >= kBurstBegin && version < kBurstEnd) continue;
    if (failures.count(version) > 0) {
      WaitFor(version, VersionState::kFailed);
    } else {
      WaitFor(version, VersionState::kServing);
      WaitForLoad(version);
    }
  }
  stop_ = true;
  for (std::thread& thread : threads) thread.join();
  loader_->Stop();
  batcher_->Stop();

  EXPECT_EQ(ServingVersion(), kVersions);
  absl::MutexLock lock(&ledger_mutex_);
  EXPECT_EQ(slot_.Get()->gallery->size(), static_cast<int64_t>(there_.size()));
  for (uint32_t seed : there_) EXPECT_EQ(Best(seed), IdOf(seed));
  for (uint32_t seed : gone_) EXPECT_NE(Best(seed), IdOf(seed));
  for (const auto& [version, answers] : answers_) {
    EXPECT_EQ(failures.count(version), 0u) << answers << " answers of version " << version;
  }
  for (const auto& [version, kind] : failures) {
    for (const VersionStatus& status : HistoryOf(version)) {
      EXPECT_NE(status.state, VersionState::kServing) << version;
    }
  }
}

}  // namespace
}  // namespace s2p::test
