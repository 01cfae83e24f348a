#include "server/gallery/gallery.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/log.h"
#include "server/faults/storage_fault.h"
#include "server/gallery/gallery_filter.h"

namespace s2p {
namespace {

absl::Status CheckOptions(const GalleryOptions& options) {
  if (options.data_dir.empty()) return absl::InvalidArgumentError("data_dir: empty");
  if (options.keep_versions < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("keep_versions: ", options.keep_versions, " is below 1"));
  }
  return absl::OkStatus();
}

DiskReserve::Measure MeasureOf(const GalleryOptions& options) {
  if (options.measure_disk) return options.measure_disk;
  return [folder = options.data_dir] { return MeasureDiskSpace(folder); };
}

void LogCatchUp(const CatalogueCatchUp& done, const std::string& data_dir) {
  if (!done.any()) return;
  if (done.writes == 1) {
    return LogInfo("finished a write that the journal of the photos had and the catalogue lacked",
                   {{"added", done.added}, {"changed", done.changed}, {"removed", done.removed}});
  }
  LogWarning(
      "the catalogue was older than the journal of the photos, and now has those of the "
      "journal; check which version is pinned",
      {{"folder", data_dir},
       {"writes", done.writes},
       {"added", done.added},
       {"changed", done.changed},
       {"removed", done.removed}});
}

}  // namespace

absl::StatusOr<std::unique_ptr<Gallery>> Gallery::Open(const GalleryOptions& options,
                                                       SnapshotSlot* slot) {
  S2P_RETURN_IF_ERROR(CheckOptions(options));
  S2P_ASSIGN_OR_RETURN(auto folder,
                       GalleryFolder::Open(options.data_dir, options.set_aside_orphans));
  const GalleryFindings findings = folder.findings;
  LogCatchUp(findings.catch_up, options.data_dir);
  auto gallery = absl::WrapUnique(new Gallery(options, slot, std::move(folder)));
  S2P_RETURN_IF_ERROR(gallery->StartIndexing());
  S2P_RETURN_IF_ERROR(gallery->StartFindingColours());
  if (options.on_open) options.on_open(findings);
  return gallery;
}

Gallery::Gallery(const GalleryOptions& options, SnapshotSlot* slot, GalleryFolder folder)
    : options_(options),
      own_faults_(options.faults == nullptr ? std::make_unique<Faults>() : nullptr),
      faults_(options.faults == nullptr ? *own_faults_ : *options.faults),
      reserve_(options.min_free, MeasureOf(options)),
      lock_(std::move(folder.lock)),
      catalogue_(std::move(folder.catalogue)),
      blobs_(std::move(folder.blobs)),
      reader_(std::move(folder.reader)),
      serving_(slot, folder.totals),
      writer_(std::move(folder.writer), std::move(folder.journal), WriterParts()),
      adds_([this](absl::Span<const NewItem* const> items) { return writer_.Add(items); }),
      kept_(options.keep_versions) {}

GalleryWriterParts Gallery::WriterParts() {
  GalleryWriterParts parts;
  parts.blobs = &blobs_;
  parts.reader = &reader_;
  parts.serving = &serving_;
  parts.log = &log_;
  parts.reserve = &reserve_;
  parts.faults = &faults_;
  return parts;
}

template <typename Reading>
auto Gallery::Read(const Reading& read) const {
  auto result = reader_.Read(read);
  if (!result.ok()) result = StorageFault(faults_, result.status());
  return result;
}

absl::Status Gallery::StartIndexing() {
  IndexBuilderOptions index = options_.index;
  index.directory = absl::StrCat(options_.data_dir, "/index");
  index.check_room = [this](uint64_t bytes) { return reserve_.Check(bytes); };
  index.interrupted = [this] {
    return serving_.closed() || (options_.index.interrupted && options_.index.interrupted());
  };
  S2P_ASSIGN_OR_RETURN(indexes_, IndexBuilder::Create(std::move(index)));
  compactor_ = std::make_unique<Compactor>(&serving_, &writer_, &log_, indexes_.get(),
                                           options_.on_compaction);
  return absl::OkStatus();
}

absl::Status Gallery::StartFindingColours() {
  if (!options_.colours.decode) return absl::OkStatus();
  S2P_ASSIGN_OR_RETURN(const int64_t pending, Read([](const Catalogue& catalogue) {
                         return catalogue.CountWithoutColours();
                       }));
  colours_ =
      std::make_unique<const ColourFinder>(&reader_, &blobs_, &writer_, pending, options_.colours);
  return absl::OkStatus();
}

absl::Status Gallery::Activate(std::shared_ptr<const Encoder> encoder,
                               const ActivationCallbacks& callbacks) {
  absl::MutexLock one_at_a_time(&activation_mutex_);
  ActivationParts parts;
  parts.catalogue = catalogue_;
  parts.decode = options_.decode;
  parts.blobs = &blobs_;
  parts.indexes = indexes_.get();
  parts.reader = &reader_;
  parts.writer = &writer_;
  parts.log = &log_;
  parts.serving = &serving_;
  parts.kept = &kept_;
  parts.reserve = &reserve_;
  ActivationCallbacks reporting = callbacks;
  reporting.on_left_out = [&](const std::string& photo_id, const absl::Status& reason) {
    ReportDamaged(photo_id, reason);
    if (callbacks.on_left_out) callbacks.on_left_out(photo_id, reason);
  };
  return s2p::Activate(parts, std::move(encoder), reporting);
}

void Gallery::ReportDamaged(const std::string& photo_id, const absl::Status& reason) const {
  // Anything else is the encoder's refusal.
  if (!absl::IsNotFound(reason) && !absl::IsDataLoss(reason)) return;
  const auto item = Get(photo_id);
  if (item.ok()) PhotoFault(faults_, photo_id, (*item)->sha256, reason).IgnoreError();
}

absl::Status Gallery::DropRetired() {
  absl::MutexLock one_at_a_time(&activation_mutex_);
  return kept_.DropRetired(serving_.version(), writer_, *indexes_);
}

absl::StatusOr<int64_t> Gallery::CountWithoutEmbedding(int64_t version) const {
  return Read([&](const Catalogue& catalogue) { return catalogue.CountWithoutEmbedding(version); });
}

absl::StatusOr<AddResult> Gallery::Check(const NewItem& item) const {
  S2P_ASSIGN_OR_RETURN(const auto existing, Read([&](const Catalogue& catalogue) {
                         return catalogue.FindOrNull(item.photo_id);
                       }));
  S2P_ASSIGN_OR_RETURN(const AddResult result, DecideAdd(item, existing.get(), &blobs_));
  if (result == AddResult::kAdded || result == AddResult::kReplaced) {
    S2P_RETURN_IF_ERROR(writer_.CheckRoom(item.bytes.size()));
  }
  // The file was read and is whole.
  if (result == AddResult::kUnchanged) PhotoWorks(faults_, item.sha256);
  return result;
}

absl::StatusOr<std::shared_ptr<const GalleryItem>> Gallery::Get(const std::string& photo_id) const {
  S2P_ASSIGN_OR_RETURN(auto found,
                       Read([&](const Catalogue& catalogue) { return catalogue.Find(photo_id); }));
  return std::move(found.item);
}

absl::StatusOr<std::vector<std::shared_ptr<const GalleryItem>>> Gallery::List(
    const std::string& after, int limit, const GalleryFilter& filter,
    const std::function<absl::Status()>& still_wanted) const {
  const std::shared_ptr<const IndexedGalleryView> current = serving_.view();
  if (!filter.attributes.empty()) {
    if (current == nullptr) {
      return absl::FailedPreconditionError(
          "filter.attributes: no model serves yet, so attributes are unknown");
    }
    // Refuses an unknown name even if no item is looked at.
    S2P_RETURN_IF_ERROR(current->AttributesPass("", filter.attributes).status());
  }
  std::vector<std::shared_ptr<const GalleryItem>> items;
  std::string cursor = after;
  while (static_cast<int>(items.size()) < limit) {
    if (still_wanted) {
      S2P_RETURN_IF_ERROR(still_wanted());
    }
    S2P_ASSIGN_OR_RETURN(auto page, Read([&](const Catalogue& catalogue) {
                           return catalogue.List(cursor, kCataloguePageSize);
                         }));
    if (page.empty()) break;
    cursor = page.back().item->photo_id;
    for (CatalogueItem& entry : page) {
      if (static_cast<int>(items.size()) == limit) break;
      if (!ItemPasses(*entry.item, filter)) continue;
      if (!filter.attributes.empty()) {
        S2P_ASSIGN_OR_RETURN(const bool passes,
                             current->AttributesPass(entry.item->photo_id, filter.attributes));
        if (!passes) continue;
      }
      items.push_back(std::move(entry.item));
    }
  }
  return items;
}

absl::StatusOr<std::string> Gallery::ReadBlob(const GalleryItem& item) const {
  absl::StatusOr<std::string> bytes = blobs_.Read(item.sha256, item.bytes);
  if (!bytes.ok()) return UnreadablePhoto(item, bytes.status());
  PhotoWorks(faults_, item.sha256);
  return bytes;
}

absl::StatusOr<VerifiedFile> Gallery::OpenBlob(const GalleryItem& item) const {
  absl::StatusOr<VerifiedFile> file =
      VerifiedFile::Open(blobs_.PathOf(item.sha256), item.sha256, item.bytes);
  if (!file.ok()) return UnreadablePhoto(item, file.status());
  return file;
}

absl::Status Gallery::UnreadablePhoto(const GalleryItem& item, const absl::Status& status) const {
  if (absl::IsNotFound(status)) {
    S2P_ASSIGN_OR_RETURN(const bool named, Read([&](const Catalogue& catalogue) {
                           return catalogue.HasBlob(item.sha256);
                         }));
    // The item was deleted after it was looked up.
    if (!named) return absl::NotFoundError(absl::StrCat("photo_id '", item.photo_id, "'"));
  }
  // The process has as many files open as it may, or the system no memory for one more: that says
  // nothing about this photo.
  if (absl::IsResourceExhausted(status)) {
    LogWarning("could not open the file of a photo",
               {{"photo_id", item.photo_id}, {"reason", status}});
    return absl::UnavailableError(absl::StrCat(
        "photo_id '", item.photo_id, "': its file cannot be opened at the moment; try again"));
  }
  return PhotoFault(faults_, item.photo_id, item.sha256, status);
}

absl::StatusOr<std::optional<int64_t>> Gallery::PinnedVersion() const {
  return Read([](const Catalogue& catalogue) { return catalogue.PinnedVersion(); });
}

absl::Status Gallery::SetPinnedVersion(std::optional<int64_t> version) {
  return StorageFault(faults_, writer_.Exclusively([&](Catalogue& catalogue) {
    return catalogue.SetPinnedVersion(version);
  }));
}

}  // namespace s2p
