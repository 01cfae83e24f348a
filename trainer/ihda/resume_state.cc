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
// sum.
constexpr int kFormat = 2;
constexpr uint64_t kMaxBytes = uint64_t{64} << 30;

absl::Status Damaged(const std::string& path, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat(path, ": ", what, "; remove the file to train from the beginning"));
}

}  // namespace

absl::Status WriteResumeState(const std::string& path, const ResumeState& state) {
  Json header;
  header["format"] = kFormat;
  header["run"] = state.run_digest;
  header["step"] = state.ihda_step;
  header["epochsDone"] = state.epochs_done;
  header["iteration"] = state.updates;
  header["bytes"] = state.networks.size();
  header["startBytes"] = state.start.size();
  header["sumBytes"] = state.sum.size();
  header["runsEnded"] = state.repeats_ended;
  header["sha256"] = Sha256({state.networks, state.start, state.sum});
  const std::string line = header.dump() + "\n";
  const std::string temporary = path + ".tmp";
  if (absl::Status status =
          WriteFileSynced(temporary, {line, state.networks, state.start, state.sum});
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

absl::StatusOr<ResumeState> ReadResumeState(const std::string& path) {
  S2P_ASSIGN_OR_RETURN(auto content, ReadWholeFile(path, kMaxBytes));
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
    const absl::string_view payload = absl::string_view(content).substr(end + 1);
    const auto networks = header.at("bytes").get<uint64_t>();
    const auto start = header.value("startBytes", uint64_t{0});
    const auto sum = header.value("sumBytes", uint64_t{0});
    state.repeats_ended = header.value("runsEnded", 0);
    if (networks > payload.size() || start > payload.size() - networks ||
        sum != payload.size() - networks - start) {
      return Damaged(path, "has another size than its header says");
    }
    if (header.at("sha256").get<std::string>() != Sha256(payload)) {
      return Damaged(path, "has another SHA-256 than its header says");
    }
    state.networks = std::string(payload.substr(0, networks));
    state.start = std::string(payload.substr(networks, start));
    state.sum = std::string(payload.substr(networks + start));
  } catch (const Json::exception&) {
    return Damaged(path, "the header lacks a field");
  }
  if (state.ihda_step < 1 || state.ihda_step > 2 || state.epochs_done < 0 ||
      state.repeats_ended < 0) {
    return Damaged(path, "the header makes no sense");
  }
  return state;
}

}  // namespace s2p
