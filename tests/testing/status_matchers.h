// Matchers for absl::Status, absl::StatusOr and grpc::Status, as newer versions of Abseil have
// them:
//
//   EXPECT_THAT(store.Latest(), IsOk());
//   EXPECT_THAT(store.Open(7), StatusIs(absl::StatusCode::kNotFound, HasSubstr("version 7")));
#ifndef S2P_TESTS_TESTING_STATUS_MATCHERS_H_
#define S2P_TESTS_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>

#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace s2p::test {

inline absl::Status ToStatus(const absl::Status& status) { return status; }

template <typename T>
absl::Status ToStatus(const absl::StatusOr<T>& result) {
  return result.status();
}

// For grpc::Status, whose header need not be included here.
template <typename GrpcStatus>
auto ToStatus(const GrpcStatus& status)
    -> decltype(absl::Status(absl::StatusCode::kOk, status.error_message())) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
}

MATCHER(IsOk, negation ? "is an error" : "is OK") {
  const absl::Status status = ToStatus(arg);
  *result_listener << status.ToString();
  return status.ok();
}

MATCHER_P2(StatusIs, code, message,
           std::string("has code ") + absl::StatusCodeToString(code) + " and a message that " +
               ::testing::DescribeMatcher<std::string>(message)) {
  const absl::Status status = ToStatus(arg);
  *result_listener << status.ToString();
  return status.code() == code && ::testing::Matches(message)(std::string(status.message()));
}

MATCHER_P(StatusIs, code, std::string("has code ") + absl::StatusCodeToString(code)) {
  const absl::Status status = ToStatus(arg);
  *result_listener << status.ToString();
  return status.code() == code;
}

}  // namespace s2p::test

#endif  // S2P_TESTS_TESTING_STATUS_MATCHERS_H_
