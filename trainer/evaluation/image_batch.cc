#include "trainer/evaluation/image_batch.h"

#include <string>

namespace s2p {

torch::Tensor NormalizedBatch(const PreparedImages& images, int begin, int end) {
  const Preprocessor& preprocessor = images.preprocessor();
  torch::Tensor batch =
      torch::empty({end - begin, Image::kChannels, preprocessor.height(), preprocessor.width()});
  float* out = batch.data_ptr<float>();
  for (int i = begin; i < end; ++i, out += preprocessor.size()) {
    const auto image = images.Read(i);
    TORCH_CHECK(image.ok(), std::string(image.status().message()));
    preprocessor.Normalize(*image, absl::MakeSpan(out, preprocessor.size()));
  }
  return batch;
}

torch::Tensor ToTensor(LoadedBatch& batch, torch::Device device, bool channels_last) {
  const torch::Tensor images =
      torch::from_blob(batch.pixels.data(), {batch.n, Image::kChannels, batch.height, batch.width});
  if (!channels_last) return images.to(device);
  return images.to(device).contiguous(torch::MemoryFormat::ChannelsLast);
}

}  // namespace s2p
