#include "server/rpc/get_photo_call.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/retry_after.h"
#include "image/thumbnail.h"
#include "model/verified_file.h"
#include "s2p/v1/gallery.pb.h"
#include "server/faults/storage_fault.h"
#include "server/rpc/to_proto.h"
#include "server/search/request_checks.h"

namespace s2p {
namespace {

constexpr size_t kChunkBytes = size_t{256} << 10;

// Everything that touches the disk is done on a pool, one piece of work after the other. Thumbnails
// have a pool of their own, as their decoder can take long.
class GetPhotoCall final : public RequestCall<v1::GetPhotoRequest> {
 public:
  GetPhotoCall(const RpcMethod* method, grpc::CallbackServerContext* context,
               const ServiceContext& service)
      : RequestCall(method, service.gate, context), service_(service) {}

 private:
  void OnRequest() override {
    absl::Status status = CheckPhotoId(request().photo_id(), "photo_id", service_.limits);
    if (status.ok()) status = TakePlace();
    if (!status.ok()) return End(status);
    const bool is_thumbnail = request().rendition() == v1::RENDITION_THUMBNAIL;
    OnPool(is_thumbnail ? service_.thumbnail_pool : service_.storage_pool,
           [this] { return Open(); });
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return End(absl::CancelledError("the client is gone"));
    if (!file_ || file_->bytes_left() == 0) return WriteRest();
    OnPool(service_.storage_pool, [this] { return ReadPiece(); });
  }
  void OnEnd() override { place_.Release(); }

  absl::Status TakePlace() {
    // A photo takes a client that reads a fraction of a second.
    constexpr absl::Duration kRetryAfter = absl::Seconds(1);
    place_ = service_.photo_places->Take(queue());
    if (place_) return absl::OkStatus();
    return BusyError(absl::StrCat("the server is busy: no place is left for another photo of this "
                                  "caller (",
                                  service_.photo_places->most(), " are shared by all)"),
                     kRetryAfter);
  }

  // Makes the next message on the pool, then writes it.
  void OnPool(WorkerPool* pool, std::function<absl::Status()> fill) {
    const absl::Status taken =
        pool->Submit(queue(), [this, fill = std::move(fill)](absl::Status status) {
          if (status.ok()) status = CheckWanted();
          if (status.ok()) status = fill();
          if (!status.ok()) return End(status);
          Write();
        });
    if (!taken.ok()) End(taken);
  }

  // The first message, and what the others come from.
  absl::Status Open() {
    S2P_ASSIGN_OR_RETURN(const auto item, service_.gallery->Get(request().photo_id()));
    *response_.mutable_photo() = ToProto(*item);
    switch (request().rendition()) {
      case v1::RENDITION_UNSPECIFIED:
      case v1::RENDITION_NONE:
        return absl::OkStatus();
      case v1::RENDITION_ORIGINAL: {
        S2P_ASSIGN_OR_RETURN(auto file, service_.gallery->OpenBlob(*item));
        file_.emplace(std::move(file));
        item_ = item;
        response_.set_content_type(item->content_type);
        return absl::OkStatus();
      }
      case v1::RENDITION_THUMBNAIL:
        return MakeThumbnail(*item);
      default:
        return BadField("rendition", "is unknown");
    }
  }

  // DataLoss if the stored photo cannot be decoded.
  absl::Status MakeThumbnail(const GalleryItem& item) {
    S2P_ASSIGN_OR_RETURN(const auto photo, service_.gallery->ReadBlob(item));
    const DecodeLane& lane = service_.thumbnail_decoding;
    const CallLife life{deadline(), [this] { return is_cancelled(); }};
    const auto header = ReadImageHeader(photo, service_.limits.image);
    if (!header.ok()) return absl::DataLossError(header.status().message());
    S2P_ASSIGN_OR_RETURN(const auto memory, lane.memory->Take(header->decode_bytes, life));
    const auto image = lane.decoder->Decode(photo, service_.limits.image, life);
    if (absl::IsInvalidArgument(image.status())) {
      return absl::DataLossError(image.status().message());
    }
    if (!image.ok()) return image.status();
    S2P_ASSIGN_OR_RETURN(rest_, s2p::MakeThumbnail(*image));
    response_.set_content_type(std::string(ContentType(ImageFormat::kJpeg)));
    return absl::OkStatus();
  }

  absl::Status ReadPiece() {
    auto piece = file_->Next(kChunkBytes);
    if (!piece.ok()) return service_.gallery->UnreadablePhoto(*item_, piece.status());
    if (file_->bytes_left() == 0) PhotoWorks(*service_.faults, item_->sha256);
    *response_.mutable_chunk() = *std::move(piece);
    return absl::OkStatus();
  }

  // The thumbnail, which is a single piece, or the end.
  void WriteRest() {
    if (rest_.empty()) return End(absl::OkStatus());
    response_.set_chunk(std::exchange(rest_, ""));
    Write();
  }

  void Write() {
    bytes_ = ToBytes(response_);
    response_.Clear();
    StartWrite(&bytes_);
  }

  const ServiceContext& service_;
  CallPlaces::Place place_;
  // The message that is made next, and the one that is written.
  v1::GetPhotoResponse response_;
  grpc::ByteBuffer bytes_;
  // The original, if it was asked for, and its item.
  std::optional<VerifiedFile> file_;
  std::shared_ptr<const GalleryItem> item_;
  std::string rest_;
};

}  // namespace

RpcCall* NewGetPhotoCall(const RpcMethod* method, grpc::CallbackServerContext* context,
                         const ServiceContext& service) {
  return new GetPhotoCall(method, context, service);
}

}  // namespace s2p
