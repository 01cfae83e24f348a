// What a call was, for the log: told once, when it ends.
#ifndef S2P_RPC_CALL_RECORD_H_
#define S2P_RPC_CALL_RECORD_H_

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace s2p {

// Of a search; what it did not come to is zero.
struct SearchRecord {
  // Preprocess, encode and search are the whole batch's. Of a search that failed, queue is all that
  // came after decode.
  absl::Duration decode, queue, preprocess, encode, search;
  int images = 0;
  int top_k = 0;
  bool filtered = false;
  int64_t model_version = 0;
};

struct CallRecord {
  // The RPC's name: "Search".
  const char* method = "";
  absl::Time begin;
  // It lasts as long as its client likes: never slow.
  bool is_stream = false;
  std::optional<SearchRecord> search;
};

}  // namespace s2p

#endif  // S2P_RPC_CALL_RECORD_H_
