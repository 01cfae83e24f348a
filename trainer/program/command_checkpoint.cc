#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/checkpoint_store.h"
#include "model/safetensors.h"
#include "model/sha256.h"
#include "trainer/program/commands.h"
#include "trainer/program/release_checkpoint.h"

namespace s2p {

absl::Status RunImportCheckpoint(const ImportCheckpointOptions& options, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto spec, ReleaseSpec(options.preset));
  S2P_ASSIGN_OR_RETURN(const auto weights, ReadSafetensors(options.in));
  S2P_ASSIGN_OR_RETURN(const auto digest, Sha256OfFile(options.in));
  auto model = ModelOfRelease(weights, spec, options.attributes);
  if (!model.ok()) {
    return absl::Status(model.status().code(),
                        absl::StrCat(options.in, ": ", model.status().message()));
  }
  model->manifest.mutable_provenance()->set_job_id(absl::StrCat("import-", digest.substr(0, 12)));
  const CheckpointStore store(options.checkpoint_root);
  S2P_ASSIGN_OR_RETURN(const auto version, store.Publish(model->manifest, model->weights));
  out << options.in << ": as " << spec.preset() << " with " << model->manifest.attributes_size()
      << " attributes, published as version " << version << " in " << store.DirectoryOf(version)
      << '\n';
  return absl::OkStatus();
}

absl::Status RunPublish(const PublishOptions& options, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto checkpoint, ReadCheckpoint(options.checkpoint));
  const CheckpointStore store(options.checkpoint_root);
  S2P_ASSIGN_OR_RETURN(const auto version, store.Publish(checkpoint.manifest, checkpoint.weights));
  out << options.checkpoint << ": published as version " << version << " in "
      << store.DirectoryOf(version) << '\n';
  return absl::OkStatus();
}

}  // namespace s2p
