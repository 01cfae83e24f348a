#include <string>

#include "base/check.h"
#include "image/image.h"
#include "s2p/v1/gallery.pb.h"
#include "s2p/v1/search.pb.h"
#include "server/search/query.h"
#include "server/search/request_checks.h"
#include "tests/fuzz/targets.h"

namespace s2p::fuzz {
namespace {

Limits SmallLimits() {
  Limits limits;
  limits.image.max_pixels = 1 << 20;
  return limits;
}

}  // namespace

void Search(absl::string_view bytes) {
  v1::SearchRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const Limits limits = SmallLimits();
  const auto query = ParseQuery(request, limits);
  if (!query.ok()) return;
  S2P_CHECK(!query->examples.empty() && query->examples.size() <= limits.max_examples);
  const auto images = DecodeExamples(*query, limits);
  if (!images.ok()) return;
  int64_t pixels = 0;
  for (const s2p::Image& image : *images) pixels += int64_t{image.width()} * image.height();
  S2P_CHECK(pixels <= query->pixels);
}

void AddPhoto(absl::string_view bytes) {
  v1::AddPhotoRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const Limits limits = SmallLimits();
  if (!CheckPhotoId(request.photo_id(), "photo_id", limits).ok()) return;
  if (!CheckMetadata(request.metadata(), "metadata", limits).ok()) return;
  if (!ParseModality(request.modality(), "modality", v1::MODALITY_PHOTO).ok()) return;
  if (!ReadImageHeader(request.image(), limits.image).ok()) return;
  static_cast<void>(DecodeImage(request.image(), limits.image));
}

}  // namespace s2p::fuzz
