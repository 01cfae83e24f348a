// Return early with the error of a call, in one line.
//
//   S2P_RETURN_IF_ERROR(file.Sync());
//   S2P_ASSIGN_OR_RETURN(const Image image, DecodeImage(bytes));
//   S2P_ASSIGN_OR_RETURN(index_, LoadIndex(path));
//
// Both return from the enclosing function, which returns absl::Status or absl::StatusOr. The second
// declares or assigns its first argument; a type with a comma outside parentheses needs an alias or
// auto. S2P_ASSIGN_OR_RETURN is several statements, so an if or a loop around it needs braces.
#ifndef S2P_BASE_STATUS_MACROS_H_
#define S2P_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define S2P_RETURN_IF_ERROR(...)                                     \
  do {                                                               \
    if (absl::Status s2p_status = (__VA_ARGS__); !s2p_status.ok()) { \
      return s2p_status;                                             \
    }                                                                \
  } while (false)

#define S2P_ASSIGN_OR_RETURN(target, ...) \
  S2P_ASSIGN_OR_RETURN_INTO_(S2P_CONCATENATE_(s2p_result_, __LINE__), target, __VA_ARGS__)

#define S2P_ASSIGN_OR_RETURN_INTO_(result, target, ...) \
  auto result = (__VA_ARGS__);                          \
  if (!result.ok()) return std::move(result).status();  \
  target = *std::move(result)

#define S2P_CONCATENATE_(left, right) S2P_CONCATENATE_EXPANDED_(left, right)
#define S2P_CONCATENATE_EXPANDED_(left, right) left##right

#endif  // S2P_BASE_STATUS_MACROS_H_
