// Tensors across the border between LibTorch and files (model/safetensors.h).
#ifndef S2P_MODEL_TORCH_TENSORS_H_
#define S2P_MODEL_TORCH_TENSORS_H_

#include <torch/torch.h>

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "model/safetensors.h"

namespace s2p {

// Contiguous, on the CPU, copied. A tensor whose type files do not have (complex, quantised), and
// bytes that are not as many as shape and type say, are mistakes of the caller and abort. LibTorch
// throws when there is no memory.
TensorBytes ToTensorBytes(const torch::Tensor& tensor);
torch::Tensor ToTorch(const TensorBytes& tensor);

// Aborts for a type that files do not have.
TensorType TypeOf(torch::ScalarType type);
bool IsFloating(TensorType type);

// A module's parameters and buffers by name; not copied.
std::map<std::string, torch::Tensor> NamedTensors(const torch::nn::Module& module);

// Types may differ.
bool SameShape(const TensorBytes& bytes, const torch::Tensor& tensor);
// For people: that tensor `name` is `got` where the network has `want`, with types and shapes.
std::string DescribeMismatch(absl::string_view name, const TensorBytes& got,
                             const torch::Tensor& want);

}  // namespace s2p

#endif  // S2P_MODEL_TORCH_TENSORS_H_
