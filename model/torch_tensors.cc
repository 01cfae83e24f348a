#include "model/torch_tensors.h"

#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "base/check.h"

namespace s2p {
namespace {

// The types that both files and LibTorch have.
const std::vector<std::pair<TensorType, torch::ScalarType>>& Types() {
  static const auto& types = *new std::vector<std::pair<TensorType, torch::ScalarType>>{
      {TensorType::kF64, torch::kFloat64}, {TensorType::kF32, torch::kFloat32},
      {TensorType::kF16, torch::kFloat16}, {TensorType::kBF16, torch::kBFloat16},
      {TensorType::kI64, torch::kInt64},   {TensorType::kI32, torch::kInt32},
      {TensorType::kI16, torch::kInt16},   {TensorType::kI8, torch::kInt8},
      {TensorType::kU8, torch::kUInt8},    {TensorType::kBool, torch::kBool}};
  return types;
}

torch::ScalarType TorchTypeOf(TensorType type) {
  for (const auto& [ours, theirs] : Types()) {
    if (ours == type) return theirs;
  }
  S2P_CHECK(false);
  return torch::kFloat32;
}

std::string Described(TensorType type, absl::Span<const int64_t> shape) {
  return absl::StrCat(NameOf(type), " [", absl::StrJoin(shape, ", "), "]");
}

std::string Described(const torch::Tensor& tensor) {
  return Described(TypeOf(tensor.scalar_type()),
                   absl::MakeConstSpan(tensor.sizes().data(), tensor.sizes().size()));
}

}  // namespace

TensorType TypeOf(torch::ScalarType type) {
  for (const auto& [ours, theirs] : Types()) {
    if (theirs == type) return ours;
  }
  S2P_CHECK(false);
  return TensorType::kF32;
}

std::map<std::string, torch::Tensor> NamedTensors(const torch::nn::Module& module) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& item : module.named_parameters()) tensors[item.key()] = item.value();
  for (const auto& item : module.named_buffers()) tensors[item.key()] = item.value();
  return tensors;
}

bool SameShape(const TensorBytes& bytes, const torch::Tensor& tensor) {
  return tensor.sizes() == at::IntArrayRef(bytes.shape);
}

std::string DescribeMismatch(absl::string_view name, const TensorBytes& got,
                             const torch::Tensor& want) {
  return absl::StrCat("tensor '", name, "': ", Described(got.type, got.shape),
                      ", but the network has ", Described(want));
}

TensorBytes ToTensorBytes(const torch::Tensor& tensor) {
  const torch::Tensor source = tensor.detach().to(torch::kCPU).contiguous();
  TensorBytes bytes;
  bytes.type = TypeOf(source.scalar_type());
  bytes.shape = source.sizes().vec();
  bytes.bytes.assign(static_cast<const char*>(source.data_ptr()), source.nbytes());
  return bytes;
}

torch::Tensor ToTorch(const TensorBytes& tensor) {
  torch::Tensor result =
      torch::empty(tensor.shape, torch::TensorOptions().dtype(TorchTypeOf(tensor.type)));
  S2P_CHECK(result.nbytes() == tensor.bytes.size());
  if (!tensor.bytes.empty()) {
    std::memcpy(result.data_ptr(), tensor.bytes.data(), tensor.bytes.size());
  }
  return result;
}

}  // namespace s2p
