#include "trainer/jobs/job_store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "daemon/log.h"
#include "model/file.h"
#include "trainer/jobs/job_file.h"

namespace s2p {
namespace {

namespace fs = std::filesystem;

// Half of the largest message that a gRPC client accepts by default.
constexpr size_t kMostPageBytes = size_t{2} << 20;

// Whether the job was never acknowledged: it has no first job.json yet.
bool IsUnborn(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename() != ".job.json.tmp") return false;
  }
  return !error;
}

// Stands for a job that cannot be read.
std::shared_ptr<const v1::JobFile> Unreadable(const std::string& id, const absl::Status& why) {
  auto file = std::make_shared<v1::JobFile>();
  file->mutable_job()->set_job_id(id);
  file->mutable_job()->set_state(v1::Job::STATE_FAILED);
  file->mutable_job()->set_reason(ShownText(why.message()));
  return file;
}

}  // namespace

absl::StatusOr<std::unique_ptr<JobStore>> JobStore::Open(const std::string& state_dir) {
  S2P_ASSIGN_OR_RETURN(auto lock, FolderLock::Acquire(state_dir));
  std::unique_ptr<JobStore> store(new JobStore(state_dir, std::move(lock)));
  std::error_code error;
  fs::create_directories(store->jobs_dir_, error);
  if (error) return FileError(error.value(), store->jobs_dir_, "create folder");
  absl::Status status = SyncDirectory(state_dir);
  if (status.ok()) status = store->ReadAll();
  if (!status.ok()) return status;
  return store;
}

absl::Status JobStore::ReadAll() {
  std::error_code error;
  std::set<std::string> ids;
  for (const auto& entry : fs::directory_iterator(jobs_dir_, error)) {
    const std::string name = entry.path().filename().string();
    // Other folders, such as that of a run in the foreground, are left alone.
    if (IsJobId(name)) ids.insert(name);
  }
  if (error) return FileError(error.value(), jobs_dir_, "list");
  for (const std::string& id : ids) ReadOne(id);
  return absl::OkStatus();
}

void JobStore::ReadOne(const std::string& id) {
  const std::string folder = FolderOf(id);
  if (IsUnborn(folder)) {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    return;
  }
  auto entry = std::make_shared<Entry>();
  auto file = ReadJobFile(folder, id);
  if (file.ok()) {
    entry->file = std::make_shared<const v1::JobFile>(*std::move(file));
  } else {
    LogWarning("a job cannot be read", {{"job", id}, {"reason", file.status()}});
    entry->file = Unreadable(id, file.status());
    entry->damaged = true;
  }
  absl::MutexLock lock(&mutex_);
  entries_[id] = std::move(entry);
  last_id_ = id;
}

absl::Status JobStore::MakeFolder(const std::string& id) {
  const std::string folder = FolderOf(id);
  if (mkdir(folder.c_str(), 0755) != 0) return FileError(errno, folder, "create folder");
  return SyncDirectory(jobs_dir_);
}

absl::StatusOr<v1::Job> JobStore::Create(const v1::TrainingSpec& spec,
                                         const v1::TrainingSpec& resolved_spec,
                                         const std::string& lineage) {
  const absl::Time now = absl::Now();
  std::string id;
  {
    absl::MutexLock lock(&mutex_);
    id = last_id_ = NewJobId(now, last_id_);
  }
  auto file = std::make_shared<v1::JobFile>();
  file->set_format(kJobFileFormat);
  file->set_lineage(lineage);
  v1::Job& job = *file->mutable_job();
  job.set_job_id(id);
  *job.mutable_spec() = spec;
  *job.mutable_resolved_spec() = resolved_spec;
  job.set_state(v1::Job::STATE_QUEUED);
  *job.mutable_created_at() = ToProtoTime(now);
  absl::Status status = MakeFolder(id);
  if (status.ok()) status = WriteJobFile(FolderOf(id), *file);
  if (!status.ok()) {
    std::error_code ignored;
    fs::remove_all(FolderOf(id), ignored);
    return status;
  }
  auto entry = std::make_shared<Entry>();
  entry->file = file;
  absl::MutexLock lock(&mutex_);
  entries_[id] = std::move(entry);
  return file->job();
}

std::shared_ptr<JobStore::Entry> JobStore::Find(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second;
}

absl::StatusOr<std::shared_ptr<const v1::JobFile>> JobStore::GetFile(const std::string& id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) {
    return absl::NotFoundError(absl::StrCat("job_id: there is no job \"", id, "\""));
  }
  return found->second->file;
}

absl::StatusOr<v1::Job> JobStore::Get(const std::string& id) const {
  S2P_ASSIGN_OR_RETURN(const auto file, GetFile(id));
  return file->job();
}

absl::StatusOr<v1::Job> JobStore::GetWithRounds(const std::string& id) const {
  S2P_ASSIGN_OR_RETURN(const auto file, GetFile(id));
  v1::Job job = file->job();
  auto& rounds = *job.mutable_rounds();
  rounds.Clear();
  for (const auto& other : All()) {
    if (LineageOf(*other) == LineageOf(*file)) rounds.MergeFrom(other->job().rounds());
  }
  // A job that is retried ends after younger ones.
  std::stable_sort(rounds.begin(), rounds.end(), [](const auto& a, const auto& b) {
    return std::pair(a.ended_at().seconds(), a.ended_at().nanos()) <
           std::pair(b.ended_at().seconds(), b.ended_at().nanos());
  });
  if (rounds.size() > kMostRounds) rounds.DeleteSubrange(0, rounds.size() - kMostRounds);
  return job;
}

absl::StatusOr<JobPage> JobStore::List(size_t page_size, const std::string& page_token) const {
  std::string before;
  if (!page_token.empty() &&
      (!absl::WebSafeBase64Unescape(page_token, &before) || !IsJobId(before))) {
    return absl::InvalidArgumentError("page_token: is none that a list has given");
  }
  std::vector<std::shared_ptr<const v1::JobFile>> files;
  bool more = false;
  {
    absl::MutexLock lock(&mutex_);
    auto end = before.empty() ? entries_.end() : entries_.lower_bound(before);
    while (end != entries_.begin() && files.size() < page_size) {
      --end;
      files.push_back(end->second->file);
    }
    more = end != entries_.begin();
  }
  JobPage page;
  size_t bytes = 0;
  for (const auto& file : files) {
    bytes += file->job().ByteSizeLong();
    if (bytes > kMostPageBytes && !page.jobs.empty()) {
      more = true;
      break;
    }
    page.jobs.push_back(file->job());
  }
  if (more && !page.jobs.empty()) {
    page.next_page_token = absl::WebSafeBase64Escape(page.jobs.back().job_id());
  }
  return page;
}

std::vector<std::shared_ptr<const v1::JobFile>> JobStore::All() const {
  std::vector<std::shared_ptr<const v1::JobFile>> files;
  absl::MutexLock lock(&mutex_);
  for (const auto& [id, entry] : entries_) files.push_back(entry->file);
  return files;
}

std::map<v1::Job::State, int64_t> JobStore::Counts() const {
  std::map<v1::Job::State, int64_t> counts;
  for (const auto& file : All()) ++counts[file->job().state()];
  return counts;
}

std::vector<int64_t> JobStore::NeededVersions(size_t most_retried) const {
  std::set<int64_t> versions;
  std::map<std::string, int64_t> last_of_lineage;
  // The time of the end, and the version, of jobs that may be retried.
  std::vector<std::pair<EndTime, int64_t>> retried;
  for (const auto& file : All()) {
    const v1::Job& job = file->job();
    if (MayBeRetried(job.state()) && job.resolved_spec().initial_version() > 0) {
      retried.emplace_back(EndTimeOf(job), job.resolved_spec().initial_version());
    }
    if (job.resolved_spec().watch() && job.published_version() > 0) {
      // A job that was retried may have published after a later one.
      int64_t& last = last_of_lineage[LineageOf(*file)];
      last = std::max(last, job.published_version());
    }
    // A job that is watched afresh starts from its version again and again.
    const bool starts_again = job.resolved_spec().watch() && job.resolved_spec().watch_afresh() &&
                              job.state() != v1::Job::STATE_CANCELLED;
    if ((starts_again || !HasEnded(job.state())) && job.resolved_spec().initial_version() > 0) {
      versions.insert(job.resolved_spec().initial_version());
    }
  }
  for (const auto& [lineage, version] : last_of_lineage) versions.insert(version);
  std::sort(retried.rbegin(), retried.rend());
  retried.resize(std::min(retried.size(), most_retried));
  for (const auto& [end, version] : retried) versions.insert(version);
  return {versions.begin(), versions.end()};
}

absl::Status JobStore::Update(const std::string& id,
                              const std::function<void(v1::JobFile&)>& change) {
  const auto entry = Find(id);
  if (entry == nullptr) return GetFile(id).status();
  if (entry->damaged) {
    return absl::FailedPreconditionError(absl::StrCat(FolderOf(id), "/job.json: is damaged"));
  }
  absl::MutexLock changing(&entry->changing);
  auto file = std::make_shared<v1::JobFile>(**GetFile(id));
  change(*file);
  S2P_RETURN_IF_ERROR(WriteJobFile(FolderOf(id), *file));
  absl::MutexLock lock(&mutex_);
  entry->file = std::move(file);
  return absl::OkStatus();
}

void JobStore::Show(const std::string& id, const std::function<void(v1::JobFile&)>& change) {
  const auto entry = Find(id);
  if (entry == nullptr || entry->damaged) return;
  absl::MutexLock changing(&entry->changing);
  auto file = std::make_shared<v1::JobFile>(**GetFile(id));
  change(*file);
  absl::MutexLock lock(&mutex_);
  entry->file = std::move(file);
}

absl::StatusOr<std::shared_ptr<JobEvents>> JobStore::Events(const std::string& id) {
  const auto entry = Find(id);
  if (entry == nullptr) return GetFile(id).status();
  absl::MutexLock changing(&entry->changing);
  {
    absl::MutexLock lock(&mutex_);
    if (auto events = entry->events.lock()) return events;
  }
  S2P_ASSIGN_OR_RETURN(auto events, JobEvents::Open(FolderOf(id) + "/events.jsonl"));
  absl::MutexLock lock(&mutex_);
  entry->events = events;
  return events;
}

void JobStore::DropFiles(const std::string& id) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(FolderOf(id), error)) {
    if (entry.path().filename() != kJobFileName) files.push_back(entry.path());
  }
  if (files.empty()) return;
  // A picture that is gone must not be named, not even after a crash.
  const auto job = Get(id);
  absl::Status status = job.status();
  if (job.ok() && !job->learning_curve_file().empty()) {
    status = Update(id, [](v1::JobFile& file) { file.mutable_job()->clear_learning_curve_file(); });
  }
  if (!status.ok()) {
    return LogWarning("the files of an old job are not removed", {{"job", id}, {"reason", status}});
  }
  for (const fs::path& file : files) {
    fs::remove_all(file, error);
    if (error) LogWarning("a file of an old job is not removed", {{"file", file.string()}});
  }
  LogInfo("the files of an old job are removed", {{"job", id}});
  // A reader of the removed events must not be given those of a retry.
  const auto entry = Find(id);
  absl::MutexLock lock(&mutex_);
  entry->events.reset();
}

std::string JobStore::FolderOf(const std::string& id) const {
  return absl::StrCat(jobs_dir_, "/", id);
}

}  // namespace s2p
