#include "server/search/batch.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace s2p {
namespace {

EmbeddingMatrix Rows(const EmbeddingMatrix& matrix, int first, int count) {
  EmbeddingMatrix rows(count, matrix.dimension());
  for (int i = 0; i < count; ++i) {
    const auto from = matrix.row(first + i);
    std::copy(from.begin(), from.end(), rows.row(i).begin());
  }
  return rows;
}

// Inputs of the request's images, with what was preprocessed of them.
void AddInputs(const BatchRequest& request, std::vector<EncoderInput>& inputs) {
  for (size_t i = 0; i < request.images.size(); ++i) {
    EncoderInput& input = inputs.emplace_back();
    input.image = &request.images[i];
    input.modality = request.modalities[i];
    if (!request.preprocessed.empty()) input.preprocessed = &request.preprocessed[i];
  }
}

// A request gives its memory back in `done`, and others may take it then.
void FreeImages(BatchRequest& request) {
  request.images.clear();
  request.preprocessed.clear();
}

}  // namespace

void Batch::Add(BatchRequest request, SteadyTime since) {
  places_ += PlacesOf(request);
  entries_.push_back({std::move(request), since, BatchResult(), {}});
}

std::vector<Batch::Entry*> Batch::Computed() {
  std::vector<Entry*> computed;
  for (Entry& entry : entries_) {
    if (entry.result.ok()) computed.push_back(&entry);
  }
  return computed;
}

void Batch::AnswerUnwanted() {
  std::deque<Entry> wanted;
  for (Entry& entry : entries_) {
    absl::Status status = CheckWanted(entry.request, clock_());
    if (status.ok()) {
      wanted.push_back(std::move(entry));
      continue;
    }
    FreeImages(entry.request);
    entry.request.done(std::move(status));
  }
  entries_ = std::move(wanted);
}

void Batch::Encode(std::shared_ptr<const Snapshot> snapshot) {
  const SteadyTime start = clock_();
  snapshot_ = std::move(snapshot);
  AnswerUnwanted();
  for (Entry& entry : entries_) {
    if (snapshot_ == nullptr) {
      entry.result = absl::UnavailableError("no model serves yet");
      continue;
    }
    entry.result->snapshot = snapshot_;
    entry.result->queue_time = start - entry.since;
    report_.places += PlacesOf(entry.request);
  }
  if (const auto wanted = Computed(); !wanted.empty()) {
    const auto encoding = EncodeImages(wanted);
    if (encoding.ok()) {
      report_.images = encoding->embeddings.rows();
      report_.preprocess_time = encoding->preprocess_time;
      report_.encode_time = encoding->encode_time;
    }
    GiveRows(encoding, wanted);
  }
  for (Entry& entry : entries_) FreeImages(entry.request);
  encoded_ = clock_();
  report_.pace = encoded_ - start;
}

absl::StatusOr<Encoding> Batch::EncodeImages(absl::Span<Entry* const> entries) const {
  std::vector<EncoderInput> inputs;
  for (const Entry* entry : entries) AddInputs(entry->request, inputs);
  if (inputs.empty()) return Encoding();
  return snapshot_->encoder->Encode(inputs);
}

void Batch::GiveRows(const absl::StatusOr<Encoding>& encoding, absl::Span<Entry* const> entries) {
  int row = 0;
  for (Entry* entry : entries) {
    const int count = static_cast<int>(entry->request.images.size());
    if (encoding.ok()) {
      Encoding& own = entry->result->encoding;
      own.embeddings = Rows(encoding->embeddings, row, count);
      own.attributes = count == 0 ? EmbeddingMatrix() : Rows(encoding->attributes, row, count);
      own.preprocess_time = encoding->preprocess_time;
      own.encode_time = encoding->encode_time;
      row += count;
    } else if (entries.size() == 1) {
      entry->result = encoding.status();
    } else {
      auto own = EncodeImages({entry});
      if (own.ok()) {
        entry->result->encoding = *std::move(own);
      } else {
        entry->result = own.status();
      }
    }
  }
}

// Requests whose query this gallery can answer: one that it refuses would fail the search of the
// whole batch.
std::vector<Batch::Entry*> Batch::MakeQueries() {
  const GalleryView& gallery = *snapshot_->gallery;
  std::vector<Entry*> searching;
  for (Entry* entry : Computed()) {
    const BatchRequest& request = entry->request;
    if (!request.query) continue;
    absl::Status status = CheckWanted(request, clock_());
    if (status.ok()) status = gallery.CheckFilter(request.search.filter);
    if (!status.ok()) {
      entry->result = std::move(status);
      continue;
    }
    auto query = request.query(entry->result->encoding.embeddings, gallery);
    if (!query.ok()) {
      entry->result = query.status();
      continue;
    }
    S2P_CHECK(query->rows() == 1 && query->dimension() == gallery.dimension());
    entry->query = *std::move(query);
    searching.push_back(entry);
  }
  return searching;
}

absl::Status Batch::SearchFor(absl::Span<Entry* const> searching) const {
  const GalleryView& gallery = *snapshot_->gallery;
  EmbeddingMatrix queries(static_cast<int>(searching.size()), gallery.dimension());
  std::vector<GallerySearchOptions> options;
  for (size_t i = 0; i < searching.size(); ++i) {
    const EmbeddingMatrix& query = searching[i]->query;
    std::copy_n(query.data(), query.dimension(), queries.row(static_cast<int>(i)).begin());
    options.push_back(searching[i]->request.search);
  }
  S2P_ASSIGN_OR_RETURN(auto matches, gallery.Search(queries, options));
  for (size_t i = 0; i < searching.size(); ++i) {
    searching[i]->result->matches = std::move(matches[i]);
  }
  return absl::OkStatus();
}

void Batch::Search() {
  const SteadyTime start = clock_();
  // The batch before this one may have kept it waiting.
  for (Entry* entry : Computed()) entry->result->queue_time += start - encoded_;
  if (snapshot_ == nullptr || snapshot_->gallery == nullptr) return;
  const std::vector<Entry*> searching = MakeQueries();
  if (searching.empty()) return;
  if (absl::Status status = SearchFor(searching); !status.ok()) {
    for (Entry* entry : searching) {
      if (searching.size() > 1) status = SearchFor({entry});
      if (!status.ok()) entry->result = status;
    }
  }
  report_.queries = static_cast<int>(searching.size());
  report_.search_time = clock_() - start;
  report_.pace = std::max(report_.pace, report_.search_time);
  for (Entry* entry : searching) {
    if (entry->result.ok()) entry->result->search_time = report_.search_time;
  }
}

void Batch::Answer() {
  for (Entry& entry : entries_) entry.request.done(std::move(entry.result));
}

}  // namespace s2p
