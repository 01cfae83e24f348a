#include "server/rpc/to_proto.h"

#include <google/protobuf/util/time_util.h>

#include <string>

namespace s2p {
namespace {

using google::protobuf::util::TimeUtil;

v1::ModelVersion::State ToProto(VersionState state) {
  switch (state) {
    case VersionState::kPublished:
      return v1::ModelVersion::STATE_PUBLISHED;
    case VersionState::kLoading:
      return v1::ModelVersion::STATE_LOADING;
    case VersionState::kWarming:
      return v1::ModelVersion::STATE_WARMING;
    case VersionState::kEmbedding:
      return v1::ModelVersion::STATE_EMBEDDING;
    case VersionState::kServing:
      return v1::ModelVersion::STATE_SERVING;
    case VersionState::kRetired:
      return v1::ModelVersion::STATE_RETIRED;
    case VersionState::kFailed:
      return v1::ModelVersion::STATE_FAILED;
  }
  return v1::ModelVersion::STATE_UNSPECIFIED;
}

v1::Fault::Kind ToProto(FaultKind kind) {
  switch (kind) {
    case FaultKind::kStoreUnreadable:
      return v1::Fault::KIND_STORE_UNREADABLE;
    case FaultKind::kPhotoMissing:
      return v1::Fault::KIND_PHOTO_MISSING;
    case FaultKind::kPhotoDamaged:
      return v1::Fault::KIND_PHOTO_DAMAGED;
    case FaultKind::kDiskFull:
      return v1::Fault::KIND_DISK_FULL;
    case FaultKind::kDataReadOnly:
      return v1::Fault::KIND_DATA_READ_ONLY;
    case FaultKind::kCatalogueFailed:
      return v1::Fault::KIND_CATALOGUE_FAILED;
    case FaultKind::kDecoderFailed:
      return v1::Fault::KIND_DECODER_FAILED;
  }
  return v1::Fault::KIND_UNSPECIFIED;
}

v1::Feedback::State ToProto(FeedbackState state) {
  switch (state) {
    case FeedbackState::kPending:
      return v1::Feedback::STATE_PENDING;
    case FeedbackState::kAccepted:
      return v1::Feedback::STATE_ACCEPTED;
    case FeedbackState::kRejected:
      return v1::Feedback::STATE_REJECTED;
  }
  return v1::Feedback::STATE_UNSPECIFIED;
}

void Fill(const VersionStatus& status, const HiddenFolders& hidden, v1::ModelVersion& out) {
  out.set_version(status.version);
  out.set_state(ToProto(status.state));
  out.set_progress(status.progress);
  if (status.state == VersionState::kEmbedding && status.eta < absl::InfiniteDuration()) {
    *out.mutable_eta() = s2p::ToProto(status.eta);
  }
  if (!status.failure.ok()) out.set_failure(hidden.Hide(status.failure.ToString()));
  if (status.manifest == nullptr) return;
  *out.mutable_created_at() = status.manifest->created_at();
  *out.mutable_evaluations() = status.manifest->evaluations();
  out.set_arch(status.manifest->backbone().arch());
  out.set_dimension(status.manifest->embedding().dimension());
  *out.mutable_attributes() = status.manifest->attributes();
}

}  // namespace

v1::GetModelStatusResponse ToProto(const ModelStatus& status, const HiddenFolders& hidden) {
  v1::GetModelStatusResponse response;
  for (const VersionStatus& version : status.versions) {
    Fill(version, hidden, *response.add_versions());
  }
  response.set_serving_version(status.serving_version);
  if (status.pinned_version) response.set_pinned_version(*status.pinned_version);
  response.set_device(status.device);
  return response;
}

v1::Fault ToProto(const Fault& fault, const HiddenFolders& hidden) {
  v1::Fault proto;
  proto.set_kind(ToProto(fault.kind));
  proto.set_count(fault.count);
  *proto.mutable_first_seen_at() =
      TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(fault.first_seen_at));
  *proto.mutable_last_seen_at() =
      TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(fault.last_seen_at));
  proto.set_message(hidden.Hide(fault.message));
  return proto;
}

v1::Status ToProto(const absl::Status& status, const HiddenFolders& hidden) {
  v1::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(hidden.Hide(status.message()));
  return proto;
}

v1::Photo ToProto(const GalleryItem& item) {
  v1::Photo photo;
  photo.set_photo_id(item.photo_id);
  photo.set_modality(item.modality);
  photo.mutable_metadata()->insert(item.metadata.begin(), item.metadata.end());
  photo.set_sha256(item.sha256);
  photo.set_bytes(item.bytes);
  photo.set_content_type(item.content_type);
  photo.set_width(static_cast<uint32_t>(item.width));
  photo.set_height(static_cast<uint32_t>(item.height));
  *photo.mutable_created_at() =
      TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(item.created_at));
  for (const ColourShare& colour : item.colours) {
    v1::DominantColor& out = *photo.add_colors();
    out.mutable_color()->set_l(colour.colour.l);
    out.mutable_color()->set_a(colour.colour.a);
    out.mutable_color()->set_b(colour.colour.b);
    out.set_share(colour.share);
  }
  return photo;
}

v1::Feedback ToProto(const FeedbackRecord& record, bool photo_is_current) {
  const auto time = [](absl::Time at) {
    return TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(at));
  };
  v1::Feedback feedback;
  feedback.set_feedback_id(record.feedback_id);
  feedback.set_photo_id(record.photo_id);
  feedback.set_photo_sha256(record.photo_sha256);
  feedback.set_verdict(record.verdict == Verdict::kMatch ? v1::VERDICT_MATCH
                                                         : v1::VERDICT_NO_MATCH);
  feedback.set_state(ToProto(record.state));
  *feedback.mutable_recorded_at() = time(record.recorded_at);
  if (record.state != FeedbackState::kPending) {
    *feedback.mutable_reviewed_at() = time(record.reviewed_at);
  }
  feedback.set_recorded_by(record.recorded_by);
  feedback.set_sketch_width(static_cast<uint32_t>(record.sketch_width));
  feedback.set_sketch_height(static_cast<uint32_t>(record.sketch_height));
  feedback.set_sketch_bytes(record.sketch_bytes);
  feedback.set_exportable(photo_is_current && IsAcceptedMatch(record));
  feedback.set_photo_is_current(photo_is_current);
  return feedback;
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  return TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(duration));
}

}  // namespace s2p
