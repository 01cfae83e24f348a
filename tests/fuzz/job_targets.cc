#include <algorithm>
#include <string>

#include "base/check.h"
#include "base/message_text.h"
#include "s2p/v1/training.pb.h"
#include "tests/fuzz/scratch_file.h"
#include "tests/fuzz/targets.h"
#include "trainer/jobs/job_events.h"
#include "trainer/jobs/job_file.h"
#include "trainer/pictures/event_log.h"
#include "trainer/pictures/tfrecord.h"
#include "trainer/spec/training_spec.h"

namespace s2p::fuzz {
namespace {

constexpr char kJobId[] = "20261123-205501-031337-3fa9c1d2";

}  // namespace

void JobFile(absl::string_view bytes) {
  static const ScratchFolder folder;
  folder.Write("job.json", bytes);
  const auto file = ReadJobFile(folder.path(), kJobId);
  if (!file.ok()) return;
  S2P_CHECK(WriteJobFile(folder.path(), *file).ok());
  S2P_CHECK(ReadJobFile(folder.path(), kJobId).ok());
}

void JobEvents(absl::string_view bytes) {
  static const ScratchFolder folder;
  const auto events = s2p::JobEvents::Open(folder.Write("events.jsonl", bytes));
  if (!events.ok()) return;
  JobEventReader reader(*events, 1);
  for (auto event = reader.Next(); event.ok() && event->has_value(); event = reader.Next()) {
  }
  v1::WatchJobResponse event;
  event.set_message("next");
  S2P_CHECK((*events)->Append(event, /*sync=*/false).ok());
}

void EventLog(absl::string_view bytes) {
  static const ScratchFolder folder;
  const bool is_record = !bytes.empty() && bytes[0] == 'r';
  folder.Write(kEventFileName, is_record ? TfRecord(bytes.substr(1)) : std::string(bytes));
  s2p::EventLog log(folder.path(), /*epochs_of_step1=*/2, "spec");
  v1::TrainingProgress progress;
  progress.set_epoch(3);
  log.WriteEpoch(progress, {});
}

void Spec(absl::string_view bytes) {
  static const ScratchFolder folder;
  v1::TrainingSpec assigned;
  static_cast<void>(
      SetMessageField(bytes.substr(0, std::min<size_t>(bytes.find('\n'), 200)), assigned));
  const auto spec = ReadSpec(folder.Write("spec", bytes));
  if (!spec.ok()) return;
  const auto resolved = ResolveSpec(*spec);
  if (!resolved.ok()) return;
  static_cast<void>(ManifestOf(*resolved, {"boots"}));
  S2P_CHECK(SpecDigest(*resolved).size() == 64);
}

}  // namespace s2p::fuzz
