#include "trainer/data/batch_loader.h"

#include <algorithm>
#include <optional>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "trainer/data/augmentation.h"
#include "trainer/data/parallel_for.h"

namespace s2p {
namespace {

absl::StatusOr<LoadedBatch> LoadPart(const v1::TrainingSpec::AugmentationSpec& spec, bool augment,
                                     AugmentationStyle style, const std::vector<LoadItem>& items) {
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
    S2P_ASSIGN_OR_RETURN(const auto image, item.images->Read(item.index));
    const absl::Span<float> out =
        absl::MakeSpan(batch.pixels).subspan(i * first.size(), first.size());
    if (!augment) {
      preprocessor.Normalize(image, out);
      continue;
    }
    const AugmentationChoice choice{item.seed, item.modality, item.mirror, item.paired, style};
    preprocessor.Normalize(Augment(spec, choice, image), out);
  }
  return batch;
}

}  // namespace

struct BatchLoader::Pipeline {
  Pipeline(v1::TrainingSpec::AugmentationSpec spec_in, std::vector<Parts> batches_in,
           bool augment_in, AugmentationStyle style_in, size_t ahead_in)
      : spec(std::move(spec_in)),
        batches(std::move(batches_in)),
        augment(augment_in),
        style(style_in),
        ahead(ahead_in),
        ready(batches.size()) {}

  using Loaded = absl::StatusOr<std::vector<LoadedBatch>>;

  // Throws nothing: an exception would end a worker, and with it the program.
  Loaded Make(size_t index) const {
    std::vector<LoadedBatch> parts;
    const absl::Status status = CatchExceptions([&]() -> absl::Status {
      for (const std::vector<LoadItem>& items : batches[index]) {
        S2P_ASSIGN_OR_RETURN(auto part, LoadPart(spec, augment, style, items));
        parts.push_back(std::move(part));
      }
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
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
      Loaded parts = Make(index);
      absl::MutexLock lock(&mutex);
      ready[index] = std::move(parts);
    }
  }

  bool NextIsReady() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return ready[handed_out].has_value();
  }

  const v1::TrainingSpec::AugmentationSpec spec;
  const std::vector<Parts> batches;
  const bool augment;
  const AugmentationStyle style;
  // Most batches that may be started and not yet handed out.
  const size_t ahead;

  absl::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  size_t begun ABSL_GUARDED_BY(mutex) = 0;
  size_t handed_out ABSL_GUARDED_BY(mutex) = 0;
  // By batch; there from the start, so that a worker without memory can still report.
  std::vector<std::optional<Loaded>> ready ABSL_GUARDED_BY(mutex);

  std::vector<std::thread> workers;
};

BatchLoader::BatchLoader(v1::TrainingSpec::AugmentationSpec augmentation,
                         std::vector<Parts> batches, int workers, bool augment,
                         AugmentationStyle style) {
  workers = std::clamp(workers, 0, static_cast<int>(batches.size()));
  pipeline_ = std::make_unique<Pipeline>(std::move(augmentation), std::move(batches), augment,
                                         style, static_cast<size_t>(workers) + 1);
  StartThreads(
      workers, [pipeline = pipeline_.get()] { pipeline->Work(); }, pipeline_->workers);
}

BatchLoader::~BatchLoader() {
  {
    absl::MutexLock lock(&pipeline_->mutex);
    pipeline_->stopping = true;
  }
  for (std::thread& worker : pipeline_->workers) worker.join();
}

absl::StatusOr<std::vector<LoadedBatch>> BatchLoader::Next() {
  Pipeline& pipeline = *pipeline_;
  absl::MutexLock lock(&pipeline.mutex);
  if (pipeline.handed_out == pipeline.batches.size()) return std::vector<LoadedBatch>();
  if (pipeline.workers.empty()) return pipeline.Make(pipeline.handed_out++);
  pipeline.mutex.Await(absl::Condition(&pipeline, &Pipeline::NextIsReady));
  std::optional<Pipeline::Loaded>& next = pipeline.ready[pipeline.handed_out++];
  Pipeline::Loaded parts = *std::move(next);
  next.reset();
  return parts;
}

}  // namespace s2p
