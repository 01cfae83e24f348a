#include "client/web/http_error.h"

#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "daemon/retry_after.h"

namespace s2p {
namespace {

std::string CodeOf(absl::StatusCode code) { return absl::StatusCodeToString(code); }

// The problem of a picture in a message such as "examples[0].image: not a JPEG", without the name
// of the field; empty for other messages.
absl::string_view FaultOfPicture(absl::string_view message) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(message, absl::MaxSplits(": ", 1));
  return absl::EndsWith(parts.first, "image") ? parts.second : absl::string_view();
}

std::string InvalidSentence(absl::string_view message) {
  const absl::string_view fault = FaultOfPicture(message);
  if (!fault.empty()) {
    // Servers of this version say it themselves.
    const bool is_foreign =
        absl::StartsWith(fault, "not a JPEG") && !absl::StrContains(fault, "save it as");
    return absl::StrCat("This picture cannot be used: ", fault, ".",
                        is_foreign ? " Use a JPEG, PNG or WebP file." : "");
  }
  // The rest is the JSON reader's message, which is for programmers.
  if (absl::StartsWith(message, "the request is not JSON")) {
    return "The server does not understand this request. If a page sent it, reload the page: it "
           "may be older than the server.";
  }
  return absl::StrCat("That cannot be done: ", message, ".");
}

std::string UnavailableSentence(absl::string_view message) {
  if (absl::StrContains(message, "no model serves")) {
    return "There is no model yet. Results will appear as soon as one is published.";
  }
  if (absl::StrContains(message, "too many"))
    return absl::StrCat("This page is busy: ", message, ".");
  return "The server is not responding at the moment.";
}

}  // namespace

absl::Status TooLargeError(absl::string_view message) { return absl::OutOfRangeError(message); }

absl::Status WithServerLimits(const absl::Status& status) {
  if (!absl::IsInvalidArgument(status)) return status;
  const absl::string_view message = status.message();
  const absl::string_view fault = FaultOfPicture(message);
  // The message of FromGrpc for a large message, and the server's for a large image.
  const bool is_too_large =
      absl::StrContains(message, "the server takes at most") ||
      (absl::StartsWith(fault, "the image has ") && absl::StrContains(fault, " bytes; at most "));
  return is_too_large ? TooLargeError(message) : status;
}

int HttpStatus(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return 409;
    case absl::StatusCode::kOutOfRange:
      return 413;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kCancelled:
      return 499;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

std::string Sentence(const absl::Status& status) {
  const absl::string_view message = status.message();
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
      return InvalidSentence(message);
    case absl::StatusCode::kUnauthenticated:
      return "Only an operator may do this: log in first.";
    case absl::StatusCode::kPermissionDenied:
      return absl::StrCat("This is not allowed: ", message, ".");
    case absl::StatusCode::kNotFound:
      return absl::StrCat("That does not exist, or no longer does: ", message, ".");
    case absl::StatusCode::kAlreadyExists:
      return absl::StrCat("That already exists: ", message, ". Replace it, or choose another id.");
    case absl::StatusCode::kOutOfRange:
      return absl::StrCat("That is too large: ",
                          FaultOfPicture(message).empty() ? message : FaultOfPicture(message), ".");
    case absl::StatusCode::kResourceExhausted:
      return RetryAfter(status).has_value()
                 ? "The server is busy. Try again in a moment."
                 : absl::StrCat("The server has no room left: ", message, ".");
    case absl::StatusCode::kUnavailable:
      return UnavailableSentence(message);
    case absl::StatusCode::kDeadlineExceeded:
      return "The server took too long. Try again; if that does not help, it is overloaded.";
    case absl::StatusCode::kDataLoss:
      return absl::StrCat("A stored file is damaged: ", message, ". An operator must look at it.");
    default:
      return absl::StrCat("Something went wrong on the server: ", message, ".");
  }
}

std::string ErrorPage(const absl::Status& status) {
  std::string sentence = Sentence(status);
  if (absl::IsNotFound(status)) sentence = "There is no such page here.";
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Sketch to "
      "photo</title>\n<p>",
      absl::StrReplaceAll(sentence, {{"&", "&amp;"}, {"<", "&lt;"}, {"\"", "&quot;"}}),
      "</p>\n<p><a href=\"/\">Go to the search page</a></p></html>\n");
}

std::string ErrorBody(const absl::Status& status, absl::string_view request_id) {
  const nlohmann::json body = {{"error",
                                {{"code", CodeOf(status.code())},
                                 {"message", std::string(status.message())},
                                 {"sentence", Sentence(status)},
                                 {"requestId", std::string(request_id)}}}};
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace s2p
