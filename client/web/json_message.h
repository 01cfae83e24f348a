// Messages of the API as JSON: protobuf's standard mapping, both ways.
#ifndef S2P_CLIENT_WEB_JSON_MESSAGE_H_
#define S2P_CLIENT_WEB_JSON_MESSAGE_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "client/web/exchange.h"

namespace s2p {

// The RPC's request: a body's JSON, or that of the URL's parameter `request` of a GET; without
// either, the empty message. A byte order mark before it is dropped. InvalidArgument for what is
// not UTF-8, and for what is no such message, unknown fields included.
absl::Status ReadRequest(const Exchange& exchange, google::protobuf::Message& request);

// With default values.
void AnswerJson(Exchange& exchange, const google::protobuf::Message& message);

}  // namespace s2p

#endif  // S2P_CLIENT_WEB_JSON_MESSAGE_H_
