// GalleryService of gallery.proto.
#ifndef S2P_SERVER_RPC_GALLERY_SERVICE_H_
#define S2P_SERVER_RPC_GALLERY_SERVICE_H_

#include "s2p/v1/gallery.grpc.pb.h"
#include "server/rpc/service_context.h"

namespace s2p {

// All methods use callbacks; AddPhotos parses its messages itself (server/rpc/add_photos_call.h).
using GalleryCallbackService = v1::GalleryService::WithRawCallbackMethod_AddPhotos<
    v1::GalleryService::WithCallbackMethod_DeletePhotos<
        v1::GalleryService::WithCallbackMethod_UpdatePhotoMetadata<
            v1::GalleryService::WithCallbackMethod_GetPhoto<
                v1::GalleryService::WithCallbackMethod_ListPhotos<
                    v1::GalleryService::WithCallbackMethod_GetGalleryStats<
                        v1::GalleryService::Service>>>>>>;

// gRPC's threads never decode and never touch the disk. Thread-safe.
class GalleryServiceImpl final : public GalleryCallbackService {
 public:
  // `service` must outlive it.
  explicit GalleryServiceImpl(const ServiceContext* service) : service_(*service) {}

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* AddPhotos(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* DeletePhotos(grpc::CallbackServerContext* context,
                                         const v1::DeletePhotosRequest* request,
                                         v1::DeletePhotosResponse* response) override;
  grpc::ServerUnaryReactor* UpdatePhotoMetadata(grpc::CallbackServerContext* context,
                                                const v1::UpdatePhotoMetadataRequest* request,
                                                v1::UpdatePhotoMetadataResponse* response) override;
  grpc::ServerWriteReactor<v1::GetPhotoResponse>* GetPhoto(
      grpc::CallbackServerContext* context, const v1::GetPhotoRequest* request) override;
  grpc::ServerUnaryReactor* ListPhotos(grpc::CallbackServerContext* context,
                                       const v1::ListPhotosRequest* request,
                                       v1::ListPhotosResponse* response) override;
  grpc::ServerUnaryReactor* GetGalleryStats(grpc::CallbackServerContext* context,
                                            const v1::GetGalleryStatsRequest* request,
                                            v1::GetGalleryStatsResponse* response) override;

 private:
  const ServiceContext& service_;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_GALLERY_SERVICE_H_
