#include "server/gallery/reaper.h"

#include <gtest/gtest.h>

#include <thread>

#include "absl/synchronization/notification.h"
#include "server/gallery/snapshot.h"

namespace s2p::test {
namespace {

// Records the thread that destroyed it.
struct Mortal {
  ~Mortal() {
    if (slot != nullptr) slot->Get();  // Would never return under the slot's lock.
    *died_on = std::this_thread::get_id();
    dead->Notify();
  }
  std::thread::id* died_on;
  absl::Notification* dead;
  const SnapshotSlot* slot = nullptr;
};

class ReaperTest : public testing::Test {
 protected:
  std::shared_ptr<const Mortal> Make(const SnapshotSlot* slot = nullptr) {
    return std::shared_ptr<const Mortal>(new Mortal{&died_on_, &dead_, slot});
  }
  std::thread::id died_on_;
  absl::Notification dead_;
};

TEST_F(ReaperTest, WhatIsDroppedDiesOnAnotherThread) {
  Reaper reaper;
  auto guarded = reaper.Guard(Make());
  guarded.reset();
  dead_.WaitForNotification();
  EXPECT_NE(died_on_, std::this_thread::get_id());
}

TEST_F(ReaperTest, NothingDiesWhileSomebodyHoldsIt) {
  std::shared_ptr<const Mortal> held;
  {
    Reaper reaper;
    auto guarded = reaper.Guard(Make());
    held = guarded;
    guarded.reset();
  }
  EXPECT_FALSE(dead_.HasBeenNotified());
  held.reset();
  EXPECT_TRUE(dead_.HasBeenNotified());
}

TEST_F(ReaperTest, EndOfTheReaperFreesWhatWaits) {
  {
    Reaper reaper;
    reaper.Guard(Make()).reset();
  }
  EXPECT_TRUE(dead_.HasBeenNotified());
}

TEST_F(ReaperTest, GuardedPartOfAGuardedWholeDiesToo) {
  {
    Reaper reaper;
    auto part = reaper.Guard(Make());
    auto whole = std::make_shared<const std::shared_ptr<const Mortal>>(std::move(part));
    reaper.Guard(std::move(whole)).reset();
  }
  EXPECT_TRUE(dead_.HasBeenNotified());
}

TEST_F(ReaperTest, NoObjectIsNoObject) {
  EXPECT_EQ(Reaper().Guard(std::shared_ptr<const int>()), nullptr);
}

TEST_F(ReaperTest, ReplacedSnapshotDiesOnNoRequestsThreadAndUnderNoLock) {
  SnapshotSlot slot;
  struct Dying : Snapshot {
    std::shared_ptr<const Mortal> mortal;
  };
  auto dying = std::make_shared<Dying>();
  dying->mortal = Make(&slot);
  slot.Set(std::move(dying));
  std::shared_ptr<const Snapshot> request = slot.Get();
  slot.Set(std::make_shared<Snapshot>());
  EXPECT_FALSE(dead_.HasBeenNotified());
  request.reset();
  dead_.WaitForNotification();
  EXPECT_NE(died_on_, std::this_thread::get_id());
}

}  // namespace
}  // namespace s2p::test
