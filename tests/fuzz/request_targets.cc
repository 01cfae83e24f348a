#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <string>

#include "base/check.h"
#include "base/message_limits.h"
#include "image/image.h"
#include "s2p/v1/feedback.pb.h"
#include "s2p/v1/gallery.pb.h"
#include "s2p/v1/search.pb.h"
#include "server/decoder/image_decoder.h"
#include "server/feedback/kept_sketch.h"
#include "server/rpc/feedback_request.h"
#include "server/search/query.h"
#include "server/search/request_checks.h"
#include "server/search/request_limits.h"
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
  const Limits limits = SmallLimits();
  const MessageLimits counts(v1::SearchRequest::descriptor(), SearchFields(limits));
  google::protobuf::io::ArrayInputStream wire(bytes.data(), static_cast<int>(bytes.size()));
  if (!counts.Check(&wire, bytes.size()).ok()) return;
  v1::SearchRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const auto query = ParseQuery(request, limits);
  if (!query.ok()) return;
  S2P_CHECK(!query->examples.empty() && query->examples.size() <= limits.max_examples);
  InProcessDecoder decoder;
  const auto images = DecodeExamples(*query, limits, decoder, CallLife());
  if (!images.ok()) return;
  int64_t image_bytes = 0;
  for (const s2p::Image& image : *images) {
    image_bytes += int64_t{s2p::Image::kChannels} * image.width() * image.height();
  }
  S2P_CHECK(image_bytes <= query->image_bytes && query->image_bytes <= query->decode_bytes);
}

void Feedback(absl::string_view bytes) {
  const Limits limits = SmallLimits();
  const MessageLimits counts(v1::RecordFeedbackRequest::descriptor(), RecordFields(limits));
  google::protobuf::io::ArrayInputStream wire(bytes.data(), static_cast<int>(bytes.size()));
  if (!counts.Check(&wire, bytes.size()).ok()) return;
  v1::RecordFeedbackRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  if (!CheckFeedbackFields(request, limits).ok()) return;
  const auto drawing = ReadFeedbackDrawing(request, limits);
  if (!drawing.ok()) return;
  const auto image = request.drawing_case() == v1::RecordFeedbackRequest::kImage
                         ? DecodeImage(request.image(), limits.image)
                         : RasterizeStrokes(drawing->strokes, limits.strokes);
  if (!image.ok()) return;
  const auto sketch = KeepSketch(*image);
  if (!sketch.ok()) return;
  const auto kept = ReadImageHeader(sketch->png, ImageLimits());
  S2P_CHECK(kept.ok() && kept->width == sketch->width && kept->height == sketch->height);
  S2P_CHECK(std::max(sketch->width, sketch->height) <= kMostSketchPixels);
  S2P_CHECK(sketch->png.size() <= kMostSketchBytes);
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
