// Messages of the API as JSON: protobuf's standard mapping, in both directions.
#ifndef S2P_CLIENT_WEB_JSON_MESSAGE_H_
#define S2P_CLIENT_WEB_JSON_MESSAGE_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "client/web/exchange.h"

namespace s2p {

// Reads the RPC's request from the JSON of the body, or of the URL's parameter `request` for a GET;
// without either, it is the empty message. Drops a leading byte order mark. InvalidArgument for
// text that is not UTF-8 or not a valid message, and for unknown fields.
absl::Status ReadRequest(const Exchange& exchange, google::protobuf::Message& request);

// Includes fields with default values.
void AnswerJson(Exchange& exchange, const google::protobuf::Message& message);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_JSON_MESSAGE_H_
