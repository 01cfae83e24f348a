#include "server/rpc/model_status_proto.h"

namespace s2p {
namespace {

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

void Fill(const VersionStatus& status, v1::ModelVersion& out) {
  out.set_version(status.version);
  out.set_state(ToProto(status.state));
  out.set_progress(status.progress);
  if (status.state == VersionState::kEmbedding && status.eta < absl::InfiniteDuration()) {
    const int64_t nanoseconds = absl::ToInt64Nanoseconds(status.eta);
    out.mutable_eta()->set_seconds(nanoseconds / 1'000'000'000);
    out.mutable_eta()->set_nanos(static_cast<int32_t>(nanoseconds % 1'000'000'000));
  }
  if (!status.failure.ok()) out.set_failure(status.failure.ToString());
  if (status.manifest == nullptr) return;
  *out.mutable_created_at() = status.manifest->created_at();
  *out.mutable_evaluations() = status.manifest->evaluations();
  out.set_arch(status.manifest->backbone().arch());
  out.set_dimension(status.manifest->embedding().dimension());
  *out.mutable_attributes() = status.manifest->attributes();
}

}  // namespace

v1::GetModelStatusResponse ToProto(const ModelStatus& status) {
  v1::GetModelStatusResponse response;
  for (const VersionStatus& version : status.versions) Fill(version, *response.add_versions());
  response.set_serving_version(status.serving_version);
  if (status.pinned_version) response.set_pinned_version(*status.pinned_version);
  response.set_device(status.device);
  return response;
}

}  // namespace s2p
