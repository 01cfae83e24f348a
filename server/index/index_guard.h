// Turns FAISS's exceptions into statuses. For the files of this room only.
#ifndef S2P_SERVER_INDEX_INDEX_GUARD_H_
#define S2P_SERVER_INDEX_INDEX_GUARD_H_

#include <cstdint>
#include <exception>
#include <functional>
#include <new>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/index/index.h"

namespace s2p {

// Sets FAISS's globals in the first call, which must come before any search: searches read them
// without a lock. Thread-safe.
void PrepareFaiss();

// During its life, FAISS ends training and searching on this thread with an exception as soon as
// `interrupted` (borrowed; empty: never) returns true. Requires PrepareFaiss. One thread only.
class FaissInterrupt {
 public:
  explicit FaissInterrupt(const std::function<bool()>& interrupted);
  ~FaissInterrupt();
  FaissInterrupt(const FaissInterrupt&) = delete;
  FaissInterrupt& operator=(const FaissInterrupt&) = delete;
};

// Runs `work` and turns its exceptions into a status, so that none leaves the index.
template <typename Work>
absl::Status GuardIndex(const char* what, const Work& work) {
  try {
    work();
    return absl::OkStatus();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(what, ": out of memory"));
  } catch (const std::exception& e) {
    return absl::InternalError(absl::StrCat(what, ": ", e.what()));
  }
}

// Converts FAISS's answer to n queries, with k places each. FAISS fills unused places with -1.
inline std::vector<std::vector<IndexMatch>> IndexMatchesOf(const std::vector<float>& scores,
                                                           const std::vector<int64_t>& rows,
                                                           size_t queries) {
  std::vector<std::vector<IndexMatch>> matches(queries);
  const size_t k = queries == 0 ? 0 : rows.size() / queries;
  for (size_t i = 0; i < queries; ++i) {
    matches[i].reserve(k);
    for (size_t j = i * k; j < (i + 1) * k && rows[j] >= 0; ++j) {
      matches[i].push_back({rows[j], scores[j]});
    }
  }
  return matches;
}

}  // namespace s2p

#endif  // S2P_SERVER_INDEX_INDEX_GUARD_H_
