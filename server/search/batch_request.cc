#include "server/search/batch_request.h"

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace s2p {

absl::Status CheckWanted(const BatchRequest& request, SteadyTime now) {
  if (request.cancelled && request.cancelled()) return absl::CancelledError("cancelled");
  if (request.deadline <= now) {
    return absl::DeadlineExceededError("the deadline passed before the request was computed");
  }
  return absl::OkStatus();
}

absl::Status PreprocessImages(const SnapshotSlot& slot, BatchRequest& request) {
  S2P_CHECK(request.images.size() == request.modalities.size());
  const std::shared_ptr<const Snapshot> snapshot = slot.Get();
  if (snapshot == nullptr) return absl::OkStatus();
  std::vector<PreprocessedImage> preprocessed;
  for (size_t i = 0; i < request.images.size(); ++i) {
    S2P_RETURN_IF_ERROR(CheckWanted(request));
    S2P_ASSIGN_OR_RETURN(auto image,
                         snapshot->encoder->Preprocess(request.images[i], request.modalities[i]));
    preprocessed.push_back(std::move(image));
  }
  request.preprocessed = std::move(preprocessed);
  return absl::OkStatus();
}

int64_t PixelBytes(const BatchRequest& request) {
  size_t bytes = 0;
  for (const Image& image : request.images) bytes += image.pixels().size();
  for (const PreprocessedImage& image : request.preprocessed) bytes += image.pixels.pixels().size();
  return static_cast<int64_t>(bytes);
}

}  // namespace s2p
