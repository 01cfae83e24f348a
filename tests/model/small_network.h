// A small dual encoder for tests: ResNet-18 to stage 3 on images of 64 x 48 pixels.
#ifndef S2P_TESTS_MODEL_SMALL_NETWORK_H_
#define S2P_TESTS_MODEL_SMALL_NETWORK_H_

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <memory>

#include "model/dual_encoder.h"
#include "tests/model/checkpoint_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {

// SmallManifest with everything that a network can have: own encoders, a projection to 8 values, a
// neck that is served, three attributes.
inline v1::CheckpointManifest NetworkManifest() {
  v1::CheckpointManifest manifest = SmallManifest();
  manifest.set_version(7);
  manifest.mutable_embedding()->set_dimension(8);
  manifest.mutable_embedding()->set_neck(v1::NECK_BATCH_NORM);
  manifest.mutable_embedding()->set_retrieval_feature(v1::RETRIEVAL_FEATURE_NECK);
  manifest.add_attributes("high heel");
  manifest.add_attributes("laces");
  manifest.set_attribute_hidden(16);
  return manifest;
}

// The same weights for the same seed.
inline std::shared_ptr<DualEncoder> CreateNetwork(const v1::CheckpointManifest& manifest,
                                                  uint64_t seed = 1) {
  torch::manual_seed(seed);
  auto network = DualEncoder::Create(manifest);
  EXPECT_THAT(network, IsOk());
  return *std::move(network);
}

}  // namespace s2p::test

#endif  // S2P_TESTS_MODEL_SMALL_NETWORK_H_
