#include "model/weights/weight_names.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

constexpr size_t kNamesInMessage = 5;
constexpr TensorForm kThirds[] = {TensorForm::kQuery, TensorForm::kKey, TensorForm::kValue};

bool IsThird(TensorForm form) {
  return std::find(std::begin(kThirds), std::end(kThirds), form) != std::end(kThirds);
}

// Printable: a file may have any name.
absl::Status Invalid(absl::string_view name, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("tensor '", absl::Utf8SafeCEscape(name), "': ", what));
}

absl::Status WrongShape(absl::string_view name, const TensorBytes& tensor, absl::string_view want) {
  return Invalid(name, absl::StrCat(NameOf(tensor.type), " [", absl::StrJoin(tensor.shape, ", "),
                                    "], but ", want));
}

bool IsEmpty(const TensorBytes& tensor) {
  return std::count(tensor.shape.begin(), tensor.shape.end(), 0) > 0;
}

// `name` without the prefixes that a training program may have added.
absl::string_view StripPrefixes(absl::string_view name) {
  while (absl::ConsumePrefix(&name, "module.") || absl::ConsumePrefix(&name, "base.") ||
         absl::ConsumePrefix(&name, "model.") || absl::ConsumePrefix(&name, "state_dict.")) {
  }
  return name;
}

absl::Status ToTokens(const std::string& name, TensorBytes& tensor) {
  const size_t rank = tensor.shape.size();
  if (rank == 0 || rank > 3 || (rank == 3 && tensor.shape[0] != 1)) {
    return WrongShape(name, tensor, "tokens are [w], [n, w] or [1, n, w]");
  }
  tensor.shape.insert(tensor.shape.begin(), 3 - rank, 1);
  return absl::OkStatus();
}

// Requires [1, n, w].
void PutZerosInFront(TensorBytes& tensor) {
  tensor.shape[1] += 1;
  tensor.bytes.insert(0, static_cast<size_t>(tensor.shape[2]) * SizeOf(tensor.type), '\0');
}

absl::Status Transpose(const std::string& name, TensorBytes& tensor) {
  if (tensor.shape.size() != 2) return WrongShape(name, tensor, "a matrix is needed");
  const size_t rows = static_cast<size_t>(tensor.shape[0]);
  const size_t columns = static_cast<size_t>(tensor.shape[1]);
  const size_t size = SizeOf(tensor.type);
  std::string transposed(tensor.bytes.size(), '\0');
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      std::copy_n(&tensor.bytes[(row * columns + column) * size], size,
                  &transposed[(column * rows + row) * size]);
    }
  }
  tensor.bytes = std::move(transposed);
  std::swap(tensor.shape[0], tensor.shape[1]);
  return absl::OkStatus();
}

// Keeps the thirds [first, last) along the first dimension.
absl::Status KeepThirds(const std::string& name, size_t first, size_t last, TensorBytes& tensor) {
  if (tensor.shape.empty() || tensor.shape[0] % 3 != 0) {
    return WrongShape(name, tensor, "its first dimension must be that of query, key and value");
  }
  const size_t third = tensor.bytes.size() / 3;
  tensor.bytes = tensor.bytes.substr(first * third, (last - first) * third);
  tensor.shape[0] = tensor.shape[0] / 3 * static_cast<int64_t>(last - first);
  return absl::OkStatus();
}

absl::Status ToVector(const std::string& name, TensorBytes& tensor) {
  std::vector<int64_t>& shape = tensor.shape;
  const auto is_one = [](int64_t size) { return size == 1; };
  if (shape.empty() || !std::all_of(shape.begin() + 1, shape.end(), is_one)) {
    return WrongShape(name, tensor, "a vector [c] or [c, 1, 1] is needed");
  }
  shape.resize(1);
  return absl::OkStatus();
}

absl::Status Change(const std::string& name, TensorForm form, TensorBytes& tensor) {
  switch (form) {
    case TensorForm::kTokens:
      return ToTokens(name, tensor);
    case TensorForm::kPatchTokens:
      S2P_RETURN_IF_ERROR(ToTokens(name, tensor));
      PutZerosInFront(tensor);
      return absl::OkStatus();
    case TensorForm::kVector:
      return ToVector(name, tensor);
    case TensorForm::kTransposed:
      return Transpose(name, tensor);
    case TensorForm::kFirstThird:
      return KeepThirds(name, 0, 1, tensor);
    case TensorForm::kLastTwoThirds:
      return KeepThirds(name, 1, 3, tensor);
    case TensorForm::kZero:
      if (tensor.bytes.find_first_not_of('\0') == std::string::npos) return absl::OkStatus();
      return Invalid(name, "is not 0: the head is a classifier and not CLIP's projection");
    default:
      return absl::OkStatus();
  }
}

// The scheme of a file, and what its names begin with.
struct Recognised {
  const WeightScheme* scheme;
  std::string wrapper;
  std::string root;
};

std::optional<Recognised> Recognise(const std::map<std::string, std::string>& full_names) {
  for (const WeightScheme& scheme : WeightSchemes()) {
    for (const std::string& root : scheme.roots) {
      const std::string mark = absl::StrCat(root, scheme.mark);
      const auto found = full_names.find(mark);
      if (found == full_names.end()) continue;
      return Recognised{&scheme, std::string(absl::StripSuffix(found->second, mark)), root};
    }
  }
  return std::nullopt;
}

absl::Status Unknown(const TensorMap& published) {
  std::vector<absl::string_view> schemes;
  std::vector<std::string> names;
  for (const WeightScheme& scheme : WeightSchemes()) schemes.push_back(scheme.name);
  for (const auto& [name, tensor] : published) {
    if (names.size() == kNamesInMessage) break;
    names.push_back(absl::StrCat("'", absl::Utf8SafeCEscape(name), "'"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the tensors' names follow none of the schemes that are known (",
                   absl::StrJoin(schemes, "; "), "); the file has ",
                   names.empty() ? "no tensors" : absl::StrJoin(names, ", "),
                   published.size() > names.size() ? ", ..." : ""));
}

}  // namespace

absl::StatusOr<NamedWeights> NamedWeights::Create(TensorMap published) {
  std::map<std::string, std::string> full_names;
  for (const auto& [name, tensor] : published) full_names[std::string(StripPrefixes(name))] = name;
  const auto recognised = Recognise(full_names);
  if (!recognised) return Unknown(published);
  NamedWeights weights(*recognised->scheme, absl::StrCat(recognised->wrapper, recognised->root));
  for (auto& [full_name, tensor] : published) {
    absl::string_view name = StripPrefixes(full_name);
    if (!absl::ConsumePrefix(&name, recognised->root)) continue;
    if (absl::StartsWith(name, "optimizer.")) continue;
    S2P_RETURN_IF_ERROR(weights.Add(full_name, name, std::move(tensor)));
  }
  S2P_RETURN_IF_ERROR(weights.JoinParts());
  return weights;
}

NamedWeights::NamedWeights(const WeightScheme& scheme, std::string prefix)
    : scheme_(&scheme), prefix_(std::move(prefix)) {}

absl::Status NamedWeights::Add(const std::string& published, absl::string_view name,
                               TensorBytes tensor) {
  for (const NameRule& rule : scheme_->rules) {
    const auto canonical = Rewritten(name, rule.published, rule.canonical);
    if (!canonical) continue;
    // No network has an empty tensor, and the other dimensions of one may claim any size.
    if (!canonical->empty() && IsEmpty(tensor)) {
      return WrongShape(published, tensor, "it is empty");
    }
    if (rule.form == TensorForm::kFirstThird) {
      TensorBytes third = tensor;
      S2P_RETURN_IF_ERROR(Change(published, rule.form, third));
      S2P_RETURN_IF_ERROR(Place(published, *canonical, std::move(third)));
      continue;
    }
    S2P_RETURN_IF_ERROR(Change(published, rule.form, tensor));
    if (canonical->empty()) return absl::OkStatus();
    if (!IsThird(rule.form)) return Place(published, *canonical, std::move(tensor));
    auto& parts = parts_[*canonical];
    if (!parts.emplace(rule.form, Part{published, std::move(tensor)}).second) {
      return Invalid(published,
                     absl::StrCat("appears twice, also as '", parts.at(rule.form).published, "'"));
    }
    return absl::OkStatus();
  }
  return Invalid(published, absl::StrCat(scheme_->name, " has none of this name"));
}

absl::Status NamedWeights::Place(const std::string& published, const std::string& canonical,
                                 TensorBytes tensor) {
  const auto [place, is_new] = published_.emplace(canonical, published);
  if (!is_new) {
    return Invalid(published, absl::StrCat("appears twice, also as '", place->second, "'"));
  }
  tensors_.emplace(canonical, std::move(tensor));
  return absl::OkStatus();
}

absl::Status NamedWeights::JoinParts() {
  for (auto& [canonical, parts] : parts_) {
    std::vector<std::string> names;
    std::vector<int64_t> shape;
    TensorBytes joined;
    for (const TensorForm form : kThirds) {
      const auto found = parts.find(form);
      if (found == parts.end()) {
        return Invalid(parts.begin()->second.published,
                       absl::StrCat("one of the three is missing: ", PublishedName(canonical)));
      }
      Part& part = found->second;
      if (names.empty()) {
        if (part.tensor.shape.empty())
          return WrongShape(part.published, part.tensor, "queries have rows");
        shape = part.tensor.shape;
        joined = std::move(part.tensor);
      } else if (part.tensor.type != joined.type || part.tensor.shape != shape) {
        return WrongShape(part.published, part.tensor,
                          absl::StrCat("'", names[0], "' is ", NameOf(joined.type), " [",
                                       absl::StrJoin(shape, ", "), "]"));
      } else {
        joined.shape[0] += shape[0];
        joined.bytes += part.tensor.bytes;
      }
      names.push_back(part.published);
    }
    S2P_RETURN_IF_ERROR(Place(absl::StrJoin(names, ", "), canonical, std::move(joined)));
  }
  parts_.clear();
  return absl::OkStatus();
}

std::string NamedWeights::PublishedName(const std::string& canonical) const {
  const auto found = published_.find(canonical);
  if (found != published_.end()) return found->second;
  std::vector<std::string> names;
  for (const NameRule& rule : scheme_->rules) {
    if (rule.canonical.empty() || (!names.empty() && !IsThird(rule.form))) continue;
    if (const auto name = Rewritten(canonical, rule.canonical, rule.published)) {
      names.push_back(absl::StrCat(prefix_, *name));
      if (!IsThird(rule.form)) break;
    }
  }
  return names.empty() ? canonical : absl::StrJoin(names, ", ");
}

}  // namespace s2p
