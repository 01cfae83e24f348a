// Conversion between the text of a flag and its value.
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/options.h"

namespace s2p {
namespace {

absl::Status Wrong(absl::string_view text, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not ", expected));
}

template <typename T>
absl::Status AssignInteger(const std::string& text, T* value) {
  if (absl::SimpleAtoi(text, value)) return absl::OkStatus();
  return Wrong(text, absl::StrCat("a whole number from ", std::numeric_limits<T>::min(), " to ",
                                  std::numeric_limits<T>::max()));
}

std::string FormatBytes(uint64_t bytes) {
  constexpr absl::string_view kUnits[] = {"GiB", "MiB", "KiB"};
  int shift = 30;
  for (absl::string_view unit : kUnits) {
    if (bytes != 0 && bytes % (uint64_t{1} << shift) == 0) {
      return absl::StrCat(bytes >> shift, unit);
    }
    shift -= 10;
  }
  return absl::StrCat(bytes);
}

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration < absl::ZeroDuration() ||
      duration == absl::InfiniteDuration()) {
    return Wrong(text, "a duration such as 2ms, 1.5s or 1h30m");
  }
  return duration;
}

absl::StatusOr<uint64_t> ParseBytes(absl::string_view text) {
  constexpr std::pair<absl::string_view, double> kUnits[] = {{"KiB", 1024.0},
                                                             {"MiB", 1024.0 * 1024},
                                                             {"GiB", 1024.0 * 1024 * 1024},
                                                             {"TiB", 1099511627776.0},
                                                             {"kB", 1e3},
                                                             {"MB", 1e6},
                                                             {"GB", 1e9},
                                                             {"TB", 1e12},
                                                             {"B", 1.0},
                                                             {"", 1.0}};
  const size_t digits = text.find_first_not_of("0123456789.");
  const absl::string_view number = text.substr(0, digits);
  const absl::string_view unit =
      digits == absl::string_view::npos ? "" : absl::StripAsciiWhitespace(text.substr(digits));
  uint64_t whole = 0;
  double value = 0;
  for (const auto& [name, factor] : kUnits) {
    if (unit != name || number.empty() || !absl::SimpleAtod(number, &value)) continue;
    if (factor == 1.0 && absl::SimpleAtoi(number, &whole)) return whole;
    const double bytes = value * factor;
    if (bytes < 9e18 && bytes == std::floor(bytes)) return static_cast<uint64_t>(bytes);
  }
  return Wrong(text, "a size such as 10MiB, 64KiB, 2MB or 4096 (bytes)");
}

Flag& Options::Add(std::string name, std::string* value, std::string description) {
  Flag& flag = AddFlag(std::move(name), std::move(description), "TEXT");
  flag.assign_ = [value](const std::vector<std::string>& texts) {
    *value = texts.back();
    return absl::OkStatus();
  };
  flag.show_ = [value] { return *value; };
  return flag;
}

Flag& Options::Add(std::string name, std::vector<std::string>* value, std::string description) {
  Flag& flag = AddFlag(std::move(name), std::move(description), "TEXT");
  flag.is_list_ = true;
  flag.assign_ = [value](const std::vector<std::string>& texts) {
    *value = texts;
    return absl::OkStatus();
  };
  flag.show_ = [value] { return absl::StrJoin(*value, ","); };
  return flag;
}

template <typename T>
Flag& Options::AddInteger(std::string name, T* value, std::string description) {
  Flag& flag = AddFlag(std::move(name), std::move(description), "N");
  flag.assign_ = [value](const std::vector<std::string>& texts) {
    return AssignInteger(texts.back(), value);
  };
  flag.show_ = [value] { return absl::StrCat(*value); };
  flag.number_ = [value] { return static_cast<double>(*value); };
  return flag;
}

Flag& Options::Add(std::string name, int32_t* value, std::string description) {
  return AddInteger(std::move(name), value, std::move(description));
}

Flag& Options::Add(std::string name, int64_t* value, std::string description) {
  return AddInteger(std::move(name), value, std::move(description));
}

Flag& Options::Add(std::string name, uint32_t* value, std::string description) {
  return AddInteger(std::move(name), value, std::move(description));
}

Flag& Options::Add(std::string name, uint64_t* value, std::string description) {
  return AddInteger(std::move(name), value, std::move(description));
}

Flag& Options::Add(std::string name, double* value, std::string description) {
  Flag& flag = AddFlag(std::move(name), std::move(description), "NUMBER");
  flag.assign_ = [value](const std::vector<std::string>& texts) {
    double number = 0;
    if (!absl::SimpleAtod(texts.back(), &number) || !std::isfinite(number)) {
      return Wrong(texts.back(), "a number");
    }
    *value = number;
    return absl::OkStatus();
  };
  flag.show_ = [value] { return absl::StrCat(*value); };
  flag.number_ = [value] { return *value; };
  return flag;
}

Flag& Options::Add(std::string name, absl::Duration* value, std::string description) {
  Flag& flag = AddFlag(std::move(name), std::move(description), "DURATION");
  flag.assign_ = [value](const std::vector<std::string>& texts) {
    absl::StatusOr<absl::Duration> duration = ParseDuration(texts.back());
    if (duration.ok()) *value = *duration;
    return duration.status();
  };
  flag.show_ = [value] { return absl::FormatDuration(*value); };
  flag.number_ = [value] { return absl::ToDoubleSeconds(*value); };
  return flag;
}

Flag& Options::Add(std::string name, bool* value, std::string description) {
  Flag& flag = AddFlag(std::move(name), std::move(description), "");
  flag.is_switch_ = true;
  flag.assign_ = [value](const std::vector<std::string>& texts) {
    if (absl::SimpleAtob(texts.back(), value)) return absl::OkStatus();
    return Wrong(texts.back(), "true or false");
  };
  flag.show_ = [value] { return *value ? "true" : "false"; };
  return flag;
}

Flag& Options::AddBytes(std::string name, uint64_t* value, std::string description) {
  Flag& flag = AddFlag(std::move(name), std::move(description), "SIZE");
  flag.assign_ = [value](const std::vector<std::string>& texts) {
    absl::StatusOr<uint64_t> bytes = ParseBytes(texts.back());
    if (bytes.ok()) *value = *bytes;
    return bytes.status();
  };
  flag.show_ = [value] { return FormatBytes(*value); };
  flag.number_ = [value] { return static_cast<double>(*value); };
  return flag;
}

}  // namespace s2p
