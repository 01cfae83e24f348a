// Values of ours as messages of the API.
#ifndef S2P_SERVER_RPC_TO_PROTO_H_
#define S2P_SERVER_RPC_TO_PROTO_H_

#include <google/protobuf/duration.pb.h>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/hidden_folders.h"
#include "s2p/v1/feedback.pb.h"
#include "s2p/v1/gallery.pb.h"
#include "s2p/v1/model.pb.h"
#include "server/faults/faults.h"
#include "server/feedback/feedback_record.h"
#include "server/gallery/gallery_view.h"
#include "server/versions/snapshot_loader.h"

namespace s2p {

// Codes are the same numbers on both sides. The messages of all statuses and faults name none of
// the `hidden` folders.
v1::Status ToProto(const absl::Status& status, const HiddenFolders& hidden);
v1::Photo ToProto(const GalleryItem& item);
v1::GetModelStatusResponse ToProto(const ModelStatus& status, const HiddenFolders& hidden);
v1::Fault ToProto(const Fault& fault, const HiddenFolders& hidden);
// `photo_is_current`: the gallery has the photo unchanged.
v1::Feedback ToProto(const FeedbackRecord& record, bool photo_is_current);
// `duration` must be finite.
google::protobuf::Duration ToProto(absl::Duration duration);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_TO_PROTO_H_
