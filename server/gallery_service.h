// GalleryService of gallery.proto.
#ifndef S2P_SERVER_GALLERY_SERVICE_H_
#define S2P_SERVER_GALLERY_SERVICE_H_

#include "s2p/v1/gallery.grpc.pb.h"
#include "server/service_context.h"

namespace s2p {

// gRPC's threads never decode and never touch the disk. Thread-safe.
class GalleryServiceImpl final : public v1::GalleryService::CallbackService {
 public:
  // `service` must outlive it.
  explicit GalleryServiceImpl(const ServiceContext* service) : service_(*service) {}

  grpc::ServerBidiReactor<v1::AddPhotoRequest, v1::AddPhotoResponse>* AddPhotos(
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

#endif  // S2P_SERVER_GALLERY_SERVICE_H_
