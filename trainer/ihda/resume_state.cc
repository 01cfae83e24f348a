#include "trainer/ihda/resume_state.h"

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/file.h"
#include "model/sha256.h"

namespace s2p {
namespace {

using Json = nlohmann::json;

// The file: one line of JSON that says what follows, a line feed, the bytes of networks, start and
// sum, and in format 3 of best and last_sum.
constexpr int kFormat = 3;
constexpr int kFormatWithoutBest = 2;
constexpr uint64_t kMaxBytes = uint64_t{64} << 30;

absl::Status Damaged(const std::string& path, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat(path, ": ", what, "; remove the file to train from the beginning"));
}

// Cuts that many bytes off; false if there are fewer.
bool Take(absl::string_view& payload, uint64_t size, std::string& part) {
  if (size > payload.size()) return false;
  part = std::string(payload.substr(0, size));
  payload.remove_prefix(size);
  return true;
}

bool MakesSense(const ResumeState& state) {
  return state.ihda_step >= 1 && state.ihda_step <= 2 && state.epochs_done >= 0 &&
         state.repeats_ended >= 0 && state.best_epoch >= 0 && state.human_share >= 0 &&
         state.human_share < 1 && (state.best_epoch == 0) == state.best.empty();
}

}  // namespace

absl::Status WriteResumeState(const std::string& path, const ResumeState& state) {
  Json header;
  const bool keeps_best = !state.best.empty() || !state.last_sum.empty();
  header["format"] = keeps_best ? kFormat : kFormatWithoutBest;
  header["run"] = state.run_digest;
  header["step"] = state.ihda_step;
  header["epochsDone"] = state.epochs_done;
  header["iteration"] = state.updates;
  header["bytes"] = state.networks.size();
  header["startBytes"] = state.start.size();
  header["sumBytes"] = state.sum.size();
  header["runsEnded"] = state.repeats_ended;
  if (state.human_share > 0) header["humanShare"] = state.human_share;
  if (keeps_best) {
    header["bestEpoch"] = state.best_epoch;
    header["bestPrecision"] = state.best_mean_average_precision;
    header["bestBytes"] = state.best.size();
    header["lastSumBytes"] = state.last_sum.size();
  }
  const std::vector<absl::string_view> parts = {state.networks, state.start, state.sum, state.best,
                                                state.last_sum};
  header["sha256"] = Sha256(parts);
  const RunContents& contents = state.run.contents;
  header["lists"] = state.run.older_digest;
  header["sourceImages"] = contents.source_images_sha256;
  header["targetImages"] = contents.target_images_sha256;
  header["initialWeights"] = contents.initial_weights_sha256;
  header["initialVersion"] = contents.initial_version_sha256;
  header["trainingFormat"] = state.training_format;
  header["build"] = state.build;
  const std::string line = header.dump() + "\n";
  const std::string temporary = path + ".tmp";
  if (absl::Status status = WriteFileSynced(
          temporary, {line, state.networks, state.start, state.sum, state.best, state.last_sum});
      !status.ok()) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    return status;
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return FileError(errno, path, "cannot be replaced");
  }
  return SyncDirectory(std::filesystem::path(path).parent_path().string());
}

absl::Status CheckRoomForState(const std::string& path, uint64_t size_bytes) {
  std::error_code error;
  const auto folder = std::filesystem::path(path).parent_path();
  const auto space = std::filesystem::space(folder, error);
  if (error || space.available >= size_bytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat(path, ": ", space.available, " bytes are free on the disk, and the state of an ",
                   "epoch takes ", size_bytes));
}

absl::StatusOr<ResumeState> ReadResumeState(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(const auto content, ReadResumeBytes(path));
  return ParseResumeState(path, content);
}

absl::StatusOr<std::string> ReadResumeBytes(const std::string& path) {
  return ReadWholeFile(path, kMaxBytes);
}

absl::StatusOr<ResumeState> ParseResumeState(const std::string& path, const std::string& content) {
  const size_t end = content.find('\n');
  if (end == std::string::npos) return Damaged(path, "has no header");
  const Json header = Json::parse(content.substr(0, end), nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return Damaged(path, "the header is not JSON");
  ResumeState state;
  try {
    if (header.at("format").get<int>() > kFormat) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, ": format ", header.at("format").get<int>(),
                       " is newer than this program's, ", kFormat));
    }
    state.run_digest = header.at("run").get<std::string>();
    state.ihda_step = header.at("step").get<int>();
    state.epochs_done = header.at("epochsDone").get<int>();
    state.updates = header.at("iteration").get<int64_t>();
    state.repeats_ended = header.value("runsEnded", 0);
    state.human_share = header.value("humanShare", 0.0);
    state.best_epoch = header.value("bestEpoch", 0);
    state.best_mean_average_precision = header.value("bestPrecision", 0.0);
    state.run = {header.value("lists", ""),
                 {header.value("sourceImages", ""), header.value("targetImages", ""),
                  header.value("initialWeights", ""), header.value("initialVersion", "")}};
    state.training_format = header.value("trainingFormat", 1);
    state.build = header.value("build", "");
    const absl::string_view payload = absl::string_view(content).substr(end + 1);
    absl::string_view rest = payload;
    const auto size = [&](const char* name) { return header.value(name, uint64_t{0}); };
    if (!Take(rest, header.at("bytes").get<uint64_t>(), state.networks) ||
        !Take(rest, size("startBytes"), state.start) || !Take(rest, size("sumBytes"), state.sum) ||
        !Take(rest, size("bestBytes"), state.best) ||
        !Take(rest, size("lastSumBytes"), state.last_sum) || !rest.empty()) {
      return Damaged(path, "has another size than its header says");
    }
    if (header.at("sha256").get<std::string>() != Sha256(payload)) {
      return Damaged(path, "has another SHA-256 than its header says");
    }
  } catch (const Json::exception&) {
    return Damaged(path, "the header lacks a field");
  }
  if (!MakesSense(state)) return Damaged(path, "the header makes no sense");
  return state;
}

}  // namespace s2p
