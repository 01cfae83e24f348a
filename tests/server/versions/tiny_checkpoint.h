// A checkpoint that the store accepts, for servers with a fake encoder.
#ifndef S2P_TESTS_SERVER_VERSIONS_TINY_CHECKPOINT_H_
#define S2P_TESTS_SERVER_VERSIONS_TINY_CHECKPOINT_H_

#include <gtest/gtest.h>

#include <string>

#include "model/checkpoint_store.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {

inline v1::CheckpointManifest ValidManifest() {
  v1::CheckpointManifest manifest;
  manifest.mutable_backbone()->set_arch("resnet18");
  manifest.mutable_backbone()->set_last_stage(4);
  manifest.mutable_backbone()->set_last_stride(2);
  v1::Embedding* embedding = manifest.mutable_embedding();
  embedding->set_pooling(v1::POOLING_GLOBAL);
  embedding->set_dimension(512);
  embedding->set_neck(v1::NECK_NONE);
  embedding->set_retrieval_feature(v1::RETRIEVAL_FEATURE_POOLED);
  for (v1::Preprocessing* steps : {manifest.mutable_photo(), manifest.mutable_sketch()}) {
    steps->set_height(96);
    steps->set_width(96);
    steps->set_filter(v1::RESIZE_FILTER_BILINEAR);
    for (int c = 0; c < 3; ++c) {
      steps->add_mean(0.5f);
      steps->add_std(0.25f);
    }
  }
  return manifest;
}

// Its weights are two zeros. Returns the version.
inline int64_t PublishTinyCheckpoint(const CheckpointStore& store) {
  const TensorMap weights = {{"w", {TensorType::kF32, {2}, std::string(8, '\0')}}};
  const auto version = store.Publish(ValidManifest(), weights);
  EXPECT_THAT(version, IsOk());
  return *version;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_SERVER_VERSIONS_TINY_CHECKPOINT_H_
