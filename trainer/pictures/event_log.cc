#include "trainer/pictures/event_log.h"

#include <filesystem>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "model/file.h"
#include "trainer/pictures/tensorboard_event.pb.h"
#include "trainer/pictures/tfrecord.h"

namespace s2p {
namespace {

using tensorboard::Event;

constexpr char kResult[] = "result/";
// An event is less than a kilobyte.
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;

Event EventAt(int64_t step) {
  Event event;
  event.set_wall_time(absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
  event.set_step(step);
  return event;
}

void AddScalar(const std::string& tag, double value, Event& event) {
  tensorboard::Summary::Value& scalar = *event.mutable_summary()->add_value();
  scalar.set_tag(tag);
  scalar.set_simple_value(static_cast<float>(value));
}

void AddEvaluation(const std::string& prefix, const v1::Evaluation& evaluation, Event& event) {
  const std::pair<const char*, double> metrics[] = {
      {"rank1", evaluation.rank1()},
      {"rank5", evaluation.rank5()},
      {"rank10", evaluation.rank10()},
      {"rank20", evaluation.rank20()},
      {"mAP", evaluation.mean_average_precision()},
      {"mINP", evaluation.mean_inverse_negative_penalty()}};
  for (const auto& [name, value] : metrics) {
    AddScalar(absl::StrCat(prefix, evaluation.direction(), "/", name), value, event);
  }
}

std::string RecordOf(const Event& event) { return TfRecord(event.SerializeAsString()); }

constexpr int kRecordsOfBeginning = 2;

// The first records of a file: its version, and the spec as preformatted text.
std::string Beginning(const std::string& spec) {
  Event version = EventAt(0);
  version.set_file_version("brain.Event:2");
  Event text = EventAt(0);
  tensorboard::Summary::Value& value = *text.mutable_summary()->add_value();
  value.set_tag("spec");
  value.mutable_metadata()->mutable_plugin_data()->set_plugin_name("text");
  value.mutable_tensor()->set_dtype(tensorboard::Tensor::DT_STRING);
  value.mutable_tensor()->mutable_tensor_shape()->add_dim()->set_size(1);
  value.mutable_tensor()->add_string_val(
      absl::StrCat("    ", absl::StrReplaceAll(spec, {{"\n", "\n    "}})));
  return RecordOf(version) + RecordOf(text);
}

bool IsResult(const Event& event) {
  return event.summary().value_size() > 0 &&
         absl::StartsWith(event.summary().value(0).tag(), kResult);
}

}  // namespace

bool EventLog::Recover(int64_t step) {
  const auto bytes = ReadWholeFile(path_, kMaxFileBytes);
  if (!bytes.ok() && !absl::IsNotFound(bytes.status())) return false;
  absl::string_view rest = bytes.ok() ? absl::string_view(*bytes) : absl::string_view();
  const size_t size = rest.size();
  size_t kept = 0;
  int records = 0;
  last_step_ = 0;
  while (const auto data = TakeTfRecord(rest)) {
    Event event;
    if (!event.ParseFromArray(data->data(), static_cast<int>(data->size()))) break;
    if (event.step() >= step || IsResult(event)) break;
    last_step_ = event.step();
    // A beginning without the spec is none.
    if (++records >= kRecordsOfBeginning) kept = size - rest.size();
  }
  std::error_code error;
  if (size > kept) std::filesystem::resize_file(path_, kept, error);
  if (error) return false;
  recovered_ = true;
  if (kept == 0) Append(Beginning(spec_));
  return recovered_;
}

void EventLog::Append(const std::string& records) {
  std::ofstream file(path_, std::ios::app | std::ios::binary);
  file << records << std::flush;
  // A record of which a part is written is cut off before the next one.
  if (!file) recovered_ = false;
}

void EventLog::WriteEpoch(const v1::TrainingProgress& progress,
                          const std::vector<v1::Evaluation>& evaluations) {
  const int64_t step =
      progress.epoch() + (progress.ihda_step() == 1 ? int64_t{0} : epochs_of_step1_);
  if (!recovered_ && !Recover(step)) return;
  Event event = EventAt(step);
  for (const v1::LossTerm& term : progress.losses()) {
    AddScalar(absl::StrCat("loss/", term.name()), term.value(), event);
  }
  AddScalar("learning_rate", progress.learning_rate(), event);
  for (const v1::Evaluation& evaluation : evaluations) AddEvaluation("eval/", evaluation, event);
  last_step_ = step;
  Append(RecordOf(event));
}

void EventLog::WriteResults(const std::vector<v1::Evaluation>& evaluations) {
  if (evaluations.empty() || !Recover(std::numeric_limits<int64_t>::max())) return;
  Event event = EventAt(last_step_);
  for (const v1::Evaluation& evaluation : evaluations) {
    AddEvaluation(absl::StrCat(kResult, evaluation.split(), "/"), evaluation, event);
  }
  Append(RecordOf(event));
  // Another run in this folder starts by looking at the file again.
  recovered_ = false;
}

}  // namespace s2p
