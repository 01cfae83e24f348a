#include "trainer/evaluation/ranker.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <type_traits>

namespace s2p {

GalleryIdentities::GalleryIdentities(const std::vector<std::string>& gallery)
    : of_row_(gallery.size()) {
  for (size_t row = 0; row < gallery.size(); ++row) {
    const auto number = static_cast<int>(numbers_.size());
    of_row_[row] = numbers_.emplace(gallery[row], number).first->second;
    if (of_row_[row] == number) rows_.emplace_back();
    rows_[static_cast<size_t>(of_row_[row])].push_back(static_cast<int>(row));
  }
}

int GalleryIdentities::NumberOf(const std::string& identity) const {
  const auto found = numbers_.find(identity);
  return found == numbers_.end() ? -1 : found->second;
}

absl::Span<const int> GalleryIdentities::RowsOf(int number) const {
  if (number < 0) return {};
  return rows_[static_cast<size_t>(number)];
}

BestRows::BestRows(int count, float error)
    : error_(error),
      best_(static_cast<size_t>(count), kLastScore),
      prune_at_(4 * static_cast<size_t>(count)) {}

void BestRows::Add(int row, float score) {
  if (!MayKeep(score)) return;
  rows_.emplace_back(score, row);
  if (score > best_.back()) {
    size_t at = best_.size() - 1;
    for (; at > 0 && best_[at - 1] < score; --at) best_[at] = best_[at - 1];
    best_[at] = score;
    least_ = best_.back() - 2 * error_;
  }
  if (rows_.size() >= prune_at_) Prune();
}

std::vector<int> BestRows::Rows() && {
  Prune();
  std::vector<int> rows;
  for (const auto& [score, row] : rows_) rows.push_back(row);
  return rows;
}

void BestRows::Prune() {
  rows_.erase(std::remove_if(rows_.begin(), rows_.end(),
                             [this](const auto& row) { return !MayKeep(row.first); }),
              rows_.end());
  prune_at_ = std::max(prune_at_, 2 * rows_.size());
}

class Ranker::Chunks {
 public:
  static constexpr size_t kChunk = 64;

  // Borrows `scores`, of which none may be NaN.
  Chunks(int begin, absl::Span<float> scores)
      : begin_(begin), scores_(scores), largest_((scores.size() + kChunk - 1) / kChunk) {
    for (size_t chunk = 0; chunk < largest_.size(); ++chunk) largest_[chunk] = Largest(chunk);
  }

  size_t size() const { return largest_.size(); }
  absl::Span<const float> scores(size_t chunk) const {
    return scores_.subspan(chunk * kChunk, kChunk);
  }
  // The row of the gallery that a chunk's first score belongs to.
  int FirstRow(size_t chunk) const { return begin_ + static_cast<int>(chunk * kChunk); }
  // No score of the chunk is larger, and one was as large before scores were left out.
  float Bound(size_t chunk) const { return largest_[chunk]; }

  // Leaves a row out of what follows, if it is here. Not a number is neither above nor below
  // anything.
  void LeaveOut(int row) {
    const int at = row - begin_;
    if (at < 0 || at >= static_cast<int>(scores_.size())) return;
    scores_[static_cast<size_t>(at)] = std::numeric_limits<float>::quiet_NaN();
  }

  // Calls `body` with the first score of a chunk and their number, which the compiler knows for all
  // chunks but the last: it vectorises a loop over them that has no branch.
  template <typename Body>
  void Visit(size_t chunk, const Body& body) const {
    const absl::Span<const float> in = scores(chunk);
    if (in.size() == kChunk) {
      body(in.data(), std::integral_constant<size_t, kChunk>());
    } else {
      body(in.data(), in.size());
    }
  }

 private:
  float Largest(size_t chunk) const {
    const absl::Span<const float> in = scores(chunk);
    if (in.size() < kChunk) return *std::max_element(in.begin(), in.end());
    constexpr size_t kLanes = 16;
    float lanes[kLanes];
    std::copy_n(in.data(), kLanes, lanes);
    for (size_t i = kLanes; i < kChunk; i += kLanes) {
      for (size_t j = 0; j < kLanes; ++j) {
        const float score = in[i + j];
        lanes[j] = score > lanes[j] ? score : lanes[j];
      }
    }
    return *std::max_element(std::begin(lanes), std::end(lanes));
  }

  const int begin_;
  const absl::Span<float> scores_;
  std::vector<float> largest_;
};

Ranker::Ranker(const GalleryIdentities& identities, int identity, float error, ExactScore exact)
    : identities_(identities),
      identity_(identity),
      error_(error),
      exact_(std::move(exact)),
      top_(kTopMatches, error),
      other_(1, error) {
  for (const int row : identities.RowsOf(identity)) matches_.push_back(exact_(row));
  std::sort(matches_.begin(), matches_.end(), std::greater<float>());
  as_high_.resize(matches_.size());
}

void Ranker::Add(int begin, absl::Span<float> scores) {
  Chunks chunks(begin, scores);
  AddTo(top_, chunks);
  if (matches_.empty()) return;
  for (const int row : identities_.RowsOf(identity_)) chunks.LeaveOut(row);
  for (size_t i = 0; i < matches_.size(); ++i) as_high_[i] += CountAsHigh(chunks, matches_[i]);
  AddTo(other_, chunks);
}

void Ranker::AddTo(BestRows& rows, const Chunks& chunks) {
  for (size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    if (!rows.MayKeep(chunks.Bound(chunk))) continue;
    int row = chunks.FirstRow(chunk);
    for (const float score : chunks.scores(chunk)) rows.Add(row++, score);
  }
}

int Ranker::CountAsHigh(const Chunks& chunks, float match) const {
  const float surely = match + error_, perhaps = match - error_;
  int count = 0;
  for (size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    if (!(chunks.Bound(chunk) >= perhaps)) continue;
    int sure = 0, possible = 0;
    chunks.Visit(chunk, [&](const float* in, auto length) {
      int above = 0, from = 0;
      for (size_t i = 0; i < length; ++i) {
        above += in[i] > surely ? 1 : 0;
        from += in[i] >= perhaps ? 1 : 0;
      }
      sure = above;
      possible = from;
    });
    count += sure;
    if (sure == possible) continue;
    int row = chunks.FirstRow(chunk);
    for (const float score : chunks.scores(chunk)) {
      if (score >= perhaps && score <= surely) count += exact_(row) >= match ? 1 : 0;
      ++row;
    }
  }
  return count;
}

QueryRanking Ranker::Finish() && {
  QueryRanking ranking;
  for (size_t i = 0; i < matches_.size(); ++i) {
    ranking.ranks.push_back(as_high_[i] + static_cast<int>(i) + 1);
  }
  if (!matches_.empty() && matches_.size() < static_cast<size_t>(identities_.rows())) {
    float other = kLastScore;
    for (const int row : std::move(other_).Rows()) other = std::max(other, exact_(row));
    // Two infinities have no difference.
    ranking.margin = std::isinf(matches_.front()) ? kLastScore : matches_.front() - other;
  }
  ranking.top = std::move(*this).Top();
  return ranking;
}

// Among equal scores the false one is first, then the lower row.
std::vector<int> Ranker::Top() && {
  std::vector<std::pair<float, int>> rows;
  for (const int row : std::move(top_).Rows()) rows.emplace_back(exact_(row), row);
  const auto kept = std::min<size_t>(kTopMatches, rows.size());
  std::partial_sort(rows.begin(), rows.begin() + static_cast<int64_t>(kept), rows.end(),
                    [this](const auto& a, const auto& b) {
                      if (a.first != b.first) return a.first > b.first;
                      const bool a_hits = identities_.OfRow(a.second) == identity_;
                      if (a_hits != (identities_.OfRow(b.second) == identity_)) return !a_hits;
                      return a.second < b.second;
                    });
  std::vector<int> top(kept);
  for (size_t i = 0; i < kept; ++i) top[i] = rows[i].second;
  return top;
}

}  // namespace s2p
