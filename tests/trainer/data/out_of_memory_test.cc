// Memory that runs out, made by refusing large blocks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

#include "tests/testing/status_matchers.h"
#include "tests/trainer/drawn_images.h"
#include "trainer/data/batch_loader.h"

namespace {
std::atomic<std::size_t> largest_block{std::numeric_limits<std::size_t>::max()};
}  // namespace

// Not inlined: GCC would take malloc and delete for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  void* block = size > largest_block ? nullptr : std::malloc(size);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace s2p::test {
namespace {

using testing::HasSubstr;

class OutOfMemoryTest : public DrawnImagesTest {
 protected:
  ~OutOfMemoryTest() override { largest_block = std::numeric_limits<std::size_t>::max(); }
  // The floats of 20 images take more; nothing else does.
  static void Refuse() { largest_block = 20 * kWidth * kHeight * 3 * sizeof(float) - 1; }
};

TEST_F(OutOfMemoryTest, BatchWithoutMemoryIsAnErrorWhoeverLoadsIt) {
  const auto images = Load(2);
  const std::vector<LoadItem> few(3, {images.get(), 0, v1::MODALITY_PHOTO});
  const std::vector<LoadItem> many(20, {images.get(), 1, v1::MODALITY_PHOTO});
  for (const int workers : {0, 2}) {
    Refuse();
    BatchLoader loader({}, {{few}, {many}, {few}}, workers);
    EXPECT_THAT(loader.Next(), IsOk());
    const auto second = loader.Next();
    EXPECT_THAT(second.status(),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not enough memory")));
    EXPECT_THAT(loader.Next(), IsOk());
  }
}

TEST_F(OutOfMemoryTest, ImagesThatDoNotFitAreAnError) {
  Write(40);
  const auto data_set = Open();
  largest_block = 40 * kWidth * kHeight * 3 - 1;
  const auto images = PreparedImages::Load(*data_set, data_set->images(), Preprocessing(), 2);
  EXPECT_THAT(images.status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("40 images")));
}

}  // namespace
}  // namespace s2p::test
