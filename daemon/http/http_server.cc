#include "daemon/http/http_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <iterator>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "daemon/http/answer_threads.h"
#include "daemon/http/client_address.h"
#include "daemon/http/http_connection.h"
#include "daemon/http/http_wire.h"

namespace s2p {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int kMaxThreads = 1024;
constexpr int kBacklog = 512;
// Open files besides connections: logs, RPCs, the gallery.
constexpr rlim_t kOtherFiles = 512;
// Before the next attempt when no file can be opened.
constexpr std::chrono::milliseconds kAcceptPause(50);

absl::Status CheckOptions(const HttpServerOptions& options) {
  if (options.threads < 1 || options.threads > kMaxThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("HTTP threads: ", options.threads, " is not between 1 and ", kMaxThreads));
  }
  if (options.max_connections < 1 || options.max_connections_per_address < 1) {
    return absl::InvalidArgumentError("HTTP connections: at least one must be allowed");
  }
  if (options.max_waiting < 0) {
    return absl::InvalidArgumentError("HTTP requests that wait: less than none");
  }
  return absl::OkStatus();
}

// Many systems start programs with 1,024 files, and let them have more.
void AllowFiles(rlim_t count) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= count) return;
  limit.rlim_cur = std::min(count, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

// "192.0.2.7" also for a client that reached an IPv6 socket over IPv4.
std::string NumberOf(const tcp::endpoint& endpoint) {
  asio::ip::address address = endpoint.address();
  if (address.is_v6()) {
    auto v6 = address.to_v6();
    if (v6.is_v4_mapped()) {
      return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string();
    }
    v6.scope_id(0);
    address = v6;
  }
  return address.to_string();
}

}  // namespace

struct HttpServer::Impl : HttpConnection::Host, std::enable_shared_from_this<HttpServer::Impl> {
  Impl(HttpServerOptions given, HttpHandler* handler)
      : options_(std::move(given)),
        handler_(*handler),
        budget_(options_.body_budget_bytes),
        acceptor_(io_),
        accept_timer_(io_),
        stop_timer_(io_),
        answers_(options_.threads, options_.max_waiting) {}

  absl::Status Open();
  void Run() {
    Accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  void Stop();

  const HttpServerOptions& options() const override { return options_; }
  HttpHandler& handler() override { return handler_; }
  bool stopping() const override { return stopping_; }
  bool Submit(const std::string& caller, std::function<void()> work) override {
    return answers_.Submit(caller, std::move(work));
  }
  void Post(std::function<void()> work) override { asio::post(io_, std::move(work)); }
  std::weak_ptr<Host> self() override { return weak_from_this(); }
  void SetWaiting(HttpConnection& connection, HttpConnection::Wait wait) override;
  void Closed(HttpConnection& connection) override;

  void Accept();
  void OnAccept(const error_code& error, tcp::socket socket);
  void Add(tcp::socket socket);
  // Closes the connection that has waited for its client for longest. False if none waits.
  bool MakeRoom();
  void BeginStop();
  void ForgetUnusedGroups();

  const HttpServerOptions options_;
  HttpHandler& handler_;
  ListenAddress address_;
  // Null for plain HTTP.
  std::unique_ptr<TlsFiles> tls_;
  MemoryLimit budget_;
  std::atomic<int> open_{0};
  std::once_flag stopped_;

  // The rest belongs to the network's thread.
  asio::io_context io_;
  tcp::acceptor acceptor_;
  asio::steady_timer accept_timer_;
  asio::steady_timer stop_timer_;
  bool stopping_ = false;
  struct Entry {
    std::shared_ptr<HttpConnection> connection;
    std::string group;
    HttpConnection::Wait wait = HttpConnection::Wait::kNothing;
    std::list<HttpConnection*>::iterator place;
  };
  std::unordered_map<HttpConnection*, Entry> connections_;
  // Those that wait for a head and for a body, oldest first.
  std::list<HttpConnection*> without_head_;
  std::list<HttpConnection*> without_body_;
  // Connections of one address group, or of all proxies together.
  struct Group {
    int connections = 0;
    std::shared_ptr<MemoryLimit> memory;
  };
  std::unordered_map<std::string, Group> by_group_;

  AnswerThreads answers_;
  std::thread thread_;
};

absl::Status HttpServer::Impl::Open() {
  S2P_ASSIGN_OR_RETURN(address_, ParseListenAddress(options_.listen));
  if (options_.tls.enabled()) {
    S2P_ASSIGN_OR_RETURN(
        tls_, WatchTlsFiles(options_.tls, options_.tls_reload_interval, options_.count_reload));
  }
  error_code error;
  tcp::resolver resolver(io_);
  const auto found =
      resolver.resolve(address_.host, absl::StrCat(address_.port), tcp::resolver::passive, error);
  const auto fail = [&] {
    return absl::UnavailableError(absl::StrCat(
        "cannot listen on ", address_.ToString(), " for HTTP: ",
        error == asio::error::address_in_use ? "another program has this port" : error.message()));
  };
  if (error) return fail();
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor_.open(endpoint.protocol(), error);
  // Lets a program start again at once, but never lets two have the port.
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(kBacklog, error);
  if (error) return fail();
  address_.port = acceptor_.local_endpoint().port();
  AllowFiles(static_cast<rlim_t>(options_.max_connections) + kOtherFiles);
  return absl::OkStatus();
}

void HttpServer::Impl::SetWaiting(HttpConnection& connection, HttpConnection::Wait wait) {
  const auto found = connections_.find(&connection);
  if (found == connections_.end() || found->second.wait == wait) return;
  Entry& entry = found->second;
  const auto list_of = [this](HttpConnection::Wait what) -> std::list<HttpConnection*>& {
    return what == HttpConnection::Wait::kHead ? without_head_ : without_body_;
  };
  if (entry.wait != HttpConnection::Wait::kNothing) list_of(entry.wait).erase(entry.place);
  entry.wait = wait;
  if (wait == HttpConnection::Wait::kNothing) return;
  std::list<HttpConnection*>& list = list_of(wait);
  entry.place = list.insert(list.end(), &connection);
}

void HttpServer::Impl::Closed(HttpConnection& connection) {
  const auto found = connections_.find(&connection);
  if (found == connections_.end()) return;
  const auto group = by_group_.find(found->second.group);
  if (group != by_group_.end()) --group->second.connections;
  connections_.erase(found);
  --open_;
  if (stopping_ && connections_.empty()) stop_timer_.cancel();
}

// An answer may be made for a client that has gone: until it is, its address has used that memory.
void HttpServer::Impl::ForgetUnusedGroups() {
  for (auto group = by_group_.begin(); group != by_group_.end();) {
    const bool unused = group->second.connections == 0 && group->second.memory->used() == 0;
    group = unused ? by_group_.erase(group) : std::next(group);
  }
}

void HttpServer::Impl::Accept() {
  acceptor_.async_accept(
      [this](error_code error, tcp::socket socket) { OnAccept(error, std::move(socket)); });
}

void HttpServer::Impl::OnAccept(const error_code& error, tcp::socket socket) {
  if (stopping_) return;
  if (!error) {
    Add(std::move(socket));
    return Accept();
  }
  // No file or no memory for it, or the client left the queue already.
  MakeRoom();
  accept_timer_.expires_after(kAcceptPause);
  accept_timer_.async_wait([this](error_code ended) {
    if (!ended && !stopping_) Accept();
  });
}

void HttpServer::Impl::Add(tcp::socket socket) {
  error_code error;
  const tcp::endpoint remote = socket.remote_endpoint(error);
  if (error) return;
  const std::string address = NumberOf(remote);
  std::string group = options_.is_proxy(address) ? std::string() : AddressGroup(address);
  ForgetUnusedGroups();
  Group& of_group = by_group_[group];
  if (!group.empty() && of_group.connections >= options_.max_connections_per_address) return;
  if (of_group.memory == nullptr) {
    of_group.memory = std::make_shared<MemoryLimit>(
        group.empty() ? options_.body_budget_bytes : options_.body_bytes_per_address, &budget_);
  }
  ++of_group.connections;
  if (open_ >= options_.max_connections && !MakeRoom()) {
    --of_group.connections;
    return;
  }
  socket.set_option(tcp::no_delay(true), error);
  auto wire = HttpWire::Make(std::move(socket), tls_ == nullptr ? nullptr : *tls_->Get(),
                             HttpWire::Role::kServer);
  auto connection =
      std::make_shared<HttpConnection>(*this, io_, std::move(wire), address, of_group.memory);
  connections_[connection.get()] =
      Entry{connection, std::move(group), HttpConnection::Wait::kNothing, {}};
  ++open_;
  connection->Start();
}

bool HttpServer::Impl::MakeRoom() {
  std::list<HttpConnection*>& list = without_head_.empty() ? without_body_ : without_head_;
  if (list.empty()) return false;
  list.front()->Close();
  return true;
}

void HttpServer::Impl::BeginStop() {
  stopping_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  accept_timer_.cancel();
  std::vector<std::shared_ptr<HttpConnection>> all;
  for (const auto& [key, entry] : connections_) all.push_back(entry.connection);
  stop_timer_.expires_after(absl::ToChronoNanoseconds(options_.stop_deadline));
  stop_timer_.async_wait([this](error_code) {
    std::vector<std::shared_ptr<HttpConnection>> late;
    for (const auto& [key, entry] : connections_) late.push_back(entry.connection);
    for (const auto& connection : late) connection->Close(/*abruptly=*/true);
  });
  for (const auto& connection : all) connection->EndSoon();
  if (connections_.empty()) stop_timer_.cancel();
}

void HttpServer::Impl::Stop() {
  std::call_once(stopped_, [this] {
    asio::post(io_, [this] { BeginStop(); });
    thread_.join();
    answers_.Stop();
    // Answers that came after the deadline.
    io_.restart();
    io_.poll();
  });
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options,
                                                              HttpHandler* handler) {
  S2P_RETURN_IF_ERROR(CheckOptions(options));
  auto impl = std::make_shared<Impl>(std::move(options), handler);
  S2P_RETURN_IF_ERROR(impl->Open());
  impl->Run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { Stop(); }

const ListenAddress& HttpServer::address() const { return impl_->address_; }
int HttpServer::connections() const { return impl_->open_; }
uint64_t HttpServer::body_bytes() const { return impl_->budget_.used(); }
void HttpServer::Stop() { impl_->Stop(); }

}  // namespace s2p
