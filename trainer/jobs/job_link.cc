#include "trainer/jobs/job_link.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

constexpr size_t kHeadBytes = 5;
constexpr size_t kChunkBytes = size_t{64} << 10;
// The evaluations of a job are some kilobytes.
constexpr uint32_t kMostJobBytes = uint32_t{64} << 20;

bool IsWord(char c) { return std::strchr("pembowvsqtcdfynx", c) != nullptr && c != '\0'; }

absl::Status Broken(const char* what) {
  return absl::UnavailableError(absl::StrCat(
      "the connection between the daemon and a job's process: ", what, ": ", std::strerror(errno)));
}

}  // namespace

JobLink::~JobLink() { close(socket_); }

absl::Status JobLink::Send(JobWord word, const v1::Job& job) {
  const std::string body = job.SerializeAsString();
  std::string text(1, static_cast<char>(word));
  for (int shift = 0; shift < 32; shift += 8) {
    text += static_cast<char>((body.size() >> shift) & 0xff);
  }
  text += body;
  for (size_t sent = 0; sent < text.size();) {
    const ssize_t count = send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) return Broken("send");
    sent += static_cast<size_t>(std::max<ssize_t>(count, 0));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<JobReport>> JobLink::Take() {
  if (received_.size() < kHeadBytes) return std::optional<JobReport>();
  uint32_t size = 0;
  for (size_t i = 0; i < 4; ++i) {
    size |= static_cast<uint32_t>(static_cast<uint8_t>(received_[1 + i])) << (8 * i);
  }
  JobReport report;
  report.word = static_cast<JobWord>(received_[0]);
  if (!IsWord(received_[0]) || size > kMostJobBytes) {
    return absl::DataLossError("a job's process sent what is no message");
  }
  if (received_.size() - kHeadBytes < size) return std::optional<JobReport>();
  if (!report.job.ParseFromArray(received_.data() + kHeadBytes, static_cast<int>(size))) {
    return absl::DataLossError("a job's process sent a damaged message");
  }
  received_.erase(0, kHeadBytes + size);
  return std::optional<JobReport>(std::move(report));
}

absl::StatusOr<std::optional<JobReport>> JobLink::Receive(absl::Duration timeout) {
  for (;;) {
    S2P_ASSIGN_OR_RETURN(auto report, Take());
    if (report) return std::optional<JobReport>(std::move(report));
    pollfd ready = {socket_, POLLIN, 0};
    const int count = poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
    if (count < 0 && errno != EINTR) return Broken("poll");
    if (count <= 0) return std::optional<JobReport>();
    const size_t before = received_.size();
    received_.resize(before + kChunkBytes);
    const ssize_t got = recv(socket_, received_.data() + before, kChunkBytes, 0);
    received_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    // A process that is killed with messages of ours unread resets the connection.
    if (got == 0 || (got < 0 && errno == ECONNRESET)) {
      return absl::OutOfRangeError("the other end is closed");
    }
    if (got < 0 && errno != EINTR) return Broken("receive");
  }
}

}  // namespace s2p
