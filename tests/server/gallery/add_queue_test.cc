#include "server/gallery/add_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/testing/status_matchers.h"

namespace s2p {
namespace {

using test::StatusIs;
using testing::Each;
using testing::ElementsAre;
using testing::SizeIs;

using Results = std::vector<absl::StatusOr<AddResult>>;

std::vector<NewItem> Items(size_t count, const std::string& prefix = "p") {
  std::vector<NewItem> items(count);
  for (size_t i = 0; i < count; ++i) items[i].photo_id = absl::StrCat(prefix, i);
  return items;
}

// Fails the items of one call and adds the others.
Results Outcomes(absl::Span<const NewItem* const> items, const std::string& failing) {
  Results results;
  for (const NewItem* item : items) {
    if (item->photo_id.substr(0, failing.size()) == failing) {
      results.emplace_back(absl::InternalError(item->photo_id));
    } else {
      results.emplace_back(AddResult::kAdded);
    }
  }
  return results;
}

class AddQueueTest : public testing::Test {
 protected:
  // Adds items of this many calls, all of which wait while the first call is written. Returns how
  // many items each write had.
  std::vector<size_t> AddTogether(const std::vector<size_t>& calls) {
    std::vector<size_t> written;
    std::vector<std::thread> threads;
    AddQueue queue([&](absl::Span<const NewItem* const> items) {
      written.push_back(items.size());
      if (written.size() == 1) {
        for (const size_t count : calls) {
          threads.emplace_back([&queue, count] {
            const std::vector<NewItem> more = Items(count);
            EXPECT_THAT(queue.Add(more), SizeIs(count));
          });
        }
        while (queue.waiting() < calls.size()) std::this_thread::yield();
      }
      return Outcomes(items, "none fails");
    });
    queue.Add(Items(1));
    for (std::thread& thread : threads) thread.join();
    return written;
  }
};

TEST_F(AddQueueTest, SingleCallIsWrittenAtOnce) { EXPECT_THAT(AddTogether({}), ElementsAre(1)); }

TEST_F(AddQueueTest, CallsThatWaitAreWrittenTogether) {
  EXPECT_THAT(AddTogether({1, 2, 3}), ElementsAre(1, 6));
}

TEST_F(AddQueueTest, WriteHasABoundThatOnlyItsLastCallExceeds) {
  EXPECT_THAT(AddTogether({100, 100, 100}), ElementsAre(1, 200, 100));
}

TEST_F(AddQueueTest, CallGetsTheOutcomesOfItsOwnItems) {
  std::thread other;
  Results failed;
  bool first = true;
  AddQueue queue([&](absl::Span<const NewItem* const> items) {
    if (std::exchange(first, false)) {
      other = std::thread([&] { failed = queue.Add(Items(2, "bad")); });
      while (queue.waiting() < 1) std::this_thread::yield();
    }
    return Outcomes(items, "bad");
  });
  const Results added = queue.Add(Items(2, "good"));
  other.join();
  EXPECT_THAT(added, Each(test::IsOk()));
  EXPECT_THAT(failed, ElementsAre(StatusIs(absl::StatusCode::kInternal, "bad0"),
                                  StatusIs(absl::StatusCode::kInternal, "bad1")));
}

TEST_F(AddQueueTest, ItemsAreBorrowedNotCopied) {
  const std::vector<NewItem> items = Items(1);
  const NewItem* seen = nullptr;
  AddQueue queue([&](absl::Span<const NewItem* const> written) {
    seen = written.front();
    return Outcomes(written, "none fails");
  });
  queue.Add(items);
  EXPECT_EQ(seen, &items.front());
}

}  // namespace
}  // namespace s2p
