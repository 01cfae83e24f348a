#include "server/gallery/serving_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/server/view_builder.h"
#include "tests/testing/fake_encoder.h"

namespace s2p {
namespace {

class ServingViewTest : public testing::Test {
 protected:
  using View = std::shared_ptr<const IndexedGalleryView>;

  static GalleryRow Row(int number) {
    auto item = std::make_shared<GalleryItem>();
    item->photo_id = absl::StrCat("p", number);
    return {item, {1, 0}, {}};
  }
  static View EmptyView(int64_t version) {
    GalleryViewModel model;
    model.version = version;
    model.dimension = 2;
    return *test::BuildView(model, {}, *test::MakeIndexBuilder());
  }
  static View WithTail(const View& view, int rows) {
    std::vector<GalleryRow> tail;
    for (int i = 0; i < rows; ++i) tail.push_back(Row(i));
    return *view->With(std::move(tail), {});
  }
  static std::shared_ptr<const Encoder> EncoderOf(int64_t version) {
    return std::make_shared<FakeEncoder>(version);
  }

  SnapshotSlot slot_;
  ServingView serving_{&slot_, GalleryTotals{1, 0, 10}};
};

TEST_F(ServingViewTest, ServesNothingBeforeTheFirstModel) {
  EXPECT_EQ(serving_.view(), nullptr);
  EXPECT_EQ(serving_.version(), 0);
}

TEST_F(ServingViewTest, ModelAndViewArePublishedAsOneSnapshot) {
  const auto encoder = EncoderOf(7);
  serving_.Publish(encoder, EmptyView(7));
  const auto snapshot = slot_.Get();
  EXPECT_EQ(snapshot->version, 7);
  EXPECT_EQ(snapshot->encoder, encoder);
  EXPECT_EQ(snapshot->gallery, serving_.view());
}

TEST_F(ServingViewTest, NextViewKeepsTheModel) {
  const auto encoder = EncoderOf(7);
  serving_.Publish(encoder, EmptyView(7));
  serving_.Publish(WithTail(serving_.view(), 3));
  EXPECT_EQ(slot_.Get()->encoder, encoder);
  EXPECT_EQ(slot_.Get()->gallery->size(), 3);
}

TEST_F(ServingViewTest, TotalsFollowWhatIsCounted) {
  GalleryItem sketch;
  sketch.modality = v1::MODALITY_SKETCH;
  sketch.bytes = 5;
  serving_.CountAdded(sketch);
  EXPECT_EQ(serving_.totals().sketches, 1u);
  EXPECT_EQ(serving_.totals().bytes, 15u);
  serving_.CountRemoved(sketch);
  EXPECT_EQ(serving_.totals().sketches, 0u);
  EXPECT_EQ(serving_.totals().photos, 1u);
  EXPECT_EQ(serving_.totals().bytes, 10u);
}

TEST_F(ServingViewTest, WaitEndsWhenTheTailHasGrown) {
  serving_.Publish(EncoderOf(1), EmptyView(1));
  std::thread waiting([this] { EXPECT_TRUE(serving_.AwaitCompactable(1100)); });
  serving_.Publish(WithTail(EmptyView(1), 1100));
  serving_.Publish(WithTail(EmptyView(1), 1101));
  waiting.join();
}

TEST_F(ServingViewTest, CloseEndsEveryWait) {
  std::thread waiting([this] { EXPECT_FALSE(serving_.AwaitCompactable(0)); });
  serving_.Close();
  waiting.join();
  EXPECT_TRUE(serving_.closed());
  EXPECT_FALSE(serving_.AwaitCompactable(0));
}

}  // namespace
}  // namespace s2p
