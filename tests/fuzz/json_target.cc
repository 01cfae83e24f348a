#include <memory>
#include <string>

#include "base/check.h"
#include "client/web/exchange.h"
#include "client/web/http_error.h"
#include "client/web/json_message.h"
#include "s2p/v1/gallery.pb.h"
#include "s2p/v1/model.pb.h"
#include "s2p/v1/search.pb.h"
#include "s2p/v1/training.pb.h"
#include "tests/fuzz/targets.h"

namespace s2p::fuzz {
namespace {

constexpr uint64_t kMessageBytes = uint64_t{64} << 20;

std::unique_ptr<google::protobuf::Message> RequestNumber(unsigned char number) {
  switch (number % 6) {
    case 0:
      return std::make_unique<v1::SearchRequest>();
    case 1:
      return std::make_unique<v1::ListPhotosRequest>();
    case 2:
      return std::make_unique<v1::DeletePhotosRequest>();
    case 3:
      return std::make_unique<v1::AddPhotoRequest>();
    case 4:
      return std::make_unique<v1::SubmitJobRequest>();
    default:
      return std::make_unique<v1::UpdatePhotoMetadataRequest>();
  }
}

}  // namespace

void Json(absl::string_view bytes) {
  if (bytes.empty()) return;
  HttpRequest http_request;
  http_request.method = "POST";
  http_request.body = std::string(bytes.substr(1));
  MemoryLimit memory(kMessageBytes);
  Exchange exchange{http_request, {}, "id", absl::Seconds(1), MemoryLimit::Share(&memory)};
  const auto request = RequestNumber(static_cast<unsigned char>(bytes[0]));
  const absl::Status status = ReadRequest(exchange, *request);
  if (!status.ok()) {
    const int code = HttpStatus(status.code());
    S2P_CHECK(code == 400 || code == 503);
    S2P_CHECK(!ErrorBody(status, exchange.request_id).empty());
    return;
  }
  AnswerJson(exchange, *request);
  S2P_CHECK(!exchange.response.body.empty());
}

}  // namespace s2p::fuzz
