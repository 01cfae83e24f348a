// The SHA-256 digest of bytes that come in pieces.
#ifndef S2P_MODEL_SHA256_STREAM_H_
#define S2P_MODEL_SHA256_STREAM_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace s2p {

// Any number of Add, then Hex once. Thread-compatible.
class Sha256Stream {
 public:
  Sha256Stream();
  void Add(absl::string_view bytes);
  // 64 lower-case hex digits.
  std::string Hex();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

}  // namespace s2p

#endif  // S2P_MODEL_SHA256_STREAM_H_
