// s2p-web: the drawing page, and the HTTP gateway behind it.
#include <iostream>
#include <string>

#include "base/standard_streams.h"
#include "base/status_macros.h"
#include "client/connection/server_address.h"
#include "client/web/web_server.h"
#include "daemon/daemon_options.h"
#include "daemon/health_check.h"
#include "daemon/http/client_address.h"
#include "daemon/http/tls_files.h"
#include "daemon/listen_address.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/reload_signal.h"
#include "daemon/shutdown.h"

namespace s2p {
namespace {

struct Flags {
  WebServerOptions web;
  ClientOptions connection;
  std::string trainer;
  DaemonOptions daemon;
};

void AddFlags(Options& options, Flags& flags) {
  WebServerOptions& web = flags.web;
  ClientOptions& connection = flags.connection;
  options.Add("server", &connection.server, "address of s2p-server, HOST:PORT")
      .Check(CheckServerAddress);
  options
      .Add("trainer", &flags.trainer,
           "address of the training daemon, HOST:PORT; without it the page has no jobs")
      .Check([](const std::string& text) {
        return text.empty() ? absl::OkStatus() : CheckServerAddress(text);
      });
  options.Add("export-dir", &web.gallery_training.export_dir,
              "folder, for this alone, into which the page exports the gallery to train on it; the "
              "trainer must see it, below its --data-root; empty: the page does not offer it");
  options.Add("trainer-export-dir", &web.gallery_training.trainer_export_dir,
              "the same folder as the trainer sees it, if that is another path; relative paths are "
              "below its --data-root");
  AddListenFlag(options, &web.listen, "the page").Check(CheckHttpListen);
  options.Add(
      "insecure", &web.insecure,
      "allow plain HTTP beyond loopback: behind a proxy that ends TLS, or in a safe network");
  AddHttpTlsFlags(options, &web.tls);
  options.Add("no-login", &web.no_login,
              "allow everyone who can connect, also beyond loopback, to change everything");
  AddHealthFlag(options, &flags.daemon, "the gateway at --listen");
  AddAddressFileFlag(options, &flags.daemon, "the page's");
  options.Add("lame-duck", &flags.daemon.lame_duck,
              "how long requests are still answered after SIGTERM, while health says 503; another "
              "SIGTERM ends it");
  options.Add(
      "operator-password-file", &web.operator_password_file,
      "file whose first line is the operators' password; without it everyone is an operator");
  options.Add("login-header", &web.login_header,
              "header in which a proxy names an operator who has logged in with it, such as "
              "X-Forwarded-User; believed from --trusted-proxy only");
  options
      .Add("trusted-proxy", &web.trusted_proxies,
           "address or network of a proxy that is believed who its clients are; repeatable")
      .Check(CheckNetwork);
  options.Add(
      "host-name", &web.router.host_names,
      "host name of the page, besides IP addresses and localhost; repeatable; * allows any name, "
      "for use behind a proxy that has checked it");
  options.Add("tls-ca", &connection.tls_ca,
              "PEM file of the authority to trust; turns on TLS to the servers");
  options.Add("tls-cert", &connection.tls_cert, "PEM file of our certificate");
  options.Add("tls-key", &connection.tls_key, "PEM file of our key");
  options.Add("api-key", &connection.api_key, "key that the servers require");
  options.Add("api-key-file", &connection.api_key_file, "or: file whose first line is the key");
  options.Add("insecure-key", &connection.insecure,
              "allow sending the key to the servers in plain text beyond this machine");
  options.AddBytes("max-body-bytes", &web.router.max_body_bytes, "largest body of one HTTP request")
      .Range(1 << 16, 1 << 30);
  options.Add("timeout", &web.router.default_timeout,
              "deadline of a call for which the page sets none");
  options.Add("max-timeout", &web.router.max_timeout, "longest deadline that the page may set");
  options
      .AddBytes("body-memory", &web.body_budget_bytes,
                "memory for the bodies of all requests and answers at one time")
      .Range(1 << 20, double{1 << 30} * 64);
  options
      .AddBytes("message-memory", &web.router.message_memory_bytes,
                "memory for the messages that are made of the JSON of all requests at one time")
      .Range(1 << 20, double{1 << 30} * 64);
  options.Add("threads", &web.threads, "threads that answer requests").Range(2, 1024);
  options.Add("max-streams", &web.max_streams, "most event streams open at a time").Range(0, 1000);
  options
      .Add(
          "max-originals", &web.max_originals,
          "originals of photos sent at a time; once there are this many, clients below their share "
          "get up to as many more")
      .Range(1, 100);
  options.Add("max-connections", &web.max_connections, "most connections open at a time")
      .Range(1, 100000);
  options
      .Add("max-connections-per-address", &web.max_connections_per_address,
           "the same for one client's address; --trusted-proxy has no such limit")
      .Range(1, 100000);
  options
      .Add("calls-per-second-per-address", &web.router.calls_per_second_per_address,
           "requests below /api/ that one client beyond this machine may start, on average; 0: any "
           "number")
      .Range(0, 1e6);
  options
      .Add("feedback-per-second-per-address", &web.feedback_per_second_per_address,
           "drawings that one client beyond this machine may send as feedback, on average; 0: any "
           "number")
      .Range(0, 1e6);
  AddLogOptions(&options, &flags.daemon.log);
}

absl::Status Serve(Flags& flags) {
  S2P_RETURN_IF_ERROR(ConfigureLog(flags.daemon.log));
  flags.web.server = flags.connection;
  if (!flags.trainer.empty()) {
    flags.web.trainer = flags.connection;
    flags.web.trainer->server = flags.trainer;
  }
  flags.web.version = S2P_VERSION;
  S2P_ASSIGN_OR_RETURN(auto shutdown, Shutdown::Install());
  S2P_RETURN_IF_ERROR(CatchReloadSignal());
  S2P_ASSIGN_OR_RETURN(auto web, WebServer::Start(flags.web));
  S2P_RETURN_IF_ERROR(WriteAddress(flags.daemon.address_file, web->address()));
  LogInfo("listening", {{"http", web->address()}, {"server", flags.connection.server}});
  AwaitShutdown(flags.daemon, web->address(), *shutdown, [&web] { web->StopServing(); });
  web->Stop();
  LogInfo("ended");
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  Flags flags;
  Options options("s2p-web", "the drawing page, and the HTTP gateway behind it", S2P_VERSION);
  AddFlags(options, flags);
  if (const auto exit_code = options.Parse(argc, argv, std::cout, std::cerr)) return *exit_code;
  const absl::Status status =
      flags.daemon.health ? CheckHealth(flags.web.listen, flags.web.tls) : Serve(flags);
  if (status.ok()) return 0;
  std::cerr << "s2p-web: " << status.message() << " (" << absl::StatusCodeToString(status.code())
            << ")\n";
  return 1;
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) {
  s2p::OpenStandardStreams();
  return s2p::Main(argc, argv);
}
