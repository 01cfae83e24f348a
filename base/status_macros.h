// Returning early with the error of a call, in one line.
//
//   S2P_RETURN_IF_ERROR(file.Sync());
//   S2P_ASSIGN_OR_RETURN(const Image image, DecodeImage(bytes));
//   S2P_ASSIGN_OR_RETURN(index_, LoadIndex(path));
//
// Both return from the enclosing function, which returns absl::Status or absl::StatusOr. The second
// declares or assigns its first argument; a type with a comma outside parentheses needs an alias or
// auto. Neither is one statement, so an if or a loop around it needs braces.
#ifndef S2P_BASE_STATUS_MACROS_H_
#define S2P_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define S2P_RETURN_IF_ERROR(...) \
  S2P_RETURN_IF_ERROR_IN_(S2P_CONCATENATE_(s2p_status_, __COUNTER__), __VA_ARGS__)

#define S2P_ASSIGN_OR_RETURN(target, ...) \
  S2P_ASSIGN_OR_RETURN_IN_(S2P_CONCATENATE_(s2p_result_, __COUNTER__), target, __VA_ARGS__)

// The names are unique because a lambda in the expression may use the macros too.
#define S2P_RETURN_IF_ERROR_IN_(status, ...)                              \
  do {                                                                    \
    if (absl::Status status = (__VA_ARGS__); !status.ok()) return status; \
  } while (false)

#define S2P_ASSIGN_OR_RETURN_IN_(result, target, ...)  \
  auto result = (__VA_ARGS__);                         \
  if (!result.ok()) return std::move(result).status(); \
  target = *std::move(result)

#define S2P_CONCATENATE_(left, right) S2P_CONCATENATE_EXPANDED_(left, right)
#define S2P_CONCATENATE_EXPANDED_(left, right) left##right

#endif  // S2P_BASE_STATUS_MACROS_H_
