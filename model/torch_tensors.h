// Tensors across the border between LibTorch and files (model/safetensors.h).
#ifndef S2P_MODEL_TORCH_TENSORS_H_
#define S2P_MODEL_TORCH_TENSORS_H_

#include <torch/torch.h>

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "model/safetensors.h"

namespace s2p {

// Of any type that both sides know. Contiguous, on the CPU, copied.
TensorBytes ToTensorBytes(const torch::Tensor& tensor);
torch::Tensor ToTorch(const TensorBytes& tensor);

// `type` must be one that both sides know.
TensorType TypeOf(torch::ScalarType type);
bool IsFloating(TensorType type);

// A module's parameters and buffers by name; not copied.
std::map<std::string, torch::Tensor> NamedTensors(const torch::nn::Module& module);

bool SameShape(const TensorBytes& bytes, const torch::Tensor& tensor);
// For people: that tensor `name` is `got` where the network has `want`, with types and shapes.
std::string DescribeMismatch(absl::string_view name, const TensorBytes& got,
                             const torch::Tensor& want);

}  // namespace s2p

#endif  // S2P_MODEL_TORCH_TENSORS_H_
