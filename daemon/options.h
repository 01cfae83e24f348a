// The flags of a long-running program: each one can be given on the command line, in the
// environment and in a TOML file, and is defined once.
#ifndef S2P_DAEMON_OPTIONS_H_
#define S2P_DAEMON_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace s2p {

// "2ms", "1.5s", "1h30m"; "0" needs no unit. Refuses negative and infinite ones.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);

// "10MiB", "64KiB", "1GiB", "500kB", "2MB", "4096" (bytes). A fraction is fine: "1.5GiB".
absl::StatusOr<uint64_t> ParseBytes(absl::string_view text);

// One flag, owned by its Options. The calls refine it and can be chained. One thread only.
class Flag {
 public:
  // Parse fails if no source gives it, or gives an empty text. Default: optional.
  Flag& Required();
  // A switch that replaces the program's work; with it, required flags may be missing.
  Flag& Alone();
  // Only these texts are accepted.
  Flag& OneOf(std::vector<std::string> choices);
  // Numbers, bytes and durations (in seconds) outside [low, high] are refused.
  Flag& Range(double low, double high);
  // Texts for which `check` returns an error are refused with its message. For an address, which
  // would otherwise fail only when it is used. The default is not checked.
  Flag& Check(std::function<absl::Status(const std::string&)> check);

 private:
  friend class Options;
  std::string name_;
  std::string description_;
  // Placeholder of the value in --help.
  std::string value_name_;
  bool is_switch_ = false;
  bool is_list_ = false;
  bool required_ = false;
  bool alone_ = false;
  std::vector<std::string> choices_;
  std::optional<std::pair<double, double>> range_;
  std::function<absl::Status(const std::string&)> check_;
  // Set the variable; return it as text; return it as a number for Range (unset for other types).
  std::function<absl::Status(const std::vector<std::string>&)> assign_;
  std::function<std::string()> show_;
  std::function<double()> number_;
};

// The flags of one program, or of one of its commands. A flag that no source gives leaves its
// variable alone: the variable's own value is the default, and --help shows it.
//
// Sources, strongest first: the flag `--max-batch 8`, the environment `S2P_MAX_BATCH=8`, the file
// given by `--config FILE` or S2P_CONFIG with the line `max-batch = 8`, the default. An unknown key
// in the file is an error: a misspelt limit must not silently be the default. With commands, keys
// at the top of the file are the chosen command's, and a section `[serve]` holds those of `serve`.
//
//   uint32_t max_batch = 32;
//   Options options("s2p-server", "gRPC search server", "0.1.0");
//   options.Add("max-batch", &max_batch, "images in one forward pass").Range(1, 32);
//   if (std::optional<int> exit_code = options.Parse(argc, argv, std::cout, std::cerr)) {
//     return *exit_code;
//   }
//
// Not CLI11 itself: it prefers the file over the environment, and its type would be in every
// program's header. One thread only.
class Options {
 public:
  Options(std::string program, std::string description, std::string version);
  ~Options();
  Options(const Options&) = delete;
  Options& operator=(const Options&) = delete;

  // `name` has no leading dashes; `value` is borrowed and outlives the Options; `description` names
  // the unit. A vector takes the flag any number of times, an array in the file, and a
  // comma-separated list in the environment; the strongest source replaces the others.
  Flag& Add(std::string name, std::string* value, std::string description);
  Flag& Add(std::string name, std::vector<std::string>* value, std::string description);
  Flag& Add(std::string name, int32_t* value, std::string description);
  Flag& Add(std::string name, int64_t* value, std::string description);
  Flag& Add(std::string name, uint32_t* value, std::string description);
  Flag& Add(std::string name, uint64_t* value, std::string description);
  Flag& Add(std::string name, double* value, std::string description);
  // "2ms"; see ParseDuration.
  Flag& Add(std::string name, absl::Duration* value, std::string description);
  // A switch: `--insecure`, or `--insecure=false` against the file or the environment.
  Flag& Add(std::string name, bool* value, std::string description);
  // A size: "10MiB"; see ParseBytes.
  Flag& AddBytes(std::string name, uint64_t* value, std::string description);

  // A command, such as `s2p-trainer serve`; with any of them, one must be given. Owned by this.
  Options& AddCommand(std::string name, std::string description);

  // Sets the variables and returns nothing: the program can start. Or writes help or the version to
  // `out`, or an error with flag and source to `err`, and returns the exit code: 0 for help and
  // version, 1 if they cannot be written, 2 for wrong usage. Call once.
  std::optional<int> Parse(int argc, const char* const* argv, std::ostream& out, std::ostream& err);

  // The chosen command's name; empty without commands.
  const std::string& command() const;

  // Each flag of the chosen command with its current value as text, for the log at start-up. The
  // value of a flag called "...api-key" is hidden.
  std::vector<std::pair<std::string, std::string>> Values() const;

 private:
  struct Impl;
  explicit Options(std::unique_ptr<Impl> impl);
  Flag& AddFlag(std::string name, std::string description, std::string value_name);
  template <typename T>
  Flag& AddInteger(std::string name, T* value, std::string description);
  absl::Status Assign(const Flag& flag, const std::vector<std::string>& texts,
                      absl::string_view source) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace s2p

#endif  // S2P_DAEMON_OPTIONS_H_
