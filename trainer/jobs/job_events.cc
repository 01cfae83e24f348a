#include "trainer/jobs/job_events.h"

#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "trainer/jobs/job_file.h"

namespace s2p {
namespace {

constexpr size_t kChunkBytes = size_t{64} << 10;
// Texts have at most 16 KiB, which may be six times as long in JSON; the rest is small.
constexpr size_t kMostLineBytes = size_t{1} << 20;

// Whether the line is complete and has the event of that number. Reads only its start: Append
// writes the number first.
bool IsEvent(absl::string_view line, int64_t number) {
  return absl::StartsWith(line, absl::StrCat("{\"event\":\"", number, "\",")) &&
         absl::EndsWith(line, "}");
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

// Number and end of the last event before which none is missing or damaged.
struct Whole {
  int64_t events = 0;
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
      if (!IsEvent(line, whole.events + 1)) return whole;
      ++whole.events;
      whole.bytes += static_cast<int64_t>(line.size()) + 1;
    }
    buffer.erase(0, begin);
    if (buffer.size() > kMostLineBytes) return whole;
  }
  return whole;
}

}  // namespace

absl::StatusOr<std::shared_ptr<JobEvents>> JobEvents::Open(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno != ENOENT) return FileError(errno, path, "open");
    return std::shared_ptr<JobEvents>(new JobEvents(path, -1, 0, 0));
  }
  const off_t size = lseek(descriptor, 0, SEEK_END);
  const auto whole = FindWhole(descriptor, path, size);
  if (!whole.ok()) {
    close(descriptor);
    return whole.status();
  }
  std::shared_ptr<JobEvents> events(new JobEvents(path, descriptor, whole->events, whole->bytes));
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

int64_t JobEvents::size_bytes() const {
  absl::MutexLock lock(&mutex_);
  return size_bytes_;
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
  return absl::OkStatus();
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
    : events_(std::move(events)), skip_(std::max<int64_t>(from_event, 1) - 1) {}

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
    const int64_t size = events_->size_bytes();
    if (offset_bytes_ >= size) return std::optional<std::string>();
    if (descriptor_ < 0) {
      descriptor_ = open(events_->path().c_str(), O_RDONLY | O_CLOEXEC);
      if (descriptor_ < 0) return FileError(errno, events_->path(), "open");
    }
    const size_t before = buffer_.size();
    S2P_RETURN_IF_ERROR(ReadChunk(descriptor_, events_->path(), offset_bytes_, size, buffer_));
    offset_bytes_ += static_cast<int64_t>(buffer_.size() - before);
  }
}

absl::StatusOr<std::optional<v1::WatchJobResponse>> JobEventReader::Next() {
  for (;;) {
    S2P_ASSIGN_OR_RETURN(const auto line, NextLine());
    if (!line.has_value()) return std::optional<v1::WatchJobResponse>();
    const int64_t number = next_event_++;
    if (skip_ > 0) {
      --skip_;
      continue;
    }
    v1::WatchJobResponse event;
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    const auto parsed = google::protobuf::util::JsonStringToMessage(*line, &event, options);
    if (!parsed.ok() || event.event() != number) {
      return absl::DataLossError(
          absl::StrCat(events_->path(), ": event ", number, " is damaged: ", parsed.ToString()));
    }
    return std::optional<v1::WatchJobResponse>(std::move(event));
  }
}

}  // namespace s2p
