#include "trainer/jobs/job_file.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <random>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "base/status_macros.h"
#include "base/utf8.h"
#include "model/file.h"
#include "trainer/spec/spec_form.h"

namespace s2p {
namespace {

// A hundred times the size of the longest spec.
constexpr uint64_t kMostFileBytes = uint64_t{4} << 20;
constexpr size_t kMostTextBytes = size_t{16} << 10;
// Length of "20261123-205501-031337".
constexpr size_t kTimeLength = 22;
constexpr char kIdForm[] = "dddddddd-dddddd-dddddd-xxxxxxxx";

std::string TimeText(absl::Time time) {
  const int64_t micros = absl::ToUnixMicros(time);
  return absl::StrFormat("%s-%06d", absl::FormatTime("%Y%m%d-%H%M%S", time, absl::UTCTimeZone()),
                         ((micros % 1'000'000) + 1'000'000) % 1'000'000);
}

// InfinitePast if the digits are no time. (ParseTime's %Y would consume all digits.)
absl::Time TimeOf(absl::string_view id) {
  int date = 0, time = 0, micros = 0;
  if (!absl::SimpleAtoi(id.substr(0, 8), &date) || !absl::SimpleAtoi(id.substr(9, 6), &time) ||
      !absl::SimpleAtoi(id.substr(16, 6), &micros)) {
    return absl::InfinitePast();
  }
  const absl::CivilSecond second(date / 10000, date / 100 % 100, date % 100, time / 10000,
                                 time / 100 % 100, time % 100);
  const absl::Time found =
      absl::FromCivil(second, absl::UTCTimeZone()) + absl::Microseconds(micros);
  return TimeText(found) == id.substr(0, kTimeLength) ? found : absl::InfinitePast();
}

absl::Status Damaged(const std::string& path, absl::string_view what) {
  return absl::DataLossError(absl::StrCat(path, ": ", what));
}

// Reads "format" alone: we cannot know the other fields of a newer format.
absl::Status CheckFormat(const std::string& path, const std::string& json) {
  google::protobuf::Struct fields;
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &fields);
  if (!parsed.ok()) return Damaged(path, parsed.ToString());
  const auto found = fields.fields().find("format");
  if (found == fields.fields().end()) return Damaged(path, "no format");
  const double format = found->second.number_value();
  if (format > kJobFileFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": format ", format, " is newer than this program, which reads up to ",
                     kJobFileFormat));
  }
  if (format != kJobFileFormat) return Damaged(path, absl::StrCat("format: ", format));
  return absl::OkStatus();
}

}  // namespace

std::string NewJobId(absl::Time now, absl::string_view last_id) {
  std::string time = TimeText(now);
  if (!last_id.empty() && time <= last_id.substr(0, kTimeLength)) {
    time = TimeText(TimeOf(last_id) + absl::Microseconds(1));
  }
  std::random_device random;
  return absl::StrFormat("%s-%08x", time, static_cast<uint32_t>(random()));
}

bool IsJobId(absl::string_view text) {
  const absl::string_view form = kIdForm;
  if (text.size() != form.size()) return false;
  for (size_t i = 0; i < form.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool fits = form[i] == 'd'   ? absl::ascii_isdigit(c)
                      : form[i] == 'x' ? absl::ascii_isxdigit(c) && !absl::ascii_isupper(c)
                                       : c == '-';
    if (!fits) return false;
  }
  return TimeOf(text) != absl::InfinitePast();
}

const std::string& LineageOf(const v1::JobFile& file) {
  return file.lineage().empty() ? file.job().job_id() : file.lineage();
}

bool HasEnded(v1::Job::State state) {
  return state == v1::Job::STATE_SUCCEEDED || MayBeRetried(state);
}

bool MayBeRetried(v1::Job::State state) {
  return state == v1::Job::STATE_FAILED || state == v1::Job::STATE_CANCELLED;
}

EndTime EndTimeOf(const v1::Job& job) { return {job.ended_at().seconds(), job.ended_at().nanos()}; }

google::protobuf::Timestamp ToProtoTime(absl::Time time) {
  google::protobuf::Timestamp proto;
  proto.set_seconds(absl::ToUnixSeconds(time));
  proto.set_nanos(
      static_cast<int32_t>((time - absl::FromUnixSeconds(proto.seconds())) / absl::Nanoseconds(1)));
  return proto;
}

std::string ShownText(absl::string_view text) {
  text = text.substr(0, kMostTextBytes);
  std::string shown;
  while (!text.empty()) {
    const size_t length = FirstCharacter(text).bytes;
    if (length == 0) {
      shown += '?';
    } else {
      shown.append(text.data(), length);
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  return shown;
}

absl::Status WriteJobFile(const std::string& folder, const v1::JobFile& file) {
  std::string json;
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  const auto printed = google::protobuf::util::MessageToJsonString(file, &json, options);
  if (!printed.ok()) return absl::InvalidArgumentError(printed.ToString());
  const std::string path = absl::StrCat(folder, "/", kJobFileName);
  const std::string temporary = absl::StrCat(folder, "/.job.json.tmp");
  absl::Status status = WriteFileSynced(temporary, {json});
  if (status.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    status = FileError(errno, path, "rename");
  }
  if (!status.ok()) {
    // Half a file would keep using room on a full disk.
    std::remove(temporary.c_str());
    return status;
  }
  return SyncDirectory(folder);
}

absl::StatusOr<v1::JobFile> ReadJobFile(const std::string& folder, const std::string& id) {
  const std::string path = absl::StrCat(folder, "/", kJobFileName);
  S2P_ASSIGN_OR_RETURN(const auto json, ReadWholeFile(path, kMostFileBytes));
  S2P_RETURN_IF_ERROR(CheckFormat(path, json));
  v1::JobFile file;
  // A field that this program does not know could change what is trained, so it is an error like a
  // broken one.
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &file);
  if (!parsed.ok()) return Damaged(path, parsed.ToString());
  const v1::Job& job = file.job();
  if (job.job_id() != id) {
    return Damaged(path, absl::StrCat("jobId: \"", job.job_id(), "\" is not its folder's name"));
  }
  if (!v1::Job::State_IsValid(job.state()) || job.state() == v1::Job::STATE_UNSPECIFIED) {
    return Damaged(path, absl::StrCat("state: ", job.state()));
  }
  if (!job.has_resolved_spec()) return Damaged(path, "resolvedSpec: missing");
  if (!job.has_created_at()) return Damaged(path, "createdAt: missing");
  if (job.has_spec()) UpgradeSpec(*file.mutable_job()->mutable_spec());
  UpgradeSpec(*file.mutable_job()->mutable_resolved_spec());
  return file;
}

}  // namespace s2p
