// Messages of the API as JSON: protobuf's standard mapping, in both directions.
#ifndef S2P_CLIENT_WEB_JSON_MESSAGE_H_
#define S2P_CLIENT_WEB_JSON_MESSAGE_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/web/exchange.h"

namespace s2p {

// A plain value.
struct JsonLimits {
  size_t max_depth = 32;
  // Elements of one array, or members of one object.
  size_t max_elements = 100'000;
  // Values in all: a message of many small ones takes a hundred times the memory of its text.
  size_t max_values = 1'000'000;
};

// Counts what a text holds before it is turned into a message, in one pass and without memory of
// its own. InvalidArgument names the field: "examples[0].strokes.strokes: more than 100000
// elements". `values` gets the number of values. A text that is no JSON may pass, but not one with
// single quotes or with keys without quotes: protobuf's parser takes both, and a quote of the other
// kind within such a string would hide what follows from the count.
absl::Status CheckJsonSize(absl::string_view json, const JsonLimits& limits, size_t* values);

// Reads the RPC's request from the JSON of the body, or of the URL's parameter `request` for a GET;
// without either, it is the empty message. Drops a leading byte order mark. InvalidArgument for
// text that is not UTF-8 or not a valid message, for unknown fields, and beyond JsonLimits;
// OutOfRange if the message alone would take more memory than there is for all; Unavailable if
// those of other requests take it now.
absl::Status ReadRequest(Exchange& exchange, google::protobuf::Message& request);

// Includes fields with default values.
void AnswerJson(Exchange& exchange, const google::protobuf::Message& message);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_JSON_MESSAGE_H_
