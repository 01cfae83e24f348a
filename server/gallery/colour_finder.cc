#include "server/gallery/colour_finder.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "daemon/thread_priority.h"
#include "image/dominant_colours.h"

namespace s2p {
namespace {

// Photos that are stored together: a write makes a new view.
constexpr int kStoredTogether = 32;

// Says nothing about the photo: its decoder could not work.
bool IsTemporary(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsCancelled(status);
}

}  // namespace

ColourFinder::ColourFinder(const CatalogueReader* reader, const BlobStore* blobs,
                           GalleryWriter* writer, int64_t pending, ColourFinderOptions options)
    : reader_(*reader),
      blobs_(*blobs),
      writer_(*writer),
      options_(std::move(options)),
      pending_(pending),
      thread_([this] { Run(); }) {}

ColourFinder::~ColourFinder() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

bool ColourFinder::Rest(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  return changed_.Until(&mutex_, SteadyTime::Now() + duration,
                        [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ending_; });
}

void ColourFinder::Run() {
  LowerThreadPriority();
  for (;;) {
    const absl::StatusOr<bool> more = FindSome();
    if (Rest(more.ok() ? absl::ZeroDuration() : options_.retry_after)) return;
    if (more.ok() && !*more) break;
  }
  // The photos that are left cannot be read; some may have been deleted since.
  const absl::StatusOr<int64_t> left =
      reader_.Read([](const Catalogue& catalogue) { return catalogue.CountWithoutColours(); });
  if (left.ok()) pending_ = *left;
  if (options_.on_done) options_.on_done(found_, pending_);
}

absl::StatusOr<bool> ColourFinder::FindSome() {
  S2P_ASSIGN_OR_RETURN(const auto items, reader_.Read([this](const Catalogue& catalogue) {
    return catalogue.ListWithoutColours(after_, kStoredTogether);
  }));
  std::vector<FoundColours> found;
  for (const CatalogueItem& item : items) {
    const SteadyTime start = SteadyTime::Now();
    const absl::StatusOr<std::string> bytes = blobs_.Read(item.item->sha256, item.item->bytes);
    const absl::StatusOr<Image> image = bytes.ok() ? options_.decode(*bytes) : bytes.status();
    if (IsTemporary(image.status())) return image.status();
    if (image.ok()) {
      found.push_back({item.key, item.item->photo_id, DominantColours(*image)});
    }
    if (Rest(SteadyTime::Now() - start)) return absl::CancelledError("the gallery is closed");
  }
  if (!found.empty()) {
    S2P_RETURN_IF_ERROR(writer_.PutColours(found));
  }
  found_ += static_cast<int64_t>(found.size());
  pending_ = std::max<int64_t>(0, pending_ - static_cast<int64_t>(found.size()));
  if (!items.empty()) after_ = items.back().item->photo_id;
  return !items.empty();
}

}  // namespace s2p
