#include "server/feedback/feedback_collection.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "daemon/log.h"
#include "server/versions/backup.h"
#include "tests/server/feedback/drawings.h"
#include "tests/server/gallery_fixture.h"
#include "tests/testing/file_size_limit.h"
#include "tests/testing/status_matchers.h"
#include "trainer/data/data_set.h"

namespace s2p::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class FeedbackCollectionTest : public GalleryTest {
 protected:
  FeedbackCollectionTest() {
    feedback_options_.data_dir = options_.data_dir;
    feedback_options_.data_set = dir_.File("pairs");
    feedback_options_.faults = &faults_;
    // Only writes try again.
    feedback_options_.retry_after = absl::InfiniteDuration();
  }
  ~FeedbackCollectionTest() override { feedback_.reset(); }
  void SetUp() override {
    Reopen();
    ReopenFeedback();
    MustAdd("a", 1);
    MustAdd("b", 2);
  }
  // Closes the collection, and lets no start and no write open the data set.
  void BlockFolder() {
    feedback_.reset();
    fs::remove(feedback_options_.data_set + "/lock");
    fs::create_symlink(dir_.File("missing/lock"), feedback_options_.data_set + "/lock");
  }
  void UnblockFolder() { fs::remove(feedback_options_.data_set + "/lock"); }
  void ReopenFeedback() {
    feedback_.reset();
    auto opened = FeedbackCollection::Open(feedback_options_, gallery_.get());
    ASSERT_THAT(opened, IsOk());
    feedback_ = *std::move(opened);
  }
  static NewFeedback New(const std::string& photo_id, uint32_t drawing,
                         Verdict verdict = Verdict::kMatch) {
    NewFeedback feedback;
    feedback.photo_id = photo_id;
    feedback.verdict = verdict;
    feedback.recorded_by = "web";
    feedback.sketch = *KeepSketch(DrawingOf(drawing));
    return feedback;
  }
  // Records and returns the id.
  std::string MustRecord(const NewFeedback& feedback) {
    const auto recorded = feedback_->Record(feedback);
    EXPECT_THAT(recorded, IsOk());
    return recorded.ok() ? recorded->record.feedback_id : "";
  }
  std::string MustAccept(const NewFeedback& feedback) {
    const std::string id = MustRecord(feedback);
    EXPECT_THAT(feedback_->Review({id}, FeedbackState::kAccepted), IsOk());
    return id;
  }
  static std::string LargeBytes(uint32_t drawing) {
    std::string bytes;
    for (int i = 0; bytes.size() < 100'000; ++i) bytes += Sha256(absl::StrCat(drawing, ":", i));
    return bytes;
  }
  static NewFeedback Large(uint32_t drawing, Verdict verdict = Verdict::kMatch) {
    NewFeedback feedback = New("a", drawing, verdict);
    feedback.sketch.png = LargeBytes(drawing);
    return feedback;
  }
  // Makes the store a file of 2 MB with an empty log. Returns the ids; the last one's drawing is
  // beyond the first MiB.
  std::vector<std::string> FillStore() {
    std::vector<std::string> ids;
    for (uint32_t i = 0; i < 20; ++i) ids.push_back(MustRecord(Large(i)));
    ReopenFeedback();
    return ids;
  }
  // "photo IDENTITY" and "sketch IDENTITY" for each image of the data set.
  std::vector<std::string> DataSetImages() const {
    const auto data_set = DataSet::Open(feedback_options_.data_set);
    std::vector<std::string> images;
    if (absl::IsNotFound(data_set.status())) return images;
    EXPECT_THAT(data_set, IsOk());
    for (const DataSetImage& image : data_set->images()) {
      EXPECT_THAT(data_set->Read(image), IsOk());
      const bool is_photo = image.modality == v1::MODALITY_PHOTO;
      images.push_back(absl::StrCat(is_photo ? "photo " : "sketch ", image.identity));
    }
    return images;
  }
  // Keeps the lines of the data set as they are.
  void Block() { fs::create_directories(feedback_options_.data_set + "/dataset.jsonl.tmp/x"); }
  void Unblock() { fs::remove_all(feedback_options_.data_set + "/dataset.jsonl.tmp"); }
  static std::string Png(uint32_t drawing) { return KeepSketch(DrawingOf(drawing))->png; }
  Faults::Options WatchFaults() {
    Faults::Options watch;
    watch.on_change = [this] {
      absl::MutexLock lock(&over_mutex_);
      if (faults_.Current().empty() && !over_.HasBeenNotified()) over_.Notify();
    };
    return watch;
  }
  // A disk with this room, of which 1,000 bytes are its reserve. Atomic, because the collection's
  // thread reads it.
  void UseDisk(const std::atomic<uint64_t>* free_bytes) {
    feedback_options_.min_free = {1000, 1};
    feedback_options_.measure_disk = [free_bytes] { return DiskSpace{*free_bytes, 2'000'000}; };
  }
  // The photo of the data set's only pair. A write brings it back.
  std::string PhotoFile() const {
    return fs::directory_iterator(feedback_options_.data_set + "/photo")->path();
  }
  std::vector<FaultKind> Broken() const {
    std::vector<FaultKind> kinds;
    for (const Fault& fault : faults_.Current()) kinds.push_back(fault.kind);
    return kinds;
  }

  absl::Mutex over_mutex_;
  // The last fault is over, for the first time.
  absl::Notification over_;
  Faults faults_{WatchFaults()};
  FeedbackOptions feedback_options_;
  std::unique_ptr<FeedbackCollection> feedback_;
};

TEST_F(FeedbackCollectionTest, SameDrawingCountsOnceForAPhotoWhateverItsId) {
  const std::string id = MustRecord(New("a", 1));
  NewFeedback again = New("a", 1);
  again.feedback_id = "mine";
  again.recorded_by = "another";
  const auto recorded = feedback_->Record(again);
  ASSERT_THAT(recorded, IsOk());
  EXPECT_FALSE(recorded->is_new);
  EXPECT_EQ(recorded->record.feedback_id, id);
  EXPECT_EQ(feedback_->Totals().pending, 1u);
}

TEST_F(FeedbackCollectionTest, OtherPhotoVerdictOrDrawingIsOtherFeedback) {
  MustRecord(New("a", 1));
  MustRecord(New("b", 1));
  NewFeedback opposite = New("a", 1, Verdict::kNoMatch);
  opposite.recorded_by = "another";
  MustRecord(opposite);
  MustRecord(New("a", 2));
  EXPECT_EQ(feedback_->Totals().pending, 4u);
}

TEST_F(FeedbackCollectionTest, OppositeVerdictTakesThePlaceOfOneThatNobodyHasReviewed) {
  const std::string first = MustRecord(New("a", 1));
  const std::string second = MustRecord(New("a", 1, Verdict::kNoMatch));
  EXPECT_THAT(feedback_->Find(first), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(feedback_->Find(second)->verdict, Verdict::kNoMatch);
  EXPECT_EQ(MustRecord(New("a", 1)), first);
  EXPECT_EQ(feedback_->Totals().pending, 1u);
  ASSERT_THAT(feedback_->Review({first}, FeedbackState::kAccepted), IsOk());
  MustRecord(New("a", 1, Verdict::kNoMatch));
  EXPECT_EQ(feedback_->Totals().accepted, 1u);
  EXPECT_EQ(feedback_->Totals().pending, 1u);
  // The first verdict again: what was said in between is taken back.
  MustRecord(New("a", 1));
  EXPECT_EQ(feedback_->Totals().accepted, 1u);
  EXPECT_EQ(feedback_->Totals().pending, 0u);
}

TEST_F(FeedbackCollectionTest, UnknownPhotoIsNotFound) {
  EXPECT_THAT(feedback_->Record(New("none", 1)),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
  EXPECT_EQ(feedback_->Totals().pending, 0u);
}

TEST_F(FeedbackCollectionTest, SketchOfTheGalleryIsNoPhoto) {
  NewItem sketch = Item("s", 7);
  sketch.modality = v1::MODALITY_SKETCH;
  ASSERT_THAT(Add(sketch), IsOk());
  EXPECT_THAT(feedback_->Record(New("s", 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("photo_id: is a sketch")));
}

TEST_F(FeedbackCollectionTest, AcceptedMatchesAloneAreInTheDataSet) {
  MustRecord(New("a", 1));
  EXPECT_THAT(DataSetImages(), IsEmpty());
  MustAccept(New("a", 2));
  MustAccept(New("b", 3, Verdict::kNoMatch));
  EXPECT_THAT(DataSetImages(), ElementsAre("photo a", "sketch a"));
  MustAccept(New("b", 4));
  MustAccept(New("a", 5));
  EXPECT_THAT(DataSetImages(),
              ElementsAre("photo a", "sketch a", "sketch a", "photo b", "sketch b"));
  EXPECT_EQ(feedback_->pairs(), 3);
}

TEST_F(FeedbackCollectionTest, RejectedMatchLeavesTheDataSet) {
  const std::string id = MustAccept(New("a", 1));
  MustAccept(New("b", 2));
  ASSERT_THAT(feedback_->Review({id}, FeedbackState::kRejected), IsOk());
  EXPECT_THAT(DataSetImages(), ElementsAre("photo b", "sketch b"));
}

TEST_F(FeedbackCollectionTest, IdentityIsThatOfTheMetadata) {
  ASSERT_THAT(gallery_->UpdateMetadata("a", {{"identity", "boot 7"}}), IsOk());
  MustAccept(New("a", 1));
  EXPECT_THAT(DataSetImages(), ElementsAre("photo boot 7", "sketch boot 7"));
}

TEST_F(FeedbackCollectionTest, NothingOfAForgottenDrawingIsInAnyFile) {
  const std::string id = MustAccept(New("a", 1));
  MustAccept(New("a", 2));
  const std::string trace = Png(1).substr(60, 60);
  ASSERT_THAT(FilesBelowWith(dir_.path(), trace), SizeIs(2));
  const auto forgotten = feedback_->Forget({id, "none"});
  ASSERT_THAT(forgotten, IsOk());
  EXPECT_THAT(*forgotten, ElementsAre(true, false));
  EXPECT_THAT(FilesBelowWith(dir_.path(), trace), IsEmpty());
  EXPECT_THAT(FilesBelowWith(dir_.path(), id), IsEmpty());
  EXPECT_THAT(DataSetImages(), ElementsAre("photo a", "sketch a"));
}

TEST_F(FeedbackCollectionTest, ForgetKeepsTheEntryIfItsCopyStays) {
  const std::string id = MustAccept(New("a", 1));
  MustAccept(New("b", 2));
  Block();
  EXPECT_THAT(feedback_->Forget({id}),
              StatusIs(absl::StatusCode::kInternal,
                       AllOf(HasSubstr("data set of feedback"), Not(HasSubstr(dir_.path())))));
  EXPECT_THAT(feedback_->Find(id), IsOk());
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kCatalogueFailed));
  Unblock();
  EXPECT_THAT(feedback_->Forget({id}), IsOk());
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FeedbackCollectionTest, ForgetFailsWhileTheDiskKeepsTheDrawingAndCanBeRepeated) {
  const std::vector<std::string> ids = FillStore();
  const std::string trace = LargeBytes(19).substr(0, 60);
  {
    const FileSizeLimit full(1 << 20);
    EXPECT_THAT(feedback_->Forget({ids.back()}),
                StatusIs(absl::StatusCode::kResourceExhausted,
                         AllOf(HasSubstr("not yet overwritten"), Not(HasSubstr(dir_.path())))));
    // A write that fits does not end the fault.
    EXPECT_THAT(feedback_->Review({ids.front()}, FeedbackState::kRejected), IsOk());
    EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
  }
  EXPECT_THAT(feedback_->Find(ids.back()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(FilesBelowWith(dir_.path(), trace), Not(IsEmpty()));
  EXPECT_THAT(*feedback_->Forget({ids.back()}), ElementsAre(false));
  EXPECT_THAT(FilesBelowWith(dir_.path(), trace), IsEmpty());
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FeedbackCollectionTest, LogThatAFullDiskKeepsIsAFaultAndNoReasonNotToStart) {
  const std::vector<std::string> ids = FillStore();
  {
    const FileSizeLimit full(1 << 20);
    EXPECT_FALSE(feedback_->Forget({ids.back()}).ok());
    ReopenFeedback();
  }
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
  EXPECT_EQ(feedback_->Totals().pending, 19u);
  ASSERT_THAT(feedback_->Review({ids.front()}, FeedbackState::kRejected), IsOk());
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FeedbackCollectionTest, DataSetThatCannotBeOpenedIsAFaultUntilAWriteOpensIt) {
  const std::string id = MustAccept(New("a", 1));
  MustAccept(New("b", 2));
  BlockFolder();
  ASSERT_THAT(gallery_->Delete({"b"}), IsOk());
  ReopenFeedback();
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kCatalogueFailed));
  EXPECT_THAT(feedback_->Find(id), IsOk());
  // The copies stay for now, so nobody is told that they are gone.
  EXPECT_THAT(feedback_->PhotosChanged({"b"}), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(feedback_->Forget({id}), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(feedback_->Find(id), IsOk());
  UnblockFolder();
  EXPECT_THAT(feedback_->PhotosChanged({"b"}), IsOk());
  EXPECT_THAT(DataSetImages(), ElementsAre("photo a", "sketch a"));
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FeedbackCollectionTest, DataSetThatIsSomebodyElsesIsRefused) {
  feedback_.reset();
  feedback_options_.data_set = dir_.File("mine");
  fs::create_directory(feedback_options_.data_set);
  std::ofstream(feedback_options_.data_set + "/thesis.txt") << "keep me";
  EXPECT_THAT(FeedbackCollection::Open(feedback_options_, gallery_.get()),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("thesis.txt")));
}

TEST_F(FeedbackCollectionTest, VerdictThatIsTakenBackAndNotOverwrittenIsAFault) {
  const std::vector<std::string> ids = FillStore();
  {
    const FileSizeLimit full(1 << 20);
    MustRecord(Large(19, Verdict::kNoMatch));
  }
  EXPECT_THAT(feedback_->Find(ids.back()), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
  ASSERT_THAT(feedback_->Review({ids.front()}, FeedbackState::kRejected), IsOk());
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FeedbackCollectionTest, ReviewStandsThoughTheDataSetCannotBeWrittenAndTheNextStartWritesIt) {
  Block();
  const std::string id = MustAccept(New("a", 1));
  EXPECT_EQ(feedback_->Find(id)->state, FeedbackState::kAccepted);
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kCatalogueFailed));
  EXPECT_THAT(DataSetImages(), IsEmpty());
  Unblock();
  ReopenFeedback();
  EXPECT_THAT(DataSetImages(), ElementsAre("photo a", "sketch a"));
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FeedbackCollectionTest, CopiesThatAFailedRejectionLeftGoWithTheirPhoto) {
  const std::string id = MustAccept(New("a", 1));
  MustAccept(New("b", 2));
  Block();
  ASSERT_THAT(feedback_->Review({id}, FeedbackState::kRejected), IsOk());
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  EXPECT_THAT(feedback_->PhotosChanged({"a"}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("data set of feedback")));
  Unblock();
  ASSERT_THAT(feedback_->PhotosChanged({"a"}), IsOk());
  EXPECT_THAT(FilesBelowWith(dir_.path(), PhotoBytes(1).substr(40)), IsEmpty());
  EXPECT_THAT(FilesBelowWith(feedback_options_.data_set, Png(1).substr(60, 60)), IsEmpty());
  EXPECT_THAT(DataSetImages(), ElementsAre("photo b", "sketch b"));
}

TEST_F(FeedbackCollectionTest, CopiesThatAFailedRejectionLeftGoWithTheirEntry) {
  const std::string id = MustAccept(New("a", 1));
  MustAccept(New("b", 2));
  Block();
  ASSERT_THAT(feedback_->Review({id}, FeedbackState::kRejected), IsOk());
  EXPECT_THAT(feedback_->Forget({id}), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(feedback_->Find(id), IsOk());
  Unblock();
  ASSERT_THAT(feedback_->Forget({id}), IsOk());
  EXPECT_THAT(FilesBelowWith(dir_.path(), Png(1).substr(60, 60)), IsEmpty());
}

TEST_F(FeedbackCollectionTest, PairThatHadNoRoomIsThereWithoutAnotherChange) {
  std::atomic<uint64_t> free_bytes{1'000'000};
  UseDisk(&free_bytes);
  feedback_options_.retry_after = absl::ZeroDuration();
  ReopenFeedback();
  const std::string id = MustRecord(New("a", 1));
  free_bytes = 900;
  ASSERT_THAT(feedback_->Review({id}, FeedbackState::kAccepted), IsOk());
  EXPECT_THAT(DataSetImages(), IsEmpty());
  free_bytes = 900'000;
  over_.WaitForNotification();
  feedback_.reset();
  EXPECT_THAT(DataSetImages(), ElementsAre("photo a", "sketch a"));
}

TEST_F(FeedbackCollectionTest, NoPhotoWritesADataSetThatOnlyLacksRoom) {
  std::atomic<uint64_t> free_bytes{1'000'000};
  UseDisk(&free_bytes);
  ReopenFeedback();
  MustAccept(New("a", 1));
  const std::string pending = MustRecord(New("b", 2)), other = MustRecord(New("b", 3));
  free_bytes = 900;
  ASSERT_THAT(feedback_->Review({pending}, FeedbackState::kAccepted), IsOk());
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
  free_bytes = 900'000;
  const std::string photo = PhotoFile();
  fs::remove(photo);
  MustAdd("c", 3);
  ASSERT_THAT(feedback_->PhotoAdded("c"), IsOk());
  ASSERT_THAT(feedback_->PhotosChanged({"c"}), IsOk());
  ASSERT_THAT(feedback_->Forget({other}), IsOk());
  EXPECT_FALSE(fs::exists(photo));
  ASSERT_THAT(feedback_->PhotosChanged({"b"}), IsOk());
  EXPECT_TRUE(fs::exists(photo));
  EXPECT_THAT(DataSetImages(), SizeIs(4));
}

TEST_F(FeedbackCollectionTest, NewPhotoWaitsForNoCopiesAndADeletedOneDoes) {
  const std::string id = MustAccept(New("a", 1));
  MustAccept(New("b", 2));
  Block();
  ASSERT_THAT(feedback_->Review({id}, FeedbackState::kRejected), IsOk());
  MustAdd("c", 3);
  EXPECT_THAT(feedback_->PhotoAdded("c"), IsOk());
  EXPECT_THAT(feedback_->PhotosChanged({"c"}), StatusIs(absl::StatusCode::kInternal));
}

TEST_F(FeedbackCollectionTest, PhotoThatComesBackBringsItsPairs) {
  MustAccept(New("a", 1));
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  ASSERT_THAT(feedback_->PhotosChanged({"a"}), IsOk());
  EXPECT_THAT(DataSetImages(), IsEmpty());
  MustAdd("a", 1);
  ASSERT_THAT(feedback_->PhotoAdded("a"), IsOk());
  EXPECT_THAT(DataSetImages(), ElementsAre("photo a", "sketch a"));
}

TEST_F(FeedbackCollectionTest, PairsThatAreLeftOutForOneReasonAreOneLineUntilTheirNumberChanges) {
  std::atomic<uint64_t> free_bytes{1'000'000};
  UseDisk(&free_bytes);
  ReopenFeedback();
  std::vector<std::string> ids;
  for (uint32_t i = 0; i < 5; ++i) ids.push_back(MustRecord(New("a", 100 + i)));
  std::ostringstream log;
  ASSERT_THAT(ConfigureLog(LogOptions(), &log), IsOk());
  const auto lines = [&log] {
    int count = 0;
    const std::string text = log.str();
    for (size_t at = 0; (at = text.find("left pairs out", at)) != text.npos; ++at) ++count;
    return count;
  };
  free_bytes = 900;
  EXPECT_THAT(feedback_->Review({ids[0], ids[1], ids[2], ids[3]}, FeedbackState::kAccepted),
              IsOk());
  EXPECT_EQ(lines(), 1);
  EXPECT_THAT(log.str(), HasSubstr("pairs=4"));
  EXPECT_THAT(feedback_->PhotosChanged({"a"}), IsOk());
  EXPECT_EQ(lines(), 1);
  EXPECT_THAT(feedback_->Review({ids[4]}, FeedbackState::kAccepted), IsOk());
  EXPECT_EQ(lines(), 2);
  EXPECT_THAT(log.str(), HasSubstr("pairs=5"));
  EXPECT_THAT(ConfigureLog(LogOptions()), IsOk());
}

TEST_F(FeedbackCollectionTest, DrawingThatAFullDiskKeptIsOverwrittenWithoutAnotherChange) {
  const std::vector<std::string> ids = FillStore();
  feedback_options_.retry_after = absl::ZeroDuration();
  ReopenFeedback();
  {
    const FileSizeLimit full(1 << 20);
    EXPECT_FALSE(feedback_->Forget({ids.back()}).ok());
  }
  over_.WaitForNotification();
  EXPECT_THAT(FilesBelowWith(dir_.path(), LargeBytes(19).substr(0, 60)), IsEmpty());
}

// A file that is missing shows whether the data set was written since: a write brings it back.
TEST_F(FeedbackCollectionTest, DataSetIsWrittenOnlyForChangesOfItsPairs) {
  MustAccept(New("a", 1));
  const std::string pending = MustRecord(New("a", 2)), other = MustRecord(New("b", 3));
  const std::string photo = PhotoFile();
  fs::remove(photo);
  ASSERT_THAT(feedback_->Review({pending}, FeedbackState::kRejected), IsOk());
  ASSERT_THAT(feedback_->Forget({pending}), IsOk());
  ASSERT_THAT(feedback_->PhotosChanged({"b"}), IsOk());
  MustAccept(New("b", 4, Verdict::kNoMatch));
  EXPECT_FALSE(fs::exists(photo));
  ASSERT_THAT(feedback_->Review({other}, FeedbackState::kAccepted), IsOk());
  EXPECT_TRUE(fs::exists(photo));
}

TEST_F(FeedbackCollectionTest, DataSetHasWhatManyThreadsLeftOfIt) {
  constexpr int kThreads = 4, kEach = 10;
  std::vector<std::string> ids;
  for (uint32_t i = 0; i < kThreads * kEach; ++i) ids.push_back(MustRecord(New("a", 100 + i)));
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = t * kEach; i < (t + 1) * kEach; ++i) {
        const std::string& id = ids[static_cast<size_t>(i)];
        EXPECT_THAT(feedback_->Review({id}, FeedbackState::kAccepted), IsOk());
        if (i % 2 == 0) continue;
        EXPECT_THAT(feedback_->Forget({id}), IsOk());
        // It is gone when it is forgotten, whatever the other threads write.
        EXPECT_THAT(FilesBelowWith(feedback_options_.data_set, id), IsEmpty());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(feedback_->pairs(), kThreads * kEach / 2);
  EXPECT_THAT(DataSetImages(), SizeIs(1 + kThreads * kEach / 2));
}

TEST_F(FeedbackCollectionTest, DeletedPhotoTakesItsPairsOutOfExportAndDataSet) {
  const std::string id = MustAccept(New("a", 1));
  MustAccept(New("b", 2));
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  ASSERT_THAT(feedback_->PhotosChanged({"a"}), IsOk());
  EXPECT_THAT(DataSetImages(), ElementsAre("photo b", "sketch b"));
  EXPECT_THAT(FilesBelowWith(dir_.path(), PhotoBytes(1).substr(40)), IsEmpty());
  EXPECT_EQ(*feedback_->CurrentPhoto(*feedback_->Find(id)), nullptr);
  EXPECT_THAT(feedback_->Export(id),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("is not exported")));
}

TEST_F(FeedbackCollectionTest, AcceptedMatchIsExportedWithItsPhotoAndIdentity) {
  const std::string id = MustRecord(New("a", 1)), no = MustAccept(New("a", 2, Verdict::kNoMatch));
  EXPECT_THAT(feedback_->Export(id), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(feedback_->Export(no), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(feedback_->Export("none"), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(feedback_->Review({id}, FeedbackState::kAccepted), IsOk());
  const auto match = feedback_->Export(id);
  ASSERT_THAT(match, IsOk());
  EXPECT_EQ(match->record.feedback_id, id);
  EXPECT_EQ(match->photo->photo_id, "a");
  EXPECT_EQ(match->identity, "a");
}

TEST_F(FeedbackCollectionTest, MatchesToExportComeInPagesOrderedByPhoto) {
  for (uint32_t i = 0; i < 300; ++i) MustRecord(New(i % 2 == 0 ? "b" : "a", 100 + i));
  const auto entries = feedback_->List({}, 0, 1000);
  ASSERT_THAT(entries, IsOk());
  std::vector<std::string> ids;
  for (const StoredFeedback& entry : *entries) ids.push_back(entry.record.feedback_id);
  ASSERT_THAT(ids, SizeIs(300));
  ASSERT_THAT(feedback_->Review(ids, FeedbackState::kAccepted), IsOk());
  std::vector<StoredFeedback> matches;
  int pages = 0;
  for (std::string photo; ++pages < 100;) {
    const auto page = feedback_->NextMatches(photo, matches.empty() ? 0 : matches.back().place);
    ASSERT_THAT(page, IsOk());
    if (page->empty()) break;
    matches.insert(matches.end(), page->begin(), page->end());
    photo = matches.back().record.photo_id;
  }
  EXPECT_EQ(pages, 3);
  ASSERT_THAT(matches, SizeIs(300));
  EXPECT_EQ(matches[149].record.photo_id, "a");
  EXPECT_EQ(matches[150].record.photo_id, "b");
}

TEST_F(FeedbackCollectionTest, DeletionThatAKillKeptFromTheDataSetIsThereAfterTheNextStart) {
  MustAccept(New("a", 1));
  MustAccept(New("b", 2));
  ASSERT_THAT(gallery_->Delete({"a"}), IsOk());
  ReopenFeedback();
  EXPECT_THAT(DataSetImages(), ElementsAre("photo b", "sketch b"));
}

TEST_F(FeedbackCollectionTest, DrawingOfAReplacedPhotoIsNotExported) {
  MustAccept(New("a", 1));
  ASSERT_THAT(Add(Item("a", 9, OnConflict::kReplace)), IsOk());
  ASSERT_THAT(feedback_->PhotosChanged({"a"}), IsOk());
  EXPECT_THAT(DataSetImages(), IsEmpty());
  MustAccept(New("a", 1));
  EXPECT_THAT(DataSetImages(), ElementsAre("photo a", "sketch a"));
}

TEST_F(FeedbackCollectionTest, StateSurvivesARestart) {
  const std::string id = MustAccept(New("a", 1));
  MustRecord(New("b", 2));
  ReopenFeedback();
  EXPECT_EQ(feedback_->Totals().accepted, 1u);
  EXPECT_EQ(feedback_->Totals().pending, 1u);
  EXPECT_EQ(*feedback_->ReadSketch(id), Png(1));
  EXPECT_THAT(DataSetImages(), ElementsAre("photo a", "sketch a"));
}

TEST_F(FeedbackCollectionTest, MoreDrawingsThanTheMostBytesAreRefusedWithTheFlag) {
  feedback_options_.max_bytes = Png(1).size() + kEntryBytes + 10;
  ReopenFeedback();
  MustRecord(New("a", 1));
  EXPECT_THAT(feedback_->Record(New("a", 2)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("--max-feedback-bytes")));
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FeedbackCollectionTest, FaultOfTheStoreEndsWithTheNextWriteOfAnyKind) {
  DiskSpace disk = {1'000'000, 2'000'000};
  feedback_options_.min_free = {1000, 1};
  feedback_options_.measure_disk = [&disk] { return disk; };
  ReopenFeedback();
  const std::string id = MustRecord(New("a", 1));
  const auto fail = [&] {
    disk.free_bytes = 900;
    EXPECT_THAT(feedback_->Record(New("a", 2)), StatusIs(absl::StatusCode::kResourceExhausted));
    disk.free_bytes = 900'000;
    EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
  };
  fail();
  // These write nothing.
  MustRecord(New("a", 1));
  ASSERT_THAT(feedback_->Review({"none"}, FeedbackState::kAccepted), IsOk());
  ASSERT_THAT(feedback_->Forget({"none"}), IsOk());
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
  ASSERT_THAT(feedback_->Review({id}, FeedbackState::kRejected), IsOk());
  EXPECT_THAT(Broken(), IsEmpty());
  fail();
  ASSERT_THAT(feedback_->Forget({id}), IsOk());
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FeedbackCollectionTest, LowDiskRefusesDrawingsAndForgetsThem) {
  DiskSpace disk = {1'000'000, 2'000'000};
  feedback_options_.min_free = {1000, 1};
  feedback_options_.measure_disk = [&disk] { return disk; };
  ReopenFeedback();
  const std::string id = MustAccept(New("a", 1));
  disk.free_bytes = 900;
  EXPECT_THAT(feedback_->Record(New("a", 2)),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("--min-free")));
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
  EXPECT_THAT(feedback_->Forget({id}), IsOk());
  EXPECT_THAT(DataSetImages(), IsEmpty());
  // The disk has still less than its reserve.
  EXPECT_THAT(Broken(), ElementsAre(FaultKind::kDiskFull));
  disk.free_bytes = 900'000;
  MustRecord(New("a", 2));
  EXPECT_THAT(Broken(), IsEmpty());
}

TEST_F(FeedbackCollectionTest, BackupHasTheFeedbackAndRestoresIt) {
  const std::string id = MustAccept(New("a", 1));
  MustRecord(New("b", 2));
  const auto backup = BackUp(options_.data_dir, dir_.File("backup"));
  ASSERT_THAT(backup, IsOk());
  EXPECT_EQ(backup->feedback, 2);
  ASSERT_THAT(feedback_->Forget({id}), IsOk());
  feedback_.reset();
  gallery_.reset();
  ASSERT_THAT(RestoreBackup(dir_.File("backup"), dir_.File("restored")), IsOk());
  feedback_options_.data_dir = options_.data_dir = dir_.File("restored");
  Reopen();
  ReopenFeedback();
  EXPECT_EQ(*feedback_->ReadSketch(id), Png(1));
  EXPECT_THAT(DataSetImages(), ElementsAre("photo a", "sketch a"));
}

TEST_F(FeedbackCollectionTest, CheckNamesADamagedStore) {
  for (uint32_t i = 0; i < 30; ++i) MustRecord(New("a", 100 + i));
  ASSERT_THAT(BackUp(options_.data_dir, dir_.File("backup")), IsOk());
  EXPECT_EQ(CheckDataFolder(dir_.File("backup"))->feedback, 30);
  {
    std::fstream file(dir_.File("backup/feedback.db"),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(20480, '\x5a');
  }
  const auto check = CheckDataFolder(dir_.File("backup"));
  ASSERT_THAT(check, IsOk());
  EXPECT_THAT(check->problems, ElementsAre(HasSubstr("feedback.db")));
}

}  // namespace
}  // namespace s2p::test
