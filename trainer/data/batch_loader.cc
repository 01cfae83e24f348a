#include "trainer/data/batch_loader.h"

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/status_macros.h"
#include "model/check.h"
#include "trainer/data/augmentation.h"
#include "trainer/data/parallel_for.h"

namespace s2p {
namespace {

LoadedBatch LoadPart(const v1::TrainingSpec::AugmentationSpec& spec, bool augment,
                     const std::vector<LoadItem>& items) {
  LoadedBatch batch;
  if (items.empty()) return batch;
  const Preprocessor& first = items.front().images->preprocessor();
  batch.n = static_cast<int64_t>(items.size());
  batch.height = first.height();
  batch.width = first.width();
  batch.pixels.resize(items.size() * first.size());
  for (size_t i = 0; i < items.size(); ++i) {
    const LoadItem& item = items[i];
    const Preprocessor& preprocessor = item.images->preprocessor();
    S2P_CHECK(preprocessor.height() == batch.height && preprocessor.width() == batch.width);
    S2P_CHECK(item.index >= 0 && item.index < item.images->size());
    const Image& image = item.images->image(item.index);
    const absl::Span<float> out =
        absl::MakeSpan(batch.pixels).subspan(i * first.size(), first.size());
    if (!augment) {
      preprocessor.Normalize(image, out);
      continue;
    }
    const AugmentationChoice choice{item.seed, item.modality, item.mirror, item.paired};
    preprocessor.Normalize(Augment(spec, choice, image), out);
  }
  return batch;
}

// Writes down which images failed; an error if too many did.
absl::Status LeaveOut(const std::vector<absl::Status>& failures, UnreadableImages& unreadable) {
  unreadable.left_out.clear();
  for (size_t i = 0; i < failures.size(); ++i) {
    if (failures[i].ok()) continue;
    if (unreadable.left_out.empty()) unreadable.first_error = std::string(failures[i].message());
    unreadable.left_out.push_back(i);
  }
  const auto allowed = unreadable.allowed_share * static_cast<double>(failures.size());
  if (static_cast<double>(unreadable.left_out.size()) <= allowed) return absl::OkStatus();
  return absl::Status(
      failures[unreadable.left_out[0]].code(),
      absl::StrCat(unreadable.left_out.size(), " of ", failures.size(),
                   " images cannot be read, more than the share of ", unreadable.allowed_share,
                   "; the first: ", unreadable.first_error));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PreparedImages>> PreparedImages::Load(
    const DataSet& data_set, const std::vector<DataSetImage>& images,
    const Preprocessor& preprocessor, int threads,
    const std::function<void(int64_t, int64_t)>& progress, UnreadableImages* unreadable) {
  std::shared_ptr<PreparedImages> prepared(new PreparedImages(preprocessor));
  prepared->images_.resize(images.size());
  if (const PackedImages* packed = data_set.packed(); packed != nullptr) {
    for (size_t i = 0; i < images.size(); ++i) {
      S2P_RETURN_IF_ERROR(packed->CheckPreprocessing(images[i].modality, preprocessor.spec()));
      prepared->images_[i] = packed->Prepared(images[i]);
    }
    if (progress) {
      progress(static_cast<int64_t>(images.size()), static_cast<int64_t>(images.size()));
    }
    return prepared;
  }
  std::vector<absl::Status> failures(images.size());
  S2P_RETURN_IF_ERROR(ParallelFor(
      static_cast<int64_t>(images.size()), std::max(1, threads),
      [&](int64_t i) {
        const auto index = static_cast<size_t>(i);
        const auto image = data_set.Read(images[index]);
        if (image.ok()) prepared->images_[index] = preprocessor.Prepare(*image);
        if (unreadable == nullptr) return image.status();
        failures[index] = image.status();
        return absl::OkStatus();
      },
      progress));
  if (unreadable == nullptr) return prepared;
  S2P_RETURN_IF_ERROR(LeaveOut(failures, *unreadable));
  size_t kept = 0;
  for (size_t i = 0; i < images.size(); ++i) {
    if (!failures[i].ok()) continue;
    if (kept != i) prepared->images_[kept] = std::move(prepared->images_[i]);
    ++kept;
  }
  prepared->images_.resize(kept);
  return prepared;
}

struct BatchLoader::Pipeline {
  Pipeline(v1::TrainingSpec::AugmentationSpec spec_in, std::vector<Parts> batches_in,
           bool augment_in, size_t ahead_in)
      : spec(std::move(spec_in)),
        batches(std::move(batches_in)),
        augment(augment_in),
        ahead(ahead_in) {}

  std::vector<LoadedBatch> Make(size_t index) const {
    std::vector<LoadedBatch> parts;
    for (const std::vector<LoadItem>& items : batches[index]) {
      parts.push_back(LoadPart(spec, augment, items));
    }
    return parts;
  }

  bool MayBegin() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return stopping || begun == batches.size() || begun < handed_out + ahead;
  }

  void Work() {
    while (true) {
      size_t index = 0;
      {
        absl::MutexLock lock(&mutex);
        mutex.Await(absl::Condition(this, &Pipeline::MayBegin));
        if (stopping || begun == batches.size()) return;
        index = begun++;
      }
      std::vector<LoadedBatch> parts = Make(index);
      absl::MutexLock lock(&mutex);
      ready.emplace(index, std::move(parts));
    }
  }

  bool NextIsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return ready.count(handed_out) > 0;
  }

  const v1::TrainingSpec::AugmentationSpec spec;
  const std::vector<Parts> batches;
  const bool augment;
  // Most batches that may be started and not yet handed out.
  const size_t ahead;

  absl::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  size_t begun ABSL_GUARDED_BY(mutex) = 0;
  size_t handed_out ABSL_GUARDED_BY(mutex) = 0;
  std::map<size_t, std::vector<LoadedBatch>> ready ABSL_GUARDED_BY(mutex);

  std::vector<std::thread> workers;
};

BatchLoader::BatchLoader(v1::TrainingSpec::AugmentationSpec augmentation,
                         std::vector<Parts> batches, int workers, bool augment) {
  workers = std::clamp(workers, 0, static_cast<int>(batches.size()));
  pipeline_ = std::make_unique<Pipeline>(std::move(augmentation), std::move(batches), augment,
                                         static_cast<size_t>(workers) + 1);
  for (int i = 0; i < workers; ++i) {
    pipeline_->workers.emplace_back([pipeline = pipeline_.get()] { pipeline->Work(); });
  }
}

BatchLoader::~BatchLoader() {
  {
    absl::MutexLock lock(&pipeline_->mutex);
    pipeline_->stopping = true;
  }
  for (std::thread& worker : pipeline_->workers) worker.join();
}

std::vector<LoadedBatch> BatchLoader::Next() {
  Pipeline& pipeline = *pipeline_;
  absl::MutexLock lock(&pipeline.mutex);
  if (pipeline.handed_out == pipeline.batches.size()) return {};
  if (pipeline.workers.empty()) return pipeline.Make(pipeline.handed_out++);
  pipeline.mutex.Await(absl::Condition(&pipeline, &Pipeline::NextIsReady));
  auto next = pipeline.ready.find(pipeline.handed_out);
  std::vector<LoadedBatch> parts = std::move(next->second);
  pipeline.ready.erase(next);
  ++pipeline.handed_out;
  return parts;
}

}  // namespace s2p
