#include "trainer/image_batch.h"

namespace s2p {

torch::Tensor NormalizedBatch(const PreparedImages& images, int begin, int end) {
  const Preprocessor& preprocessor = images.preprocessor();
  torch::Tensor batch =
      torch::empty({end - begin, Image::kChannels, preprocessor.height(), preprocessor.width()});
  float* out = batch.data_ptr<float>();
  for (int i = begin; i < end; ++i, out += preprocessor.size()) {
    preprocessor.Normalize(images.image(i), absl::MakeSpan(out, preprocessor.size()));
  }
  return batch;
}

torch::Tensor ToTensor(LoadedBatch& batch, torch::Device device) {
  return torch::from_blob(batch.pixels.data(),
                          {batch.n, Image::kChannels, batch.height, batch.width})
      .to(device);
}

}  // namespace s2p
