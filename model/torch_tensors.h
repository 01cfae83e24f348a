// Converts tensors between LibTorch and files (model/safetensors.h).
#ifndef S2P_MODEL_TORCH_TENSORS_H_
#define S2P_MODEL_TORCH_TENSORS_H_

#include <torch/nn/module.h>
#include <torch/types.h>

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "model/safetensors.h"

namespace s2p {

// Contiguous, on the CPU, copied. Aborts if files cannot hold the tensor's type (complex,
// quantised), or if the number of bytes does not match shape and type: both are the caller's
// mistakes. LibTorch throws when out of memory.
TensorBytes ToTensorBytes(const torch::Tensor& tensor);
torch::Tensor ToTorch(const TensorBytes& tensor);

// Aborts for a type that files cannot hold.
TensorType TypeOf(torch::ScalarType type);

// A module's parameters and buffers by name; not copied.
std::map<std::string, torch::Tensor> NamedTensors(const torch::nn::Module& module);

// Types may differ.
bool SameShape(const TensorBytes& bytes, const torch::Tensor& tensor);
// An error message: tensor `name` is `got`, but the network has `want`, with types and shapes.
std::string DescribeMismatch(absl::string_view name, const TensorBytes& got,
                             const torch::Tensor& want);

}  // namespace s2p

#endif  // S2P_MODEL_TORCH_TENSORS_H_
