#include "model/torch_version.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <new>
#include <stdexcept>
#include <string>

#include "model/blas.h"
#include "model/torch_device.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::IsOk;
using test::StatusIs;

TEST(TorchErrorTest, KeepsTheFirstLineWithoutTheStack) {
  absl::Status status;
  try {
    torch::zeros({2, 3}).matmul(torch::zeros({2, 3}));
  } catch (const std::exception& error) {
    status = TorchError(error, "encode");
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInternal));
  const std::string message(status.message());
  EXPECT_EQ(message.rfind("encode: ", 0), 0u) << message;
  EXPECT_GT(message.size(), std::string("encode: ").size());
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(TorchErrorTest, NoMemoryIsResourceExhausted) {
  EXPECT_THAT(TorchError(std::bad_alloc(), "load"), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(TorchError(std::runtime_error("odd"), "load"), StatusIs(absl::StatusCode::kInternal));
}

TEST(TorchErrorTest, CpuAllocatorFailureIsResourceExhausted) {
  absl::Status status;
  try {
    torch::empty({int64_t{1} << 58});
  } catch (const std::exception& error) {
    status = TorchError(error, "load");
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(Bf16AutocastTest, ProductsAreBfloat16WhileItExists) {
  const torch::Tensor x = torch::ones({2, 2});
  {
    const Bf16Autocast off(false, at::kCPU);
    EXPECT_EQ(x.matmul(x).scalar_type(), at::kFloat);
  }
  try {
    const Bf16Autocast on(true, at::kCPU);
    EXPECT_EQ(x.matmul(x).scalar_type(), at::kBFloat16);
    throw std::runtime_error("odd");
  } catch (const std::runtime_error&) {
  }
  EXPECT_EQ(x.matmul(x).scalar_type(), at::kFloat);
}

TEST(Bf16AutocastTest, AnInnerOneLeavesTheOuterOneOn) {
  const torch::Tensor x = torch::ones({2, 2});
  const Bf16Autocast outer(true, at::kCPU);
  { const Bf16Autocast inner(true, at::kCPU); }
  EXPECT_EQ(x.matmul(x).scalar_type(), at::kBFloat16);
}

TEST(CheckBf16Test, GpusAlwaysPass) {
  EXPECT_THAT(CheckBf16(torch::Device(torch::kCUDA, 0)), IsOk());
}

TEST(CheckBf16Test, CpuNeedsTheInstructions) {
  std::ifstream file("/proc/cpuinfo");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  if (text.find("flags") == std::string::npos) GTEST_SKIP() << "/proc/cpuinfo names no flags";
  const absl::Status status = CheckBf16(torch::kCPU);
  if (text.find(" avx512_bf16") != std::string::npos) {
    EXPECT_THAT(status, IsOk());
  } else {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
    EXPECT_NE(std::string(status.message()).find("use a GPU or FP32"), std::string::npos);
  }
}

TEST(BlasTest, ReferenceIsKnownByItsFolder) {
  EXPECT_TRUE(IsReferenceBlas("/usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0"));
  EXPECT_FALSE(IsReferenceBlas("/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas-r0.3.21.so"));
  EXPECT_FALSE(IsReferenceBlas("/usr/lib/x86_64-linux-gnu/atlas/libblas.so.3"));
  EXPECT_FALSE(IsReferenceBlas(""));
}

TEST(BlasTest, ProcessIsJudgedByTheLibraryThatItUses) {
  std::string path = "left from before";
  const bool reference = UsesReferenceBlas(&path);
  EXPECT_EQ(reference, IsReferenceBlas(path));
  EXPECT_TRUE(path.empty() || path[0] == '/') << path;
}

// OpenBLAS alone would have kernels without AVX on an Intel CPU that is newer than itself.
TEST(BlasTest, OpenBlasUsesTheKernelsOfThisCpu) {
  using GetName = const char* (*)();
  const auto get_name =
      reinterpret_cast<GetName>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));  // NOLINT
  const char* const kernels = std::getenv("OPENBLAS_CORETYPE");
  if (get_name == nullptr) GTEST_SKIP() << "the BLAS is not OpenBLAS";
  if (kernels == nullptr) GTEST_SKIP() << "OpenBLAS chooses by itself on this CPU";
  EXPECT_STRCASEEQ(get_name(), kernels);
}

}  // namespace
}  // namespace s2p
