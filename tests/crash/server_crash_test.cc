// Kills a server with SIGKILL in all of its phases and checks the state after each restart.
//
// S2P_KILLS: number of kills (14); S2P_SEED: seed of the random choices (1).
#include <gtest/gtest.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/crash/crash_stubs.h"
#include "tests/crash/crash_truth.h"
#include "tests/server/gallery_fixture.h"
#include "tests/server/versions/tiny_checkpoint.h"
#include "tests/testing/status_matchers.h"

extern char** environ;

namespace s2p::test {
namespace {

constexpr int kWriters = 3;
constexpr int kIdsOfAWriter = 60;
// Photos deleted and added again together: more than a compaction needs.
constexpr int kBulk = 1000;

class ServerCrashTest : public testing::Test {
 protected:
  ServerCrashTest()
      : store_(dir_.File("checkpoints")),
        random_(static_cast<uint32_t>(FromEnvironment("S2P_SEED", 1))) {}
  ~ServerCrashTest() override { Kill(); }

  void Spawn() {
    std::filesystem::remove(dir_.File("address"));
    const std::string root = store_.root(), data = dir_.File("data"), file = dir_.File("address");
    // Use a trained index every other time, since its file could be damaged by a kill, too.
    const std::string index = starts_++ % 2 == 0 ? "Flat" : "IVF16,Flat";
    const char* const arguments[] = {S2P_CRASH_SERVER, root.c_str(),  data.c_str(),
                                     file.c_str(),     index.c_str(), nullptr};
    ASSERT_EQ(posix_spawn(&server_, S2P_CRASH_SERVER, nullptr, nullptr,
                          const_cast<char**>(arguments), environ),
              0);
  }
  void Kill() {
    if (server_ == 0) return;
    kill(server_, SIGKILL);
    int status = 0;
    waitpid(server_, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the server ended on its own: " << status;
    server_ = 0;
  }
  // True if the server has ended without being killed. Kill can still be called.
  bool HasEnded() const {
    siginfo_t info = {};
    return waitid(P_PID, static_cast<id_t>(server_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == server_;
  }
  // Waits until `version` (or any) serves.
  void WaitUntilServing(int64_t version = 0) {
    std::string address;
    while (address.empty()) {
      ASSERT_FALSE(HasEnded()) << "the server ended on its own";
      std::ifstream(dir_.File("address")) >> address;
      absl::SleepFor(absl::Milliseconds(1));
    }
    stubs_ = std::make_unique<Stubs>(address);
    for (;;) {
      ASSERT_FALSE(HasEnded()) << "the server ended on its own";
      const v1::GetModelStatusResponse status = ModelStatus();
      if (status.serving_version() >= std::max<int64_t>(version, 1)) return;
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  v1::GetModelStatusResponse ModelStatus() {
    grpc::ClientContext context;
    v1::GetModelStatusResponse response;
    stubs_->model->GetModelStatus(&context, {}, &response);
    return response;
  }

  // Adds, deletes and changes its own ids until the server is gone.
  void Write(int writer, uint32_t seed) {
    std::mt19937 random(seed);
    for (;;) {
      const std::string id = absl::StrCat("w", writer, "-", random() % kIdsOfAWriter);
      const State before = truth_.Last(id);
      const uint32_t choice = random() % 4;
      State next;
      grpc::Status status;
      if (choice == 0) {
        truth_.Begin(id, next);
        grpc::ClientContext context;
        v1::DeletePhotosRequest request;
        request.add_photo_ids(id);
        v1::DeletePhotosResponse response;
        status = stubs_->gallery->DeletePhotos(&context, request, &response);
      } else if (choice == 1 && before) {
        next = Content{before->seed, absl::StrCat("note ", random() % 1000)};
        truth_.Begin(id, next);
        grpc::ClientContext context;
        v1::UpdatePhotoMetadataRequest request;
        request.set_photo_id(id);
        (*request.mutable_metadata())["note"] = next->note;
        v1::UpdatePhotoMetadataResponse response;
        status = stubs_->gallery->UpdatePhotoMetadata(&context, request, &response);
      } else {
        next = Content{static_cast<uint32_t>(random() % 100000), "new"};
        truth_.Begin(id, next);
        status = AddOne(id, *next);
      }
      if (!status.ok()) {
        EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
        return;
      }
      truth_.Answered(id, next);
      ++answered_;
    }
  }
  grpc::Status AddOne(const std::string& id, const Content& content) {
    grpc::ClientContext context;
    auto stream = stubs_->gallery->AddPhotos(&context);
    stream->Write(AddRequest(id, content));
    stream->WritesDone();
    v1::AddPhotoResponse response;
    const bool read = stream->Read(&response);
    const grpc::Status status = stream->Finish();
    if (!status.ok() || !read) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "no answer");
    return {static_cast<grpc::StatusCode>(response.status().code()), response.status().message()};
  }

  // Deletes the bulk and adds it again with other pictures, until the server is gone.
  void WriteBulk(uint32_t seed) {
    std::mt19937 random(seed);
    for (;;) {
      v1::DeletePhotosRequest request;
      for (int i = 0; i < kBulk; ++i) {
        request.add_photo_ids(absl::StrCat("bulk", i));
        truth_.Begin(absl::StrCat("bulk", i), std::nullopt);
      }
      grpc::ClientContext context;
      v1::DeletePhotosResponse response;
      if (!stubs_->gallery->DeletePhotos(&context, request, &response).ok()) return;
      for (const std::string& id : request.photo_ids()) truth_.Answered(id, std::nullopt);
      ++bulk_deletes_;
      if (!AddBulk(static_cast<uint32_t>(random() % 100000))) return;
    }
  }
  bool AddBulk(uint32_t first_seed) {
    grpc::ClientContext context;
    auto stream = stubs_->gallery->AddPhotos(&context);
    std::thread sender([&] {
      for (int i = 0; i < kBulk; ++i) {
        const std::string id = absl::StrCat("bulk", i);
        const Content content{first_seed + static_cast<uint32_t>(i), "bulk"};
        truth_.Begin(id, content);
        if (!stream->Write(AddRequest(id, content))) return;
      }
      stream->WritesDone();
    });
    int answers = 0;
    v1::AddPhotoResponse response;
    while (stream->Read(&response)) {
      EXPECT_EQ(response.status().code(), 0) << response.status().message();
      truth_.Answered(response.photo_id(),
                      Content{first_seed + static_cast<uint32_t>(answers), "bulk"});
      ++answers;
      ++answered_;
    }
    sender.join();
    return stream->Finish().ok() && answers == kBulk;
  }

  // Searches until the server is gone. The scores of every answer must be those of the version that
  // it names, for a picture that the id may have had during the search; so nothing deleted or
  // replaced earlier may appear.
  void Search(uint32_t seed) {
    std::mt19937 random(seed);
    for (;;) {
      const uint32_t picture = static_cast<uint32_t>(random() % 100000);
      v1::SearchRequest request;
      request.add_examples()->set_image(PhotoBytes(picture));
      grpc::ClientContext context;
      v1::SearchResponse response;
      const int64_t begin = truth_.Now();
      if (!stubs_->search->Search(&context, request, &response).ok()) return;
      const int64_t end = truth_.Now();
      const FakeEncoder encoder(response.model_version());
      const Encoding query = EncodeImage(encoder, PhotoImage(picture), v1::MODALITY_SKETCH);
      for (const v1::Match& match : response.matches()) {
        bool explained = false;
        for (uint32_t known : truth_.Pictures(match.photo_id(), begin, end)) {
          const Encoding photo = EncodeImage(encoder, PhotoImage(known));
          // The query is normalised once more, which changes its last bits.
          explained |= std::abs(match.score() -
                                CosineSimilarity(std::as_const(query.embeddings).row(0),
                                                 std::as_const(photo.embeddings).row(0))) < 1e-5f;
        }
        EXPECT_TRUE(explained) << match.photo_id() << " in version " << response.model_version();
      }
      ++searches_;
    }
  }

  // The server's state of every id, from its list.
  std::map<std::string, State> Listed() {
    std::map<std::string, State> listed;
    v1::ListPhotosRequest request;
    request.set_page_size(1000);
    std::map<std::string, std::set<uint32_t>> pictures;
    do {
      grpc::ClientContext context;
      v1::ListPhotosResponse response;
      const grpc::Status status = stubs_->gallery->ListPhotos(&context, request, &response);
      EXPECT_THAT(status, IsOk()) << status.error_message();
      if (!status.ok()) break;
      for (const v1::Photo& photo : response.photos()) {
        digests_.insert(photo.sha256());
        State state;
        for (uint32_t seed : truth_.Pictures(photo.photo_id(), 0, truth_.Now())) {
          if (Sha256(PhotoBytes(seed)) == photo.sha256()) state = Content{seed, ""};
        }
        EXPECT_TRUE(state.has_value()) << photo.photo_id() << ": bytes that it never had";
        if (!state) state = Content();
        const auto note = photo.metadata().find("note");
        state->note = note == photo.metadata().end() ? "no note" : note->second;
        listed[photo.photo_id()] = state;
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return listed;
  }
  void CheckAll() {
    digests_.clear();
    const std::map<std::string, State> listed = Listed();
    std::set<std::string> ids = truth_.Ids();
    for (const auto& [id, state] : listed) ids.insert(id);
    int absent = 0;
    for (const std::string& id : ids) {
      const auto found = listed.find(id);
      truth_.Settle(id, found == listed.end() ? State() : found->second);
      if (found == listed.end() && ++absent % 8 == 1) CheckGone(id);
    }
    grpc::ClientContext context;
    v1::GetGalleryStatsResponse stats;
    ASSERT_THAT(stubs_->gallery->GetGalleryStats(&context, {}, &stats), IsOk());
    EXPECT_EQ(stats.photo_count(), listed.size());
    for (int i = 0; i < 40 && !listed.empty(); ++i) {
      CheckFound(*std::next(listed.begin(), static_cast<long>(random_() % listed.size())));
    }
    // A kill leaves blobs behind, which the next start moves to photos/.orphans.
    size_t blobs = 0;
    for (const auto& folder : std::filesystem::directory_iterator(dir_.File("data/photos"))) {
      // The journal lies next to the folders.
      if (!folder.is_directory() || folder.path().filename() == ".orphans") continue;
      for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        if (entry.is_regular_file()) ++blobs;
      }
    }
    EXPECT_EQ(blobs, digests_.size()) << "bytes that belong to no photo";
  }
  void CheckGone(const std::string& id) {
    grpc::ClientContext context;
    v1::GetPhotoRequest request;
    request.set_photo_id(id);
    auto reader = stubs_->gallery->GetPhoto(&context, request);
    for (v1::GetPhotoResponse part; reader->Read(&part);) {
    }
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::NOT_FOUND) << id;
  }
  // A photo must be the best match of its own picture, and have the bytes that were added.
  void CheckFound(const std::pair<const std::string, State>& photo) {
    v1::SearchRequest request;
    request.add_examples()->set_image(PhotoBytes(photo.second->seed));
    request.mutable_examples(0)->set_modality(v1::MODALITY_PHOTO);
    grpc::ClientContext context;
    v1::SearchResponse response;
    ASSERT_THAT(stubs_->search->Search(&context, request, &response), IsOk());
    bool found = false;
    for (const v1::Match& match : response.matches()) {
      found |= match.photo_id() == photo.first && match.score() > 0.99999f;
    }
    EXPECT_TRUE(found) << photo.first << " is not found by its own picture";
    grpc::ClientContext get_context;
    v1::GetPhotoRequest get;
    get.set_photo_id(photo.first);
    get.set_rendition(v1::RENDITION_ORIGINAL);
    auto reader = stubs_->gallery->GetPhoto(&get_context, get);
    std::string bytes;
    for (v1::GetPhotoResponse part; reader->Read(&part);) bytes += part.chunk();
    EXPECT_THAT(reader->Finish(), IsOk());
    EXPECT_EQ(bytes, PhotoBytes(photo.second->seed));
  }

  // Returns when it is time to kill.
  void WaitForTheMoment(int kind) {
    const auto until = [this](const std::function<bool()>& happened) {
      while (!HasEnded() && !happened()) absl::SleepFor(absl::Microseconds(200));
    };
    const int writes = answered_ + 1 + static_cast<int>(random_() % 300);
    const int64_t newest = kind >= 2 && kind <= 4 ? PublishTinyCheckpoint(store_) : 0;
    const auto embedded = [&](double share) {
      const v1::GetModelStatusResponse status = ModelStatus();
      if (status.serving_version() >= newest) return true;
      for (const v1::ModelVersion& version : status.versions()) {
        if (version.version() != newest) continue;
        return version.state() == v1::ModelVersion::STATE_EMBEDDING && version.progress() >= share;
      }
      return false;
    };
    switch (kind) {
      case 0:  // Among writes.
        return until([&] { return answered_ >= writes; });
      case 1:  // While the index is compacted, or just before or after.
        until([&, deletes = bulk_deletes_.load()] { return bulk_deletes_ > deletes; });
        return absl::SleepFor(absl::Microseconds(random_() % 20000));
      case 2:  // While the gallery is embedded.
        until([&, share = static_cast<double>(random_() % 100) / 100] { return embedded(share); });
        killed_in_embedding_ += ModelStatus().serving_version() < newest ? 1 : 0;
        return;
      case 3:  // At the swap.
        until([&] { return embedded(0.95); });
        return absl::SleepFor(absl::Microseconds(random_() % 30000));
      case 4:  // After it, while the old version's embeddings are dropped.
        return until([&] { return ModelStatus().serving_version() >= newest; });
      default:  // At any time.
        return absl::SleepFor(absl::Microseconds(random_() % 300000));
    }
  }

  void Round(int kind) {
    std::vector<std::thread> threads;
    for (int w = 0; w < kWriters; ++w) {
      threads.emplace_back([this, w, seed = random_()] { Write(w, seed); });
    }
    threads.emplace_back([this, seed = random_()] { WriteBulk(seed); });
    threads.emplace_back([this, seed = random_()] { Search(seed); });
    WaitForTheMoment(kind);
    Kill();
    for (std::thread& thread : threads) thread.join();
  }
  void CheckDatabase() {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(dir_.File("data/gallery.db").c_str(), &database), SQLITE_OK);
    sqlite3_stmt* check = nullptr;
    ASSERT_EQ(sqlite3_prepare_v2(database, "PRAGMA integrity_check", -1, &check, nullptr),
              SQLITE_OK);
    ASSERT_EQ(sqlite3_step(check), SQLITE_ROW);
    EXPECT_STREQ(reinterpret_cast<const char*>(sqlite3_column_text(check, 0)), "ok");
    sqlite3_finalize(check);
    sqlite3_close(database);
  }

  TempDir dir_;
  const CheckpointStore store_;
  std::mt19937 random_;
  pid_t server_ = 0;
  int starts_ = 0;
  std::unique_ptr<Stubs> stubs_;
  Truth truth_;
  std::atomic<int> answered_{0}, bulk_deletes_{0}, searches_{0};
  int killed_in_embedding_ = 0;
  std::set<std::string> digests_;
};

TEST_F(ServerCrashTest, NothingThatWasAnsweredIsLost) {
  PublishTinyCheckpoint(store_);
  const int kills = FromEnvironment("S2P_KILLS", 14);
  for (int done = 0; done < kills && !HasFailure(); ++done) {
    SCOPED_TRACE(absl::StrCat("S2P_SEED=", FromEnvironment("S2P_SEED", 1), ", kill ", done));
    Spawn();
    if (done % 7 == 6) {
      // While it starts: opening, sweeping, loading, reading the gallery.
      absl::SleepFor(absl::Microseconds(random_() % 60000));
      Kill();
      continue;
    }
    ASSERT_NO_FATAL_FAILURE(WaitUntilServing());
    ASSERT_NO_FATAL_FAILURE(CheckAll());
    Round(done % 7);
  }
  Spawn();
  const int64_t newest = PublishTinyCheckpoint(store_);
  ASSERT_NO_FATAL_FAILURE(WaitUntilServing(newest));
  CheckAll();
  Kill();
  CheckDatabase();
  std::printf("%d kills (%d while a gallery was embedded), %d answered writes, %d bulk deletes, ",
              kills, killed_in_embedding_, answered_.load(), bulk_deletes_.load());
  std::printf("%d searches, %d versions\n", searches_.load(), static_cast<int>(newest));
  EXPECT_TRUE(killed_in_embedding_ > 0 || kills < 14) << "the aim was missed each time";
}

}  // namespace
}  // namespace s2p::test
