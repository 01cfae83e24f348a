#include "daemon/http/http_connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "daemon/http/gzip.h"

namespace s2p {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr size_t kHeadReadBytes = size_t{2} << 10;
constexpr size_t kBodyReadBytes = size_t{32} << 10;
// Bytes of later requests that are read while an answer is made.
constexpr size_t kMaxAheadBytes = size_t{16} << 10;
// The line before a chunk, with its extensions, and the trailer after the last one.
constexpr size_t kMaxChunkLineBytes = size_t{8} << 10;
constexpr int kMaxRequests = 1000;
// A client that still sends a refused body sees the answer only if somebody reads the rest.
constexpr uint64_t kMaxDiscardedBytes = uint64_t{64} << 20;
// For the other end to close, after everything has been said.
constexpr absl::Duration kCloseDeadline = absl::Seconds(2);
// Smaller bodies do not become smaller.
constexpr size_t kMinGzipBytes = 256;
// Answers of this size need no room among the bodies: even if others hold all of it, a probe is
// answered.
constexpr size_t kSmallAnswerBytes = 16 << 10;
constexpr char kCrowded[] = "too many requests with large bodies arrive at the moment";
constexpr char kLineEnd[] = "\r\n";
constexpr char kLastChunk[] = "0\r\n\r\n";
constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";

// The bytes that an answer, or a piece of one, counts as among the bodies.
uint64_t CountedBytes(const std::string& body) {
  return body.size() <= kSmallAnswerBytes ? 0 : body.size();
}

asio::const_buffer BufferOf(absl::string_view text) { return {text.data(), text.size()}; }

template <typename StringView>
std::string Text(StringView text) {
  return std::string(text.data(), text.size());
}

bool IsCompressed(const HttpRequest& request) {
  const absl::string_view encoding = request.Header("Content-Encoding");
  return absl::EqualsIgnoreCase(encoding, "gzip") || absl::EqualsIgnoreCase(encoding, "x-gzip") ||
         absl::EqualsIgnoreCase(encoding, "deflate");
}

bool IsKnownEncoding(const HttpRequest& request) {
  const absl::string_view encoding = request.Header("Content-Encoding");
  return encoding.empty() || absl::EqualsIgnoreCase(encoding, "identity") || IsCompressed(request);
}

bool HasNoBody(int status) { return status < 200 || status == 204 || status == 304; }

// Text, of which there is enough, for a client that takes gzip and does not refuse it by "q=0".
void Compress(const HttpRequest& request, HttpResponse& response) {
  const absl::string_view type = response.Header("Content-Type");
  const bool is_text = absl::StartsWith(type, "text/") ||
                       absl::StartsWith(type, "application/json") ||
                       absl::StartsWith(type, "image/svg");
  if (!is_text || response.source != nullptr || HasNoBody(response.status)) return;
  response.AddHeader("Vary", "Accept-Encoding");
  const absl::string_view accepted = request.Header("Accept-Encoding");
  const size_t found = accepted.find("gzip");
  if (found == absl::string_view::npos || response.body.size() < kMinGzipBytes ||
      absl::StartsWith(accepted.substr(found), "gzip;q=0")) {
    return;
  }
  response.body = Gzip(response.body);
  response.SetHeader("Content-Encoding", "gzip");
}

// Keeps a value from ending its header.
std::string OneLine(std::string value) {
  std::replace_if(
      value.begin(), value.end(),
      [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }, ' ');
  return value;
}

}  // namespace

HttpConnection::HttpConnection(Host& host, asio::io_context& io, std::unique_ptr<HttpWire> wire,
                               std::string remote_address, std::shared_ptr<MemoryLimit> memory)
    : host_(host),
      wire_(std::move(wire)),
      remote_address_(std::move(remote_address)),
      deadline_(io),
      memory_(std::move(memory)),
      share_(memory_.get()) {}

// ---- Deadlines.

void HttpConnection::SetDeadline(absl::Duration after) {
  deadline_.expires_after(absl::ToChronoNanoseconds(after));
  deadline_.async_wait([weak = weak_from_this(), number = ++deadline_number_](error_code error) {
    const auto self = weak.lock();
    if (!error && self != nullptr && self->deadline_number_ == number) self->OnDeadline();
  });
}

void HttpConnection::CancelDeadline() {
  // One that has passed already, but was not run yet, must not run either.
  ++deadline_number_;
  deadline_.cancel();
}

void HttpConnection::OnDeadline() {
  const bool has_begun = scanner_.has_value() && scanner_->length() > 0;
  if (state_ == State::kBody || (state_ == State::kHead && has_begun)) {
    Refuse(408, "the request took too long to arrive");
  } else if (state_ != State::kAnswering) {
    Close(/*abruptly=*/state_ == State::kStreaming || state_ == State::kWriting);
  }
}

absl::Duration HttpConnection::TransferTime(uint64_t bytes) const {
  const HttpServerOptions& options = host_.options();
  return options.transfer_deadline +
         absl::Seconds(bytes / std::max<uint64_t>(1, options.min_bytes_per_second));
}

// ---- Reading.

void HttpConnection::StartRead(size_t bytes) {
  if (reading_ || at_end_) return;
  reading_ = true;
  incoming_.resize(bytes);
  wire_->Read(asio::buffer(incoming_), [self = shared_from_this()](error_code error, size_t count) {
    self->OnRead(error, count);
  });
}

void HttpConnection::WatchForEnd() {
  if (buffer_.size() < kMaxAheadBytes) StartRead(kHeadReadBytes);
}

void HttpConnection::OnRead(const error_code& error, size_t bytes) {
  reading_ = false;
  if (state_ == State::kClosed) return;
  if (error) {
    at_end_ = true;
    *gone_ = true;
    OnEnd();
    return;
  }
  if (state_ == State::kDiscarding) {
    discarded_bytes_ += bytes;
    if (discarded_bytes_ > kMaxDiscardedBytes) return Close();
    return StartRead(kBodyReadBytes);
  }
  buffer_.append(incoming_, 0, bytes);
  if (state_ == State::kHead) return AdvanceHead();
  if (state_ == State::kBody) return AdvanceBody();
  WatchForEnd();
}

void HttpConnection::OnEnd() {
  switch (state_) {
    case State::kBody:
      host_.handler().Record(*request_, 499);
      return Close();
    case State::kAnswering:
    case State::kWriting:
      return;
    case State::kStreaming:
      return Close(/*abruptly=*/true);
    default:
      return Close();
  }
}

void HttpConnection::Start() {
  gone_ = std::make_shared<std::atomic<bool>>(false);
  host_.SetWaiting(*this, Wait::kHead);
  SetDeadline(host_.options().head_deadline);
  wire_->Handshake([self = shared_from_this()](error_code error) {
    if (self->state_ == State::kClosed) return;
    if (error) return self->Close();
    self->BeginHead();
  });
}

void HttpConnection::BeginHead() {
  state_ = State::kHead;
  scanner_.emplace(host_.options().head);
  parser_.reset();
  gone_ = std::make_shared<std::atomic<bool>>(at_end_);
  request_ = std::make_shared<HttpRequest>();
  request_->remote_address = remote_address_;
  request_->over_tls = wire_->is_tls();
  request_->gone = gone_;
  admission_ = HttpAdmission();
  keep_alive_ = false;
  input_left_ = false;
  // The first request's deadline runs from the connection.
  if (requests_++ > 0) {
    host_.SetWaiting(*this, Wait::kHead);
    SetDeadline(host_.options().idle_deadline);
  }
  AdvanceHead();
}

void HttpConnection::AdvanceHead() {
  const size_t before = scanner_->length();
  if (requests_ > 1 && before == 0 && !buffer_.empty()) SetDeadline(host_.options().head_deadline);
  switch (scanner_->Scan(absl::string_view(buffer_).substr(before))) {
    case HttpHeadScanner::Progress::kComplete:
      return OnHead();
    case HttpHeadScanner::Progress::kRefused:
      return Refuse(scanner_->status(), scanner_->message());
    case HttpHeadScanner::Progress::kMore:
      return at_end_ ? Close() : StartRead(kHeadReadBytes);
  }
}

absl::Status HttpConnection::ReadHead() {
  absl::string_view head = absl::string_view(buffer_).substr(0, scanner_->length());
  absl::ConsumePrefix(&head, kLineEnd);
  parser_.emplace();
  parser_->header_limit(std::numeric_limits<uint32_t>::max());
  // The body is measured against the admission.
  parser_->body_limit(std::numeric_limits<uint64_t>::max());
  error_code error;
  parser_->put(BufferOf(head), error);
  buffer_.erase(0, scanner_->length());
  if (!parser_->is_header_done()) return absl::InvalidArgumentError("this is not HTTP/1.1");
  parser_->eager(true);
  const auto& message = parser_->get();
  request_->method = Text(message.method_string());
  request_->SetTarget(Text(message.target()));
  for (const auto& field : message) {
    request_->headers.emplace_back(Text(field.name_string()), Text(field.value()));
  }
  // Each of these is read differently by different proxies, which is how requests are smuggled.
  const absl::string_view length = request_->Header("Content-Length");
  if (!std::all_of(length.begin(), length.end(), absl::ascii_isdigit)) {
    return absl::InvalidArgumentError("the body's length is not a number");
  }
  const absl::string_view coding = request_->Header("Transfer-Encoding");
  const size_t codings = request_->CountHeaders("Transfer-Encoding");
  const size_t lengths = request_->CountHeaders("Content-Length");
  if (codings + lengths > 1) return absl::InvalidArgumentError("the body has two lengths");
  if (request_->CountHeaders("Host") > 1) {
    return absl::InvalidArgumentError("the header Host is given more than once");
  }
  if (codings == 1 && (message.version() < 11 || !absl::EqualsIgnoreCase(coding, "chunked"))) {
    return absl::UnimplementedError("the only Transfer-Encoding is chunked");
  }
  return absl::OkStatus();
}

bool HttpConnection::HasBody() const {
  return parser_->chunked() || parser_->content_length().value_or(0) > 0;
}

void HttpConnection::OnHead() {
  host_.SetWaiting(*this, Wait::kNothing);
  const absl::Status status = ReadHead();
  if (!status.ok()) return Refuse(absl::IsUnimplemented(status) ? 501 : 400, status.message());
  request_->arrived = std::chrono::steady_clock::now();
  keep_alive_ = parser_->keep_alive() && requests_ < kMaxRequests;
  admission_ = host_.handler().Admit(*request_);
  if (admission_.answer.has_value()) {
    if (HasBody()) {
      keep_alive_ = false;
      input_left_ = true;
    }
    Compress(*request_, *admission_.answer);
    return Send(*std::move(admission_.answer));
  }
  OnAdmitted();
}

void HttpConnection::OnAdmitted() {
  if (!HasBody()) return Dispatch();
  if (!IsKnownEncoding(*request_)) return Refuse(415, "the only Content-Encoding is gzip");
  if (parser_->content_length().value_or(0) > admission_.max_body_bytes) {
    return Refuse(413,
                  absl::StrCat("the body has more than ", admission_.max_body_bytes, " bytes"));
  }
  if (!buffer_.empty() || !absl::EqualsIgnoreCase(request_->Header("Expect"), "100-continue")) {
    return BeginBody();
  }
  state_ = State::kWriting;
  Write({BufferOf(kContinue)}, sizeof(kContinue), [this] { BeginBody(); });
}

void HttpConnection::BeginBody() {
  if (at_end_) {
    state_ = State::kBody;
    return OnEnd();
  }
  state_ = State::kBody;
  host_.SetWaiting(*this, Wait::kBody);
  SetDeadline(TransferTime(parser_->content_length().value_or(admission_.max_body_bytes)));
  AdvanceBody();
}

void HttpConnection::AdvanceBody() {
  if (!TakeBodyBytes()) return;
  if (parser_->is_done()) return Dispatch();
  StartRead(kBodyReadBytes);
}

bool HttpConnection::TakeBodyBytes() {
  while (!buffer_.empty() && !parser_->is_done()) {
    error_code error;
    const size_t used = parser_->put(BufferOf(buffer_), error);
    buffer_.erase(0, used);
    const bool needs_more = error == http::error::need_more;
    if ((error && !needs_more) ||
        (needs_more && used == 0 && buffer_.size() > kMaxChunkLineBytes)) {
      Refuse(400, "the chunks of the body cannot be read");
      return false;
    }
    const uint64_t size = parser_->get().body().size();
    if (size > admission_.max_body_bytes) {
      Refuse(413, absl::StrCat("the body has more than ", admission_.max_body_bytes, " bytes"));
      return false;
    }
    if (!share_.Hold(size)) {
      Refuse(503, kCrowded);
      return false;
    }
    if (needs_more && used == 0) break;
  }
  return true;
}

// ---- Answering.

void HttpConnection::Dispatch() {
  CancelDeadline();
  host_.SetWaiting(*this, Wait::kNothing);
  state_ = State::kAnswering;
  request_->body = std::move(parser_->get().body());
  const bool accepted = host_.Submit(admission_.caller, [self = shared_from_this()] {
    const auto response = std::make_shared<HttpResponse>(self->MakeAnswer());
    self->host_.Post([self, response] { self->Send(std::move(*response)); });
  });
  if (!accepted) return Refuse(503, "too many requests wait at the moment");
  WatchForEnd();
}

HttpResponse HttpConnection::MakeAnswer() {
  HttpRequest& request = *request_;
  HttpHandler& handler = host_.handler();
  const auto refuse = [&](int status, absl::string_view message) {
    request.body = std::string();
    return handler.Refuse(request, status, message);
  };
  HttpResponse response;
  try {
    if (IsCompressed(request) && !request.body.empty()) {
      bool crowded = false;
      const auto has_room = [&](size_t bytes) {
        // The first step may be larger than the body.
        if (bytes > admission_.max_body_bytes + kBodyReadBytes * 2) return false;
        crowded = !share_.Hold(request.body.size() + bytes);
        return !crowded;
      };
      auto body = Gunzip(request.body, has_room);
      const bool too_large =
          body.ok() ? body->size() > admission_.max_body_bytes : absl::IsOutOfRange(body.status());
      if (crowded) return refuse(503, kCrowded);
      if (too_large) return refuse(413, "the decompressed body is too large");
      if (!body.ok()) return refuse(400, body.status().message());
      request.body = *std::move(body);
    }
    response = handler.Answer(request);
    Compress(request, response);
  } catch (...) {
    response = refuse(500, "the server failed");
  }
  // The memory is needed for others.
  request.body = std::string();
  return response;
}

void HttpConnection::Refuse(int status, absl::string_view message) {
  host_.SetWaiting(*this, Wait::kNothing);
  keep_alive_ = false;
  input_left_ = true;
  request_->body = std::string();
  HttpResponse response = host_.handler().Refuse(*request_, status, message);
  // The thing that the share stands for goes before it.
  parser_.reset();
  share_.Release();
  Send(std::move(response));
}

void HttpConnection::Send(HttpResponse response) {
  if (state_ == State::kClosed) {
    host_.handler().Record(*request_, response.status);
    if (response.source != nullptr) response.source->Cancel();
    share_.Release();
    return;
  }
  if (!share_.Hold(CountedBytes(response.body))) {
    response = host_.handler().Refuse(*request_, 503, "too many large answers are being sent");
    keep_alive_ = false;
    share_.Release();
  }
  host_.handler().Record(*request_, response.status);
  response_ = std::move(response);
  if (response_.source != nullptr) response_.body.clear();
  if (host_.stopping()) keep_alive_ = false;
  state_ = State::kWriting;
  const bool is_head = request_->method == "HEAD";
  chunked_answer_ = response_.source != nullptr && (!parser_ || parser_->get().version() >= 11);
  if (response_.source != nullptr && !chunked_answer_) keep_alive_ = false;
  head_ = HeadText();
  const absl::string_view body = is_head || HasNoBody(response_.status)
                                     ? absl::string_view()
                                     : absl::string_view(response_.body);
  Write({BufferOf(head_), BufferOf(body)}, head_.size() + body.size(), [this] { OnHeadSent(); });
  WatchForEnd();
}

std::string HttpConnection::HeadText() const {
  const auto reason =
      http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response_.status)));
  std::string head = absl::StrCat(
      "HTTP/1.1 ", response_.status, " ", Text(reason), kLineEnd,
      "Date: ", absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", absl::Now(), absl::UTCTimeZone()),
      kLineEnd);
  for (const auto& [name, value] : response_.headers) {
    absl::StrAppend(&head, name, ": ", OneLine(value), kLineEnd);
  }
  if (chunked_answer_) {
    absl::StrAppend(&head, "Transfer-Encoding: chunked", kLineEnd);
  } else if (response_.source == nullptr && !HasNoBody(response_.status)) {
    absl::StrAppend(&head, "Content-Length: ", response_.body.size(), kLineEnd);
  }
  absl::StrAppend(&head, "Connection: ", keep_alive_ ? "keep-alive" : "close", kLineEnd, kLineEnd);
  return head;
}

void HttpConnection::Write(std::vector<asio::const_buffer> buffers, uint64_t bytes,
                           std::function<void()> done) {
  SetDeadline(TransferTime(bytes));
  wire_->Write(std::move(buffers),
               [self = shared_from_this(), done = std::move(done)](error_code error, size_t) {
                 if (self->state_ == State::kClosed) return;
                 if (error) return self->Close(/*abruptly=*/true);
                 self->CancelDeadline();
                 done();
               });
}

void HttpConnection::OnHeadSent() {
  if (response_.source == nullptr) return EndResponse();
  if (request_->method == "HEAD") {
    response_.source->Cancel();
    return EndResponse();
  }
  state_ = State::kStreaming;
  ReadPiece();
}

void HttpConnection::ReadPiece() {
  if (at_end_ || host_.stopping()) return Close(/*abruptly=*/true);
  response_.source->Read(
      [weak = weak_from_this(), host = host_.self()](HttpBodySource::Piece piece) {
        const auto alive = host.lock();
        if (alive == nullptr) return;
        alive->Post([weak, piece = std::move(piece)] {
          const auto self = weak.lock();
          if (self != nullptr && self->state_ == State::kStreaming) self->OnPiece(piece);
        });
      });
}

void HttpConnection::OnPiece(HttpBodySource::Piece piece) {
  if (!piece.ok()) return Close(/*abruptly=*/true);
  const bool is_last = !piece->has_value();
  // An empty chunk would be the end.
  if (!is_last && (*piece)->empty()) return ReadPiece();
  if (is_last && !chunked_answer_) return EndResponse();
  piece_ = is_last ? std::string() : **std::move(piece);
  if (!share_.Hold(CountedBytes(piece_))) return Close(/*abruptly=*/true);
  head_ = is_last ? kLastChunk : absl::StrCat(absl::Hex(piece_.size()), kLineEnd);
  std::vector<asio::const_buffer> buffers;
  if (chunked_answer_) buffers.push_back(BufferOf(head_));
  if (!is_last) buffers.push_back(BufferOf(piece_));
  if (!is_last && chunked_answer_) buffers.push_back(BufferOf(kLineEnd));
  Write(std::move(buffers), piece_.size(), [this, is_last] { OnPieceSent(is_last); });
}

void HttpConnection::OnPieceSent(bool was_last) {
  piece_ = std::string();
  share_.Release();
  was_last ? EndResponse() : ReadPiece();
}

void HttpConnection::EndResponse() {
  response_ = HttpResponse();
  share_.Release();
  keep_alive_ && !host_.stopping() ? BeginHead() : Finish();
}

void HttpConnection::Finish() {
  if (at_end_) return Close();
  const bool discards = input_left_ || !buffer_.empty();
  state_ = State::kDiscarding;
  host_.SetWaiting(*this, Wait::kHead);
  buffer_.clear();
  if (!discards) {
    SetDeadline(kCloseDeadline);
    return wire_->EndSending([self = shared_from_this()] { self->Close(); });
  }
  SetDeadline(host_.options().idle_deadline);
  // Over TLS, saying the end while the other end still sends would break the connection.
  if (!wire_->is_tls()) wire_->EndSending([] {});
  StartRead(kBodyReadBytes);
}

void HttpConnection::EndSoon() {
  keep_alive_ = false;
  if (state_ != State::kAnswering && state_ != State::kWriting) {
    Close(/*abruptly=*/state_ == State::kStreaming);
  }
}

void HttpConnection::Close(bool abruptly) {
  if (state_ == State::kClosed) return;
  // The thread that makes the answer may be using the share.
  if (state_ != State::kAnswering) share_.Release();
  const auto self = shared_from_this();
  host_.SetWaiting(*this, Wait::kNothing);
  state_ = State::kClosed;
  *gone_ = true;
  CancelDeadline();
  if (response_.source != nullptr) response_.source->Cancel();
  response_ = HttpResponse();
  wire_->Close(abruptly);
  host_.Closed(*this);
}

}  // namespace s2p
