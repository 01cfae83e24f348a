#include "server/rpc/get_photo_call.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "model/preprocessor.h"
#include "server/rpc/to_proto.h"
#include "server/search/request_checks.h"

namespace s2p {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr int kThumbnailPixels = 256;

// Limits the longer side to 256 pixels; smaller images are unchanged.
Image Shrink(const Image& image) {
  const int longer = std::max(image.width(), image.height());
  if (longer <= kThumbnailPixels) return image;
  const auto scaled = [longer](int side) {
    return std::max(1, (side * kThumbnailPixels + longer / 2) / longer);
  };
  return Resize(image, scaled(image.width()), scaled(image.height()));
}

// Reads the photo on the storage pool, then writes it chunk by chunk as the client takes it.
class GetPhotoCall : public grpc::ServerWriteReactor<v1::GetPhotoResponse> {
 public:
  GetPhotoCall(const ServiceContext& service, grpc::CallbackServerContext* context,
               v1::GetPhotoRequest request)
      : service_(service),
        context_(context),
        request_(std::move(request)),
        call_{"GetPhoto", absl::Now(), true} {}

  void Start() {
    absl::Status status = service_.gate->Admit(*context_);
    if (status.ok()) status = CheckPhotoId(request_.photo_id(), "photo_id", service_.limits);
    if (status.ok()) status = service_.storage_pool->Submit([this] { Read(); });
    if (!status.ok()) End(status);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the client is gone"));
    WriteNext();
  }
  void OnDone() override { delete this; }

 private:
  void Read() {
    absl::Status status = Fill();
    if (!status.ok()) return End(status);
    StartWrite(&response_);
  }

  absl::Status Fill() {
    S2P_ASSIGN_OR_RETURN(const auto item, service_.gallery->Get(request_.photo_id()));
    *response_.mutable_photo() = ToProto(*item);
    switch (request_.rendition()) {
      case v1::RENDITION_UNSPECIFIED:
      case v1::RENDITION_NONE:
        return absl::OkStatus();
      case v1::RENDITION_ORIGINAL:
      case v1::RENDITION_THUMBNAIL:
        break;
      default:
        return BadField("rendition", "is unknown");
    }
    auto bytes = service_.gallery->ReadBlob(*item);
    if (!bytes.ok()) return bytes.status();
    response_.set_content_type(item->content_type);
    if (request_.rendition() == v1::RENDITION_THUMBNAIL) {
      const auto share = service_.pixels->Take(int64_t{item->width} * item->height);
      const auto image = DecodeImage(*bytes, service_.limits.image);
      if (!image.ok()) return absl::DataLossError(image.status().message());
      bytes = EncodeJpeg(Shrink(*image));
      if (!bytes.ok()) return bytes.status();
      response_.set_content_type(std::string(ContentType(ImageFormat::kJpeg)));
    }
    bytes_ = *std::move(bytes);
    return absl::OkStatus();
  }

  void WriteNext() {
    if (written_ == bytes_.size()) return End(absl::OkStatus());
    response_.Clear();
    response_.set_chunk(bytes_.substr(written_, kChunkBytes));
    written_ += response_.chunk().size();
    StartWrite(&response_);
  }

  void End(const absl::Status& status) { Finish(service_.gate->End(call_, status, *context_)); }

  const ServiceContext& service_;
  grpc::CallbackServerContext* const context_;
  const v1::GetPhotoRequest request_;
  const CallRecord call_;
  v1::GetPhotoResponse response_;
  std::string bytes_;
  size_t written_ = 0;
};

}  // namespace

grpc::ServerWriteReactor<v1::GetPhotoResponse>* StartGetPhoto(const ServiceContext& service,
                                                              grpc::CallbackServerContext* context,
                                                              const v1::GetPhotoRequest& request) {
  auto* call = new GetPhotoCall(service, context, request);
  call->Start();
  return call;
}

}  // namespace s2p
