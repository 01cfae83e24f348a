// The connection to s2p-server: its RPCs as functions that return absl::Status.
#ifndef S2P_CLIENT_CONNECTION_SEARCH_CLIENT_H_
#define S2P_CLIENT_CONNECTION_SEARCH_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/client_options.h"
#include "s2p/v1/gallery.pb.h"
#include "s2p/v1/model.pb.h"
#include "s2p/v1/search.pb.h"

namespace s2p {

// The outcome of adding one photo.
struct AddOutcome {
  // Index of the photo, from 0 in the order given.
  size_t index = 0;
  // If not ok, this photo was not added; the others continue.
  absl::Status status;
  v1::AddPhotoResponse response;
};

// With `retry`, calls that fail because the server is busy (RESOURCE_EXHAUSTED, after the wait that
// the server asks for) or not up yet (UNAVAILABLE) are retried a few times within the deadline.
// Errors carry the server's code and message; if no server answers, Unavailable names its address.
// Thread-safe.
class SearchClient {
 public:
  // Returns the request for photo `index`; an error fails only that photo.
  using PhotoSource = std::function<absl::StatusOr<v1::AddPhotoRequest>(size_t index)>;
  using OutcomeSink = std::function<void(const AddOutcome&)>;
  using BreakSink = std::function<void(const absl::Status&)>;
  using ModelStatusSink = std::function<absl::Status(const v1::GetModelStatusResponse&)>;
  using ChunkSink = std::function<absl::Status(const v1::GetPhotoResponse&)>;

  // Does not connect yet. NotFound or InvalidArgument for the TLS files.
  static absl::StatusOr<std::unique_ptr<SearchClient>> Create(const ClientOptions& options);
  ~SearchClient();

  absl::StatusOr<v1::SearchResponse> Search(const v1::SearchRequest& request) const;

  // Streams `count` photos. `source` is called once for each in order, on a thread of this call,
  // and `sink` once for each in order, on the caller's thread. Holds the photo being sent and
  // gRPC's buffers: at most 32 MiB, for any number of photos.
  //
  // If a stream breaks after an answer, or the server shuts down, the call retries until the
  // timeout passes without a further answer; it calls `on_break` (optional, on the caller's thread)
  // with the reason each time. It resumes where the answers stopped and asks `source` again for the
  // photos without one. If the result is not ok, those may have been added; adding them again is
  // safe.
  //
  // A photo whose message the server cannot accept, such as one that is too large, fails alone
  // although it ends its stream: the photos sent with it are sent again, one by one.
  absl::Status AddPhotos(size_t count, const PhotoSource& source, const OutcomeSink& sink,
                         const BreakSink& on_break = {}) const;

  absl::StatusOr<v1::DeletePhotosResponse> DeletePhotos(
      const v1::DeletePhotosRequest& request) const;
  // Calls `sink` for each message of the stream, until it returns an error.
  absl::Status GetPhoto(const v1::GetPhotoRequest& request, const ChunkSink& sink) const;
  absl::StatusOr<v1::ListPhotosResponse> ListPhotos(const v1::ListPhotosRequest& request) const;
  absl::StatusOr<v1::GetGalleryStatsResponse> GetGalleryStats() const;
  absl::StatusOr<v1::GetModelStatusResponse> GetModelStatus() const;
  // Without a version, the server follows the newest. NotFound for a version that the server does
  // not know.
  absl::StatusOr<v1::SetServingVersionResponse> SetServingVersion(
      std::optional<int64_t> version) const;
  // Calls `sink` with the current status and after each change, until it returns an error, which
  // this function returns. Restarts a broken stream as long as each stream brings at least one
  // status.
  absl::Status WatchModelStatus(const ModelStatusSink& sink) const;

 private:
  struct Stubs;
  SearchClient(ClientOptions options, std::unique_ptr<Stubs> stubs);
  const ClientOptions options_;
  const std::unique_ptr<Stubs> stubs_;
};

}  // namespace s2p

#endif  // S2P_CLIENT_CONNECTION_SEARCH_CLIENT_H_
