// A small checkpoint for tests of files. Its tensors fit no network, which reading does not check.
#ifndef S2P_TESTS_MODEL_CHECKPOINT_FIXTURE_H_
#define S2P_TESTS_MODEL_CHECKPOINT_FIXTURE_H_

#include <string>

#include "model/safetensors.h"
#include "s2p/v1/checkpoint.pb.h"

namespace s2p::test {

inline v1::Preprocessing SmallPreprocessing() {
  v1::Preprocessing preprocessing;
  preprocessing.set_height(64);
  preprocessing.set_width(48);
  preprocessing.set_filter(v1::RESIZE_FILTER_BILINEAR);
  for (float mean : {0.5f, 0.25f, 0.75f}) preprocessing.add_mean(mean);
  for (float std : {0.25f, 0.5f, 0.25f}) preprocessing.add_std(std);
  return preprocessing;
}

// ResNet-18 to stage 3, projected to 2 values, one attribute.
inline v1::CheckpointManifest SmallManifest() {
  v1::CheckpointManifest manifest;
  manifest.mutable_backbone()->set_arch("resnet18");
  manifest.mutable_backbone()->set_last_stage(3);
  manifest.mutable_backbone()->set_last_stride(2);
  v1::Embedding& embedding = *manifest.mutable_embedding();
  embedding.set_pooling(v1::POOLING_GLOBAL);
  embedding.set_dimension(2);
  embedding.set_projection(true);
  embedding.set_neck(v1::NECK_NONE);
  embedding.set_retrieval_feature(v1::RETRIEVAL_FEATURE_POOLED);
  *manifest.mutable_photo() = SmallPreprocessing();
  *manifest.mutable_sketch() = SmallPreprocessing();
  manifest.mutable_sketch()->set_grey(true);
  manifest.add_attributes("boots");
  manifest.set_attribute_hidden(4);
  v1::Evaluation& evaluation = *manifest.add_evaluations();
  evaluation.set_dataset("shoes");
  evaluation.set_rank1(0.5);
  evaluation.set_mean_average_precision(0.25);
  return manifest;
}

inline TensorMap SmallWeights() {
  TensorMap weights;
  weights["projection.sketch_bias"] =
      TensorBytes{TensorType::kF32, {2}, std::string("\0\0\x80\x3F\0\0\0\xC0", 8)};
  weights["neck.num_batches_tracked"] =
      TensorBytes{TensorType::kI64, {}, std::string("\3\0\0\0\0\0\0\0", 8)};
  return weights;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_MODEL_CHECKPOINT_FIXTURE_H_
