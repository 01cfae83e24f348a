// Errors as a browser gets them: an HTTP status, and a sentence that a person understands.
#ifndef S2P_CLIENT_WEB_HTTP_ERROR_H_
#define S2P_CLIENT_WEB_HTTP_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace s2p {

// An upload or a request beyond the gateway's own limit: OutOfRange, so that it becomes 413.
absl::Status TooLargeError(absl::string_view message);

// The server's InvalidArgument for a message or an image beyond its limit as a TooLargeError with
// the same words: it does not help to send it again. Any other status as it is.
absl::Status WithServerLimits(const absl::Status& status);

// google.rpc.Code's mapping to HTTP, and 413 for OutOfRange.
int HttpStatus(absl::StatusCode code);

// What is wrong and what to do, for who draws or looks after the gallery.
std::string Sentence(const absl::Status& status);

// The sentence as a page, for a person who opened an address of ours that shows nothing.
std::string ErrorPage(const absl::Status& status);

// {"error":{"code":"INVALID_ARGUMENT","message":…,"sentence":…,"requestId":…}}; the message is the
// server's.
std::string ErrorBody(const absl::Status& status, absl::string_view request_id);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_HTTP_ERROR_H_
