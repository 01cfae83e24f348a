#include "server/gallery/activation.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "base/steady_time.h"
#include "server/gallery/gallery_base.h"
#include "server/gallery/gallery_embedder.h"
#include "server/gallery/indexed_gallery_view.h"

namespace s2p {
namespace {

// Items that are embedded while writers wait, at most.
constexpr size_t kLastBatch = 32;
// Attempts to swap before adds wait until one succeeds: they may come as fast as they are embedded.
constexpr int kAttemptsBeforeHold = 3;
// Passes over the missing items that leave room for searches, before the final, unthrottled one.
constexpr int kPatientPasses = 3;
// Written items that are looked up while writers wait, in the first attempt. Each further attempt
// looks up twice as many: that is cheap.
constexpr size_t kMostLookedUp = 1024;
constexpr int kMostDoublings = 10;

// One run. Photos arrive meanwhile, so it works in passes: all that is missing, then what arrived
// during that, then the view, then what arrived while it was built, for a while with adds on hold
// if that does not become less, and the last few items while writers wait. Every batch is stored,
// so a run that was interrupted resumes. One thread only.
class Activation {
 public:
  Activation(const ActivationParts& parts, std::shared_ptr<const Encoder> encoder,
             const ActivationCallbacks& callbacks)
      : parts_(parts),
        encoder_(std::move(encoder)),
        version_(encoder_->version()),
        callbacks_(callbacks),
        embedder_(encoder_.get(), parts.blobs, parts.decode) {}

  absl::Status Run() {
    S2P_ASSIGN_OR_RETURN(total_, parts_.reader->Read([this](const Catalogue& catalogue) {
      return catalogue.CountWithoutEmbedding(version_);
    }));
    S2P_RETURN_IF_ERROR(CheckRoomForAll());
    S2P_ASSIGN_OR_RETURN(has_embedded_, parts_.reader->Read([this](const Catalogue& catalogue) {
      return HasEmbedded(catalogue);
    }));
    if (callbacks_.progress) callbacks_.progress(0, total_);
    batch_start_ = SteadyTime::Now();
    for (int pass = 1; pass <= kPatientPasses; ++pass) {
      S2P_ASSIGN_OR_RETURN(const size_t embedded, EmbedMissing());
      if (embedded <= kLastBatch) break;
    }
    patient_ = false;

    WriteLog::Reader written(parts_.log);
    S2P_RETURN_IF_ERROR(EmbedMissing().status());
    S2P_ASSIGN_OR_RETURN(View view, LoadView());
    std::optional<GalleryWriter::AddsOnHold> hold;
    for (int attempt = 0;; ++attempt) {
      if (attempt == kAttemptsBeforeHold) hold.emplace(parts_.writer);
      if (callbacks_.after_batch) {
        S2P_RETURN_IF_ERROR(callbacks_.after_batch(absl::ZeroDuration()));
      }
      S2P_ASSIGN_OR_RETURN(const auto left, TrySwap(*view, written, attempt));
      if (left.empty()) return absl::OkStatus();
      S2P_ASSIGN_OR_RETURN(view, CaughtUp(*view, left));
    }
  }

 private:
  using View = std::shared_ptr<const IndexedGalleryView>;
  using Store = std::function<absl::Status(const std::vector<EmbeddedItem>&)>;

  // The current state of items that were written after the view was read.
  struct Changes {
    std::vector<GalleryRow> upserted;
    std::vector<std::string> removed;
    // Not yet embedded.
    std::vector<CatalogueItem> missing;
  };

  // Refuses at once what the batches would refuse later, when they had taken the room and the time.
  absl::Status CheckRoomForAll() const { return CheckRoom(total_); }

  // ResourceExhausted unless the disk keeps its reserve after the embeddings of `items` more. While
  // no version serves, they may take the reserve: answers to searches are worth more.
  absl::Status CheckRoom(int64_t items) const {
    if (items == 0 || parts_.serving->version() == 0) return absl::OkStatus();
    const size_t floats =
        static_cast<size_t>(encoder_->dimension()) + encoder_->attributes().size();
    const uint64_t bytes = static_cast<uint64_t>(items) * floats * sizeof(float);
    const absl::Status room = parts_.reserve->Check(bytes);
    if (room.ok()) return room;
    return absl::Status(
        room.code(), absl::StrFormat("the embeddings of %d item%s take %.1f MiB, but %s", items,
                                     items == 1 ? "" : "s", static_cast<double>(bytes) / (1 << 20),
                                     room.message()));
  }

  // Whether the version has served, or an earlier run of it was interrupted after its first batch.
  absl::StatusOr<bool> HasEmbedded(const Catalogue& catalogue) const {
    S2P_ASSIGN_OR_RETURN(const auto served, catalogue.ServedVersions());
    if (served.count(version_) > 0) return true;
    return catalogue.HasEmbeddings(version_);
  }

  // Embeds all that is missing, and returns how many items that were.
  absl::StatusOr<size_t> EmbedMissing() {
    const int64_t before = done_;
    const Store store = [this](const auto& embedded) { return StoreBatch(embedded); };
    const auto leave_out = [this](const CatalogueItem& item, const absl::Status& reason) {
      LeaveOut(item, reason);
    };
    std::string after;
    for (;;) {
      S2P_ASSIGN_OR_RETURN(const auto page, parts_.reader->Read([&](const Catalogue& catalogue) {
        return catalogue.ListWithoutEmbedding(version_, after, kCataloguePageSize);
      }));
      if (page.empty()) return static_cast<size_t>(done_ - before);
      after = page.back().item->photo_id;
      // An earlier pass has tried the others already.
      std::vector<CatalogueItem> wanted;
      std::copy_if(page.begin(), page.end(), std::back_inserter(wanted),
                   [this](const CatalogueItem& item) { return left_out_.count(item.key) == 0; });
      S2P_RETURN_IF_ERROR(embedder_.Embed(wanted, has_embedded_, store, leave_out));
    }
  }

  absl::Status StoreBatch(const std::vector<EmbeddedItem>& embedded) {
    S2P_RETURN_IF_ERROR(parts_.writer->Exclusively(
        [&](Catalogue& catalogue) { return PutEmbeddings(catalogue, embedded); }));
    CountDone(embedded.size());
    absl::Status status;
    if (callbacks_.after_batch) {
      status = callbacks_.after_batch(patient_ ? SteadyTime::Now() - batch_start_
                                               : absl::ZeroDuration());
    }
    batch_start_ = SteadyTime::Now();
    return status;
  }

  absl::Status PutEmbeddings(Catalogue& catalogue, const std::vector<EmbeddedItem>& embedded) {
    S2P_RETURN_IF_ERROR(CheckRoom(static_cast<int64_t>(embedded.size())));
    S2P_ASSIGN_OR_RETURN(const auto transaction, catalogue.Begin());
    for (const EmbeddedItem& item : embedded) {
      S2P_RETURN_IF_ERROR(catalogue.PutEmbedding(item.key, version_, item.embedding));
    }
    return transaction->Commit();
  }

  void CountDone(size_t embedded) {
    embedded_ += static_cast<int64_t>(embedded);
    has_embedded_ = has_embedded_ || embedded > 0;
    done_ += static_cast<int64_t>(embedded);
    if (callbacks_.progress) callbacks_.progress(done_, std::max(done_, total_));
  }

  void LeaveOut(const CatalogueItem& item, const absl::Status& reason) {
    if (!left_out_.insert(item.key).second) return;
    ++done_;
    if (callbacks_.on_left_out) callbacks_.on_left_out(item.item->photo_id, reason);
  }

  // Builds the view of everything that is embedded.
  absl::StatusOr<View> LoadView() const {
    const GalleryViewModel model{version_, encoder_->dimension(), encoder_->attributes()};
    std::optional<GalleryBaseBuilder> builder;
    {
      // A connection of its own: this takes seconds, and nobody should wait for it.
      S2P_ASSIGN_OR_RETURN(const auto catalogue, Catalogue::OpenReader(parts_.catalogue));
      const absl::Status status = catalogue->ForEachEmbedding(
          version_, [&](int64_t count) { builder.emplace(model, count); },
          [&](CatalogueItem item, CatalogueEmbedding embedding) {
            return builder->Add(std::move(item.item), embedding.embedding, embedding.attributes);
          });
      if (absl::IsInvalidArgument(status)) {
        return absl::DataLossError(
            absl::StrCat(parts_.catalogue, ": version ", version_, ": ", status.message()));
      }
      if (!status.ok()) return status;
    }
    S2P_ASSIGN_OR_RETURN(auto base, builder->Build(*parts_.indexes, nullptr));
    return std::make_shared<const IndexedGalleryView>(std::move(base));
  }

  absl::StatusOr<Changes> FindChanges(const Catalogue& catalogue,
                                      absl::Span<const std::string> ids) const {
    Changes changes;
    for (const std::string& photo_id : ids) {
      absl::StatusOr<CatalogueItem> item = catalogue.Find(photo_id);
      if (!item.ok() && !absl::IsNotFound(item.status())) return item.status();
      if (!item.ok() || left_out_.count(item->key) > 0) {
        changes.removed.push_back(photo_id);
        continue;
      }
      S2P_ASSIGN_OR_RETURN(auto embedding, catalogue.FindEmbedding(item->key, version_));
      if (embedding.has_value()) {
        changes.upserted.push_back({std::move(item->item), std::move(embedding->embedding),
                                    std::move(embedding->attributes)});
      } else {
        changes.missing.push_back(*std::move(item));
      }
    }
    return changes;
  }

  // Embeds and stores what is missing in the changes, and returns the view with all of them.
  absl::StatusOr<View> Apply(const IndexedGalleryView& view, Changes changes, const Store& store) {
    std::map<int64_t, std::shared_ptr<const GalleryItem>> missing;
    for (const CatalogueItem& item : changes.missing) missing[item.key] = item.item;
    S2P_RETURN_IF_ERROR(embedder_.Embed(
        changes.missing, has_embedded_,
        [&](const std::vector<EmbeddedItem>& embedded) {
          for (const EmbeddedItem& item : embedded) {
            changes.upserted.push_back(
                {missing[item.key], item.embedding.embedding, item.embedding.attributes});
          }
          return store(embedded);
        },
        [&](const CatalogueItem& item, const absl::Status& reason) {
          LeaveOut(item, reason);
          changes.removed.push_back(item.item->photo_id);
        }));
    return view.With(std::move(changes.upserted), changes.removed);
  }

  absl::StatusOr<View> CaughtUp(const IndexedGalleryView& view, absl::Span<const std::string> ids) {
    S2P_ASSIGN_OR_RETURN(auto changes, parts_.reader->Read([&](const Catalogue& catalogue) {
      return FindChanges(catalogue, ids);
    }));
    return Apply(view, std::move(changes),
                 [this](const auto& embedded) { return StoreBatch(embedded); });
  }

  // Publishes the view with all later writes, if at most kLastBatch items have to be embedded for
  // that; else returns the ids that were written.
  absl::StatusOr<std::vector<std::string>> TrySwap(const IndexedGalleryView& view,
                                                   WriteLog::Reader& written, int attempt) {
    using Left = absl::StatusOr<std::vector<std::string>>;
    return parts_.writer->Exclusively([&](Catalogue& catalogue) -> Left {
      std::vector<std::string> ids = written.Take();
      if (ids.size() > kMostLookedUp << std::min(attempt, kMostDoublings)) return ids;
      S2P_ASSIGN_OR_RETURN(Changes changes, FindChanges(catalogue, ids));
      if (changes.missing.size() > kLastBatch) return ids;
      S2P_ASSIGN_OR_RETURN(
          View last, Apply(view, std::move(changes), [&](const auto& embedded) -> absl::Status {
            S2P_RETURN_IF_ERROR(PutEmbeddings(catalogue, embedded));
            CountDone(embedded.size());
            return absl::OkStatus();
          }));
      // A few items may be new to the catalogue, as those of a write that a crash interrupted.
      const bool resumed = parts_.serving->version() == 0 && 2 * embedded_ < last->size();
      parts_.kept->NoteServing(version_, resumed, catalogue);
      parts_.serving->Publish(encoder_, std::move(last));
      return std::vector<std::string>();
    });
  }

  const ActivationParts& parts_;
  const std::shared_ptr<const Encoder> encoder_;
  const int64_t version_;
  const ActivationCallbacks& callbacks_;
  const GalleryEmbedder embedder_;
  int64_t total_ = 0;
  int64_t done_ = 0;
  // Room is left for searches.
  bool patient_ = true;
  // Items that this run has embedded.
  int64_t embedded_ = 0;
  // The version has embedded an item, in this run or before.
  bool has_embedded_ = false;
  // Keys of items that cannot be embedded.
  std::set<int64_t> left_out_;
  SteadyTime batch_start_;
};

}  // namespace

absl::Status Activate(const ActivationParts& parts, std::shared_ptr<const Encoder> encoder,
                      const ActivationCallbacks& callbacks) {
  return Activation(parts, std::move(encoder), callbacks).Run();
}

}  // namespace s2p
