// Errors for a browser: an HTTP status, and a sentence that a person understands.
#ifndef S2P_CLIENT_WEB_HTTP_ERROR_H_
#define S2P_CLIENT_WEB_HTTP_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// The error for an upload or a request beyond the gateway's own limit: OutOfRange, which becomes
// 413.
absl::Status TooLargeError(absl::string_view message);

// Turns the server's InvalidArgument for a message or an image beyond its limit into a
// TooLargeError with the same message, since sending it again does not help. Returns any other
// status unchanged.
absl::Status WithServerLimits(const absl::Status& status);

// google.rpc.Code's mapping to HTTP, and 413 for OutOfRange.
int HttpStatus(absl::StatusCode code);

// The problem and its remedy, for the people who draw or manage the gallery.
std::string Sentence(const absl::Status& status);

// The sentence as a page, for a person who opened an invalid address.
std::string ErrorPage(const absl::Status& status);

// {"error":{"code":"INVALID_ARGUMENT","message":…,"sentence":…,"requestId":…}}; the message is the
// server's.
std::string ErrorBody(const absl::Status& status, absl::string_view request_id);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_HTTP_ERROR_H_
