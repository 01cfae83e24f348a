#include "trainer/jobs/job_events.h"

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "daemon/log.h"
#include "model/file.h"
#include "trainer/jobs/job_file.h"

namespace s2p {
namespace {

constexpr size_t kChunkBytes = size_t{64} << 10;
// Texts have at most 16 KiB, which may be six times as long in JSON; the rest is small.
constexpr size_t kMostLineBytes = size_t{1} << 20;

// Number of the event in a complete line; 0 if there is none. Reads only its start: Append writes
// the number first.
int64_t NumberOf(absl::string_view line) {
  if (!absl::ConsumePrefix(&line, "{\"event\":\"") || !absl::EndsWith(line, "}")) return 0;
  int64_t number = 0;
  const size_t end = line.find("\",");
  if (end == absl::string_view::npos || !absl::SimpleAtoi(line.substr(0, end), &number)) return 0;
  return std::max<int64_t>(number, 0);
}

bool Parse(absl::string_view line, v1::WatchJobResponse& event) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  return google::protobuf::util::JsonStringToMessage(std::string(line), &event, options).ok();
}

// Whether the event still says something when its time has passed.
bool IsMilestone(absl::string_view line) {
  v1::WatchJobResponse event;
  if (!Parse(line, event)) return false;
  if (!event.message().empty() || event.state() != v1::Job::STATE_RUNNING) return true;
  return event.has_progress() && event.progress().step() == event.progress().steps();
}

// The newest milestones of these lines that fit into `most_bytes`, in their order.
std::string Milestones(absl::string_view lines, size_t most_bytes) {
  std::vector<absl::string_view> kept;
  for (size_t end; (end = lines.find('\n')) != absl::string_view::npos;) {
    const absl::string_view line = lines.substr(0, end + 1);
    if (IsMilestone(line.substr(0, end))) kept.push_back(line);
    lines.remove_prefix(end + 1);
  }
  size_t first = kept.size();
  for (size_t bytes = 0; first > 0; --first) {
    bytes += kept[first - 1].size();
    if (bytes > most_bytes) break;
  }
  std::string text;
  for (size_t i = first; i < kept.size(); ++i) absl::StrAppend(&text, kept[i]);
  return text;
}

// Start of the first line that begins at `offset` or after it.
size_t LineAt(absl::string_view text, size_t offset) {
  if (offset == 0) return 0;
  const size_t end = text.find('\n', offset - 1);
  return end == absl::string_view::npos ? text.size() : end + 1;
}

// Appends to `buffer` the bytes from `offset`, at most a chunk and at most up to `end`.
absl::Status ReadChunk(int descriptor, const std::string& path, int64_t offset, int64_t end,
                       std::string& buffer) {
  const size_t before = buffer.size();
  const size_t want = std::min(kChunkBytes, static_cast<size_t>(end - offset));
  buffer.resize(before + want);
  ssize_t got = 0;
  do {
    got = pread(descriptor, buffer.data() + before, want, offset);
  } while (got < 0 && errno == EINTR);
  buffer.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return FileError(errno, path, "read");
  if (got == 0 && want > 0) return absl::DataLossError(absl::StrCat(path, ": cut short"));
  return absl::OkStatus();
}

// Number and end of the last event before which none is damaged.
struct Whole {
  int64_t last_event = 0;
  int64_t bytes = 0;
};

absl::StatusOr<Whole> FindWhole(int descriptor, const std::string& path, int64_t size) {
  Whole whole;
  std::string buffer;
  int64_t offset = 0;
  while (offset < size) {
    const size_t before = buffer.size();
    S2P_RETURN_IF_ERROR(ReadChunk(descriptor, path, offset, size, buffer));
    offset += static_cast<int64_t>(buffer.size() - before);
    size_t begin = 0;
    for (size_t end; (end = buffer.find('\n', begin)) != std::string::npos; begin = end + 1) {
      const absl::string_view line(buffer.data() + begin, end - begin);
      const int64_t number = NumberOf(line);
      if (number <= whole.last_event) return whole;
      whole.last_event = number;
      whole.bytes += static_cast<int64_t>(line.size()) + 1;
    }
    buffer.erase(0, begin);
    if (buffer.size() > kMostLineBytes) return whole;
  }
  return whole;
}

}  // namespace

absl::StatusOr<std::shared_ptr<JobEvents>> JobEvents::Open(const std::string& path,
                                                           int64_t most_bytes) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno != ENOENT) return FileError(errno, path, "open");
    return std::shared_ptr<JobEvents>(new JobEvents(path, most_bytes, -1, 0, 0));
  }
  const off_t size = lseek(descriptor, 0, SEEK_END);
  const auto whole = FindWhole(descriptor, path, size);
  if (!whole.ok()) {
    close(descriptor);
    return whole.status();
  }
  std::shared_ptr<JobEvents> events(
      new JobEvents(path, most_bytes, descriptor, whole->last_event, whole->bytes));
  absl::MutexLock lock(&events->mutex_);
  events->has_torn_end_ = whole->bytes != size;
  return events;
}

JobEvents::~JobEvents() {
  absl::MutexLock lock(&mutex_);
  if (descriptor_ >= 0) close(descriptor_);
}

int64_t JobEvents::last_event() const {
  absl::MutexLock lock(&mutex_);
  return last_event_;
}

JobEvents::View JobEvents::view() const {
  absl::MutexLock lock(&mutex_);
  return {replaced_, size_bytes_};
}

absl::StatusOr<int> JobEvents::OpenAgain(View& view) const {
  absl::MutexLock lock(&mutex_);
  view = {replaced_, size_bytes_};
  const int copy = fcntl(descriptor_, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return FileError(errno, path_, "open");
  return copy;
}

absl::Status JobEvents::Append(v1::WatchJobResponse event, bool sync) {
  event.set_message(ShownText(event.message()));
  absl::MutexLock lock(&mutex_);
  event.set_event(last_event_ + 1);
  std::string line;
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  const auto printed = google::protobuf::util::MessageToJsonString(event, &line, options);
  if (!printed.ok()) return absl::InternalError(printed.ToString());
  line += '\n';
  if (absl::Status status = Write(line, sync); !status.ok()) {
    has_torn_end_ = true;
    return status;
  }
  ++last_event_;
  size_bytes_ += static_cast<int64_t>(line.size());
  if (size_bytes_ <= shorten_above_bytes_) return absl::OkStatus();
  const absl::Status shortened = Shorten();
  shorten_above_bytes_ = shortened.ok() ? most_bytes_ : size_bytes_ + most_bytes_ / 4;
  if (!shortened.ok()) LogWarning("events are not shortened", {{"reason", shortened}});
  return absl::OkStatus();
}

absl::Status JobEvents::Shorten() {
  // A file that an older program has left may be of any size.
  const int64_t begin = std::max<int64_t>(0, size_bytes_ - 4 * most_bytes_);
  std::string text;
  while (begin + static_cast<int64_t>(text.size()) < size_bytes_) {
    S2P_RETURN_IF_ERROR(ReadChunk(descriptor_, path_, begin + static_cast<int64_t>(text.size()),
                                  size_bytes_, text));
  }
  const absl::string_view all = absl::string_view(text).substr(LineAt(text, begin == 0 ? 0 : 1));
  const auto half = static_cast<size_t>(most_bytes_ / 2);
  const size_t newer = LineAt(all, all.size() - std::min(all.size(), half));
  const std::string older = Milestones(all.substr(0, newer), half / 2);
  const std::filesystem::path path(path_);
  const std::string temporary = (path.parent_path() / ".events.jsonl.tmp").string();
  absl::Status status = WriteFileSynced(temporary, {older, all.substr(newer)});
  const int descriptor = status.ok() ? open(temporary.c_str(), O_RDWR | O_CLOEXEC) : -1;
  if (status.ok() && (descriptor < 0 || std::rename(temporary.c_str(), path_.c_str()) != 0)) {
    status = FileError(errno, temporary, "rename");
  }
  if (!status.ok()) {
    if (descriptor >= 0) close(descriptor);
    std::remove(temporary.c_str());
    return status;
  }
  close(descriptor_);
  descriptor_ = descriptor;
  size_bytes_ = static_cast<int64_t>(older.size() + all.size() - newer);
  ++replaced_;
  return SyncDirectory(path.parent_path().string());
}

absl::Status JobEvents::Write(const std::string& line, bool sync) {
  if (descriptor_ < 0) {
    descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) return FileError(errno, path_, "open");
  }
  if (has_torn_end_) {
    if (ftruncate(descriptor_, size_bytes_) != 0) return FileError(errno, path_, "truncate");
    has_torn_end_ = false;
  }
  for (size_t written = 0; written < line.size();) {
    const ssize_t count = pwrite(descriptor_, line.data() + written, line.size() - written,
                                 size_bytes_ + static_cast<int64_t>(written));
    if (count < 0 && errno != EINTR) return FileError(errno, path_, "write");
    written += static_cast<size_t>(std::max<ssize_t>(count, 0));
  }
  if (sync && fdatasync(descriptor_) != 0) return FileError(errno, path_, "sync");
  return absl::OkStatus();
}

JobEventReader::JobEventReader(std::shared_ptr<const JobEvents> events, int64_t from_event)
    : events_(std::move(events)), next_event_(std::max<int64_t>(from_event, 1)) {}

JobEventReader::~JobEventReader() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<std::optional<std::string>> JobEventReader::NextLine() {
  for (;;) {
    const size_t end = buffer_.find('\n', used_);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(used_, end - used_);
      used_ = end + 1;
      return std::optional<std::string>(std::move(line));
    }
    buffer_.erase(0, used_);
    used_ = 0;
    if (buffer_.size() > kMostLineBytes) {
      return absl::DataLossError(
          absl::StrCat(events_->path(), ": event ", next_event_, " is too long"));
    }
    JobEvents::View view = events_->view();
    if (view.size_bytes == 0) return std::optional<std::string>();
    if (descriptor_ < 0 || view.replaced != replaced_) {
      if (descriptor_ >= 0) close(descriptor_);
      descriptor_ = -1;
      S2P_ASSIGN_OR_RETURN(descriptor_, events_->OpenAgain(view));
      replaced_ = view.replaced;
      offset_bytes_ = 0;
      buffer_.clear();
    }
    if (offset_bytes_ >= view.size_bytes) return std::optional<std::string>();
    const size_t before = buffer_.size();
    S2P_RETURN_IF_ERROR(
        ReadChunk(descriptor_, events_->path(), offset_bytes_, view.size_bytes, buffer_));
    offset_bytes_ += static_cast<int64_t>(buffer_.size() - before);
  }
}

absl::StatusOr<std::optional<v1::WatchJobResponse>> JobEventReader::Next() {
  for (;;) {
    S2P_ASSIGN_OR_RETURN(const auto line, NextLine());
    if (!line.has_value()) return std::optional<v1::WatchJobResponse>();
    const int64_t number = NumberOf(*line);
    if (number > 0 && number < next_event_) continue;
    v1::WatchJobResponse event;
    if (number == 0 || !Parse(*line, event) || event.event() != number) {
      return absl::DataLossError(
          absl::StrCat(events_->path(), ": event ", std::max(number, next_event_), " is damaged"));
    }
    next_event_ = number + 1;
    return std::optional<v1::WatchJobResponse>(std::move(event));
  }
}

}  // namespace s2p
