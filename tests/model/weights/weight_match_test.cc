#include "model/weights/weight_match.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/model/weights/published_weights.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

using Network = std::map<std::string, NetworkTensor>;

Network NetworkOf(const Shapes& shapes) {
  Network network;
  for (const auto& [name, shape] : shapes) network[name] = {TensorType::kF32, shape};
  return network;
}

// A CLIP network of `depth` blocks, with or without what follows the last one.
Network Clip(int64_t depth, bool has_end) {
  Size size = kSmall;
  size.depth = depth;
  Shapes shapes = VisionTransformer(kClip, size);
  if (!has_end) {
    for (const char* name : {"norm.weight", "norm.bias", "head.weight"}) shapes.erase(name);
  }
  return NetworkOf(shapes);
}

NamedWeights Named(TensorMap published) {
  auto weights = NamedWeights::Create(std::move(published));
  EXPECT_THAT(weights, IsOk());
  return *std::move(weights);
}

// The message of the error.
std::string Refusal(TensorMap published, const Network& network,
                    LaterStages later_stages = LaterStages::kRefuse) {
  const auto matched = MatchWeights(Named(std::move(published)), network, later_stages);
  EXPECT_THAT(matched, StatusIs(StatusCode::kInvalidArgument));
  return std::string(matched.status().message());
}

TEST(MatchWeightsTest, EveryTensorOfTheNetworkHasItsBytes) {
  const NamedWeights weights = Named(OpenAiFile());
  const Network network = Clip(2, true);
  const auto matched = MatchWeights(weights, network, LaterStages::kRefuse);
  ASSERT_THAT(matched, IsOk());
  EXPECT_EQ(matched->size(), network.size());
  for (const auto& [name, bytes] : *matched) EXPECT_EQ(bytes, &weights.tensors().at(name)) << name;
}

TEST(MatchWeightsTest, LaterBlocksAreRefusedUnlessSkipped) {
  EXPECT_THAT(Refusal(OpenAiFile(), Clip(1, true)),
              AllOf(HasSubstr("tensor 'visual.transformer.resblocks.1."),
                    HasSubstr("the network ends at blocks.0; set skip_unused_weights")));
  const NamedWeights weights = Named(OpenAiFile());
  const auto matched = MatchWeights(weights, Clip(1, true), LaterStages::kSkip);
  ASSERT_THAT(matched, IsOk());
  EXPECT_EQ(matched->size(), Clip(1, true).size());
}

TEST(MatchWeightsTest, WhatFollowsTheLastBlockIsRefusedUnlessSkipped) {
  EXPECT_THAT(Refusal(OpenAiFile(), Clip(2, false)),
              AllOf(HasSubstr("tensor 'visual.proj'"), HasSubstr("the network ends at blocks.1")));
  EXPECT_THAT(MatchWeights(Named(OpenAiFile()), Clip(2, false), LaterStages::kSkip), IsOk());
}

TEST(MatchWeightsTest, AttentionPoolCanBeSkippedToo) {
  Shapes shapes = VisionTransformer(kSiglip, kSmall);
  for (auto shape = shapes.begin(); shape != shapes.end();) {
    shape = absl::StartsWith(shape->first, "attn_pool.") ? shapes.erase(shape) : std::next(shape);
  }
  EXPECT_THAT(Refusal(HuggingFaceSiglip(), NetworkOf(shapes)),
              HasSubstr("tensor 'vision_model.head."));
  EXPECT_THAT(MatchWeights(Named(HuggingFaceSiglip()), NetworkOf(shapes), LaterStages::kSkip),
              IsOk());
}

TEST(MatchWeightsTest, LaterStagesOfConvNextCanBeSkipped) {
  const Network network = NetworkOf(ConvNext({1, 2, 3}, {2, 3, 4}));
  Network without_norm = network;
  without_norm.erase("norm.weight");
  without_norm.erase("norm.bias");
  EXPECT_THAT(Refusal(TorchvisionConvNext(), without_norm),
              HasSubstr("the network ends at stages.2"));
  EXPECT_THAT(MatchWeights(Named(TorchvisionConvNext()), without_norm, LaterStages::kSkip), IsOk());
  // The norm of the last stage has another width.
  EXPECT_THAT(Refusal(TorchvisionConvNext(), network, LaterStages::kSkip),
              HasSubstr("tensor 'classifier.0.bias': F32 [5], but the network has F32 [4]"));
}

TEST(MatchWeightsTest, EarlierTensorThatTheNetworkLacksIsNeverSkipped) {
  EXPECT_THAT(Refusal(HuggingFaceDinov2(kDinov2Registers, ""),
                      NetworkOf(VisionTransformer(kDinov2, kSmall)), LaterStages::kSkip),
              HasSubstr("tensor 'embeddings.register_tokens': the network has none of this name"));
}

TEST(MatchWeightsTest, MissingTensorsAreCalledAsTheFileWouldCallThem) {
  TensorMap file = OpenAiFile();
  file.erase("visual.transformer.resblocks.0.mlp.c_fc.bias");
  EXPECT_THAT(Refusal(std::move(file), Clip(2, true)),
              HasSubstr("tensor 'visual.transformer.resblocks.0.mlp.c_fc.bias': missing"));
  EXPECT_THAT(Refusal(HuggingFaceClip(), Clip(3, true)),
              HasSubstr("tensor 'vision_model.encoder.layers.2.self_attn.out_proj.bias': missing"));
  file = HuggingFaceClip();
  const std::string attention = "vision_model.encoder.layers.0.self_attn.";
  for (const char* third : {"q_proj", "k_proj", "v_proj"}) {
    file.erase(attention + third + ".bias");
  }
  EXPECT_THAT(Refusal(std::move(file), Clip(2, true)),
              HasSubstr(absl::StrCat("tensor '", attention, "q_proj.bias, ", attention,
                                     "k_proj.bias, ", attention, "v_proj.bias': missing")));
}

TEST(MatchWeightsTest, OtherShapeIsNamedUnderBothNames) {
  Network network = Clip(2, true);
  network.at("head.weight").shape = {4, 6};
  EXPECT_THAT(Refusal(OpenAiFile(), network),
              HasSubstr("tensor 'visual.proj': F32 [5, 6], but the network has F32 [4, 6] in "
                        "'head.weight'"));
  network = Clip(2, true);
  network.at("blocks.0.attn.qkv.bias").shape = {12};
  EXPECT_THAT(Refusal(HuggingFaceClip(), network),
              HasSubstr("self_attn.v_proj.bias': F32 [18], but the network has F32 [12]"));
}

TEST(MatchWeightsTest, FloatingTypesStandForEachOtherAndIntegersDoNot) {
  for (const TensorType type : {TensorType::kF64, TensorType::kF16, TensorType::kBF16}) {
    TensorMap file = OpenAiFile();
    file.at("visual.ln_post.bias") = {type, {6}, std::string(6 * SizeOf(type), '\0')};
    EXPECT_THAT(MatchWeights(Named(std::move(file)), Clip(2, true), LaterStages::kRefuse), IsOk());
  }
  TensorMap file = OpenAiFile();
  file.at("visual.ln_post.bias") = {TensorType::kI16, {6}, std::string(12, '\0')};
  EXPECT_THAT(Refusal(std::move(file), Clip(2, true)),
              HasSubstr("tensor 'visual.ln_post.bias': I16 [6], but the network has F32 [6]"));
}

}  // namespace
}  // namespace s2p::test
