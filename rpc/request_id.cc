#include "rpc/request_id.h"

#include <random>

#include "absl/strings/str_format.h"

namespace s2p {
namespace {

uint64_t Random() {
  // Ids need not be secret, only unlikely to repeat.
  thread_local std::mt19937_64 generator = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return generator();
}

}  // namespace

bool IsRequestId(absl::string_view text) {
  if (text.empty() || text.size() > kMaxRequestIdBytes) return false;
  for (char c : text) {
    if (c <= ' ' || c > '~') return false;
  }
  return true;
}

std::string RequestIdOr(absl::string_view sent) {
  if (IsRequestId(sent)) return std::string(sent);
  return absl::StrFormat("%016x%016x", Random(), Random());
}

std::string RequestIdOf(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  const auto sent = metadata.find(kRequestIdKey);
  if (sent == metadata.end()) return RequestIdOr("");
  return RequestIdOr(absl::string_view(sent->second.data(), sent->second.size()));
}

}  // namespace s2p
