#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "base/utf8.h"
#include "client/arguments.h"
#include "client/clean_text.h"
#include "client/commands/commands.h"
#include "client/files.h"
#include "client/new_data_set.h"
#include "client/photo_files.h"
#include "client/progress.h"
#include "client/report.h"

namespace s2p {
namespace {

absl::StatusOr<v1::OnConflict> ParseOnConflict(const std::string& text) {
  if (text == "fail") return v1::ON_CONFLICT_FAIL;
  if (text == "replace") return v1::ON_CONFLICT_REPLACE;
  if (text == "skip") return v1::ON_CONFLICT_SKIP;
  return absl::InvalidArgumentError(
      absl::StrCat("--on-conflict ", text, ": expected fail, replace or skip"));
}

absl::StatusOr<v1::Modality> ParseModality(const std::string& text) {
  if (text == "photo") return v1::MODALITY_PHOTO;
  if (text == "sketch") return v1::MODALITY_SKETCH;
  return absl::InvalidArgumentError(
      absl::StrCat("--modality ", text, ": expected photo or sketch"));
}

absl::StatusOr<v1::AddPhotoRequest> RequestFor(const PhotoFile& file, v1::Modality modality,
                                               v1::OnConflict on_conflict) {
  S2P_ASSIGN_OR_RETURN(auto bytes, ReadImageFile(file.path));
  v1::AddPhotoRequest request;
  request.set_photo_id(file.photo_id);
  request.set_image(std::move(bytes));
  request.set_modality(modality);
  request.mutable_metadata()->insert(file.metadata.begin(), file.metadata.end());
  request.set_on_conflict(on_conflict);
  return request;
}

void PrintFailure(const std::string& path, const absl::Status& status, std::ostream& err) {
  // Some messages start with the path.
  if (!absl::StartsWith(status.message(), absl::StrCat(path, ":"))) err << Printable(path) << ": ";
  err << Printable(status.message()) << " (" << absl::StatusCodeToString(status.code()) << ")\n";
}

// Prints what was skipped in the given folders, one line per reason.
void PrintSkipped(const PhotoList& list, std::ostream& err) {
  if (list.skipped > 0) {
    err << "skipped " << list.skipped
        << " hidden, system or partly copied files and folders; name one to add it\n";
  }
  if (list.linked_folders > 0) {
    err << "did not follow " << list.linked_folders << " links to folders; name one to add it\n";
  }
}

// The photos that pass the filters, `limit` at most unless it is 0.
absl::StatusOr<v1::ListPhotosResponse> ListAll(const SearchClient& client,
                                               const std::vector<std::string>& filters,
                                               uint32_t limit) {
  S2P_ASSIGN_OR_RETURN(auto filter, ParseFilter(filters, {}));
  v1::ListPhotosRequest request;
  *request.mutable_filter() = std::move(filter);
  v1::ListPhotosResponse all;
  do {
    const uint32_t left = limit == 0 ? 1000 : limit - all.photos_size();
    request.set_page_size(std::min<uint32_t>(left, 1000));
    S2P_ASSIGN_OR_RETURN(auto page, client.ListPhotos(request));
    all.mutable_photos()->MergeFrom(page.photos());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() &&
           (limit == 0 || static_cast<uint32_t>(all.photos_size()) < limit));
  all.set_next_page_token(request.page_token());
  return all;
}

// The details of a photo and the bytes of a rendition.
struct FetchedPhoto {
  v1::Photo photo;
  std::string bytes;
};

absl::StatusOr<FetchedPhoto> Fetch(const SearchClient& client, const std::string& id,
                                   v1::Rendition rendition) {
  v1::GetPhotoRequest request;
  request.set_photo_id(id);
  request.set_rendition(rendition);
  FetchedPhoto fetched;
  S2P_RETURN_IF_ERROR(client.GetPhoto(request, [&](const v1::GetPhotoResponse& response) {
    if (response.has_photo()) fetched.photo = response.photo();
    fetched.bytes += response.chunk();
    return absl::OkStatus();
  }));
  return fetched;
}

// Counts by AddPhotoResponse.Result, in its order; the first entry counts failures.
using AddCounts = std::array<size_t, v1::AddPhotoResponse::Result_ARRAYSIZE>;

void PrintCounts(const AddCounts& counts, absl::Duration took, std::ostream& out) {
  constexpr std::array<const char*, v1::AddPhotoResponse::Result_ARRAYSIZE> kWords = {
      "failed", "added", "replaced", "unchanged", "skipped"};
  std::vector<std::string> parts;
  size_t total = 0;
  for (size_t i = 1; i <= counts.size(); ++i) {
    const size_t result = i % counts.size();  // Failures come last.
    total += counts[result];
    if (counts[result] > 0 || i == 1)
      parts.push_back(absl::StrCat(counts[result], " ", kWords[result]));
  }
  const double seconds = absl::ToDoubleSeconds(took);
  out << absl::StrJoin(parts, ", ")
      << absl::StrFormat(" in %.1f s (%.0f photos/s)\n", seconds,
                         static_cast<double>(total) / std::max(seconds, 1e-3));
}

}  // namespace

absl::Status RunGalleryAdd(const SearchClient& client, const GalleryAddOptions& options,
                           std::ostream& out, std::ostream& err) {
  S2P_ASSIGN_OR_RETURN(const auto on_conflict, ParseOnConflict(options.on_conflict));
  S2P_ASSIGN_OR_RETURN(const auto modality, ParseModality(options.modality));
  S2P_ASSIGN_OR_RETURN(const auto list, ListPhotoFiles(options));
  const std::vector<PhotoFile>& files = list.files;

  PrintSkipped(list, err);
  AddCounts counts = {list.refused.size()};
  for (const RefusedFile& refused : list.refused) PrintFailure(refused.path, refused.why, err);
  const SteadyTime start = SteadyTime::Now();
  absl::Status status;
  {
    Progress progress("adding", files.size());
    const auto sink = [&](const AddOutcome& outcome) {
      const PhotoFile& file = files[outcome.index];
      const int result = outcome.status.ok() ? static_cast<int>(outcome.response.result()) : 0;
      ++counts[result >= 0 && result < static_cast<int>(counts.size()) ? result : 0];
      if (!outcome.status.ok()) {
        progress.Hide();
        PrintFailure(file.path, outcome.status, err);
      }
      if (options.json && !outcome.response.photo_id().empty()) {
        out << ToJson(outcome.response, /*compact=*/true);
      }
      progress.Advance();
    };
    status = client.AddPhotos(
        files.size(), [&](size_t index) { return RequestFor(files[index], modality, on_conflict); },
        sink,
        [&](const absl::Status& why) {
          progress.Hide();
          err << "the connection broke; retrying: " << Printable(why.message()) << '\n';
        });
  }
  if (!options.json) PrintCounts(counts, SteadyTime::Now() - start, out);
  if (!status.ok()) return status;
  if (counts[0] > 0) {
    return absl::UnknownError(absl::StrCat(counts[0], " of ", files.size() + list.refused.size(),
                                           " photos were not added"));
  }
  return absl::OkStatus();
}

absl::Status RunGalleryList(const SearchClient& client, const GalleryListOptions& options,
                            std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto all, ListAll(client, options.filters, options.limit));
  if (options.json) {
    out << ToJson(all);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {
      {"photo", "modality", ">width", ">height", ">bytes", "metadata"}};
  for (const v1::Photo& photo : all.photos()) {
    rows.push_back({Printable(photo.photo_id()),
                    photo.modality() == v1::MODALITY_SKETCH ? "sketch" : "photo",
                    absl::StrCat(photo.width()), absl::StrCat(photo.height()),
                    absl::StrCat(photo.bytes()), ToText(photo.metadata())});
  }
  PrintTable(rows, out);
  return absl::OkStatus();
}

absl::Status RunGalleryGet(const SearchClient& client, const GalleryGetOptions& options,
                           std::ostream& out) {
  S2P_RETURN_IF_ERROR(CheckPhotoId(options.photo_id, "ID"));
  if (options.rendition != "original" && options.rendition != "thumbnail") {
    return absl::InvalidArgumentError(
        absl::StrCat("--rendition ", options.rendition, ": expected original or thumbnail"));
  }
  v1::Rendition rendition = v1::RENDITION_NONE;
  if (!options.out_file.empty()) {
    rendition = options.rendition == "original" ? v1::RENDITION_ORIGINAL : v1::RENDITION_THUMBNAIL;
  }
  S2P_ASSIGN_OR_RETURN(const auto fetched, Fetch(client, options.photo_id, rendition));
  const v1::Photo& photo = fetched.photo;
  if (!options.out_file.empty()) {
    S2P_RETURN_IF_ERROR(WriteFile(options.out_file, fetched.bytes));
  }
  if (options.json) {
    out << ToJson(photo);
    return absl::OkStatus();
  }
  PrintTable({{"photo", Printable(photo.photo_id())},
              {"modality", photo.modality() == v1::MODALITY_SKETCH ? "sketch" : "photo"},
              {"type", absl::StrCat(photo.content_type(), ", ", photo.width(), " x ",
                                    photo.height(), ", ", photo.bytes(), " bytes")},
              {"sha256", photo.sha256()},
              {"added", absl::FormatTime(absl::RFC3339_sec,
                                         absl::FromUnixSeconds(photo.created_at().seconds()),
                                         absl::LocalTimeZone())},
              {"metadata", ToText(photo.metadata())}},
             out);
  return absl::OkStatus();
}

absl::Status RunGalleryExport(const SearchClient& client, const GalleryExportOptions& options,
                              std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(const auto data_set, NewDataSet::Create(options.folder));
  S2P_ASSIGN_OR_RETURN(const auto all, ListAll(client, options.filters, /*limit=*/0));
  int written = 0;
  {
    Progress progress("exporting", static_cast<size_t>(all.photos_size()));
    for (const v1::Photo& listed : all.photos()) {
      const auto fetched = Fetch(client, listed.photo_id(), v1::RENDITION_ORIGINAL);
      progress.Advance();
      if (absl::IsNotFound(fetched.status())) continue;
      if (!fetched.ok()) return fetched.status();
      const v1::Photo& photo = fetched->photo;
      const std::string name = GalleryImageName(photo, absl::StrFormat("%06d", ++written));
      S2P_RETURN_IF_ERROR(data_set->Write(name, fetched->bytes));
      data_set->AddGalleryLine(photo, name);
      if (options.json) out << ToJson(photo, /*compact=*/true);
    }
  }
  if (written == 0) return absl::NotFoundError("there is no photo to export");
  S2P_RETURN_IF_ERROR(data_set->Finish("gallery", "the gallery of an s2p-server"));
  if (!options.json) out << written << " photos in " << Printable(options.folder) << '\n';
  return absl::OkStatus();
}

absl::Status RunGalleryRemove(const SearchClient& client, const std::vector<std::string>& photo_ids,
                              bool json, std::ostream& out) {
  constexpr size_t kMostPerCall = 1000;
  for (const std::string& id : photo_ids) {
    S2P_RETURN_IF_ERROR(CheckPhotoId(id, "ID"));
  }
  v1::DeletePhotosResponse all;
  for (size_t begin = 0; begin < photo_ids.size(); begin += kMostPerCall) {
    v1::DeletePhotosRequest request;
    for (size_t i = begin; i < std::min(begin + kMostPerCall, photo_ids.size()); ++i) {
      request.add_photo_ids(photo_ids[i]);
    }
    S2P_ASSIGN_OR_RETURN(auto response, client.DeletePhotos(request));
    all.set_deleted_count(all.deleted_count() + response.deleted_count());
    all.mutable_missing_photo_ids()->MergeFrom(response.missing_photo_ids());
  }
  if (json) {
    out << ToJson(all);
  } else {
    out << all.deleted_count() << " deleted\n";
  }
  if (all.missing_photo_ids().empty()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("not in the gallery: ",
                                          Printable(absl::StrJoin(all.missing_photo_ids(), ", "))));
}

absl::Status RunGalleryStats(const SearchClient& client, bool json, std::ostream& out) {
  S2P_ASSIGN_OR_RETURN(auto stats, client.GetGalleryStats());
  if (json) {
    out << ToJson(stats);
    return absl::OkStatus();
  }
  std::vector<std::vector<std::string>> rows = {
      {"photos", absl::StrCat(stats.photo_count())},
      {"sketches", absl::StrCat(stats.sketch_count())},
      {"bytes", absl::StrCat(stats.total_bytes())},
      {"model version",
       stats.model_version() == 0 ? "none yet" : absl::StrCat(stats.model_version())},
      {"dimension", absl::StrCat(stats.dimension())},
      {"index", Printable(stats.index_kind())},
      {"index recall", absl::StrFormat("%.3f", stats.index_recall())}};
  if (stats.uncolored_photo_count() > 0) {
    rows.push_back({"photos without colors", absl::StrCat(stats.uncolored_photo_count())});
  }
  PrintTable(rows, out);
  return absl::OkStatus();
}

}  // namespace s2p
