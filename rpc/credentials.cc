#include "rpc/credentials.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "daemon/listen_address.h"
#include "daemon/options.h"
#include "daemon/reload_report.h"
#include "rpc/caller.h"
#include "rpc/tls_credentials.h"

namespace s2p {
namespace {

// Null if there are no metrics.
ReloadCounter CounterOf(RpcMetrics* metrics) {
  if (metrics == nullptr) return nullptr;
  return [metrics](absl::string_view files, bool ok) { metrics->CountReload(files, ok); };
}

// As ApiKeys::Descriptions.
using Keys = std::vector<std::pair<std::string, KeyDigest>>;

// Records which keys are new and which are gone. A key that was replaced under its name is both.
// Digests are compared, and not recorded.
void RecordKeys(const Keys& former, const Keys& now, AuditLog* audit) {
  AuditEntry entry;
  const auto add = [&entry](absl::string_view sign, const Keys& some, const Keys& others) {
    for (const auto& key : some) {
      if (std::binary_search(others.begin(), others.end(), key)) continue;
      entry.ids.push_back(absl::StrCat(sign, key.first));
    }
  };
  add("+", now, former);
  add("-", former, now);
  if (entry.ids.empty()) return;
  entry.when = absl::Now();
  // Anybody who may write the file can have changed it.
  entry.caller = Caller{"", ""};
  entry.method = "keys";
  entry.count = static_cast<int64_t>(entry.ids.size());
  entry.code = "OK";
  audit->Write(entry);
}

}  // namespace

void AddCredentialOptions(Options* options, CredentialOptions* credential_options) {
  options->Add("tls-cert", &credential_options->tls_cert,
               "PEM file of the certificate chain; with --tls-key, serve over TLS");
  options->Add("tls-key", &credential_options->tls_key, "PEM file of the private key");
  options->Add("tls-client-ca", &credential_options->tls_client_ca,
               "PEM file of the authority that client certificates must come from");
  options->Add("insecure", &credential_options->insecure,
               "allow plain text beyond loopback, also for --http");
  options->Add("api-key-file", &credential_options->api_key_file,
               "file of accepted API keys (s2p keys); without it no key is asked for");
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const std::string& listen, const CredentialOptions& options, RpcMetrics* metrics) {
  const bool has_tls = !options.tls_cert.empty() && !options.tls_key.empty();
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key go together: one is missing");
  }
  if (!options.tls_client_ca.empty() && !has_tls) {
    return absl::InvalidArgumentError("--tls-client-ca needs --tls-cert and --tls-key");
  }
  absl::Status status = CheckListenAddress(listen, has_tls, options.insecure);
  if (!status.ok()) return status;
  if (!has_tls) return grpc::InsecureServerCredentials();

  ReloadedOptions<TlsMaterial> files;
  files.paths = {options.tls_cert, options.tls_key};
  if (!options.tls_client_ca.empty()) files.paths.push_back(options.tls_client_ca);
  files.read = [options] {
    return ReadTlsMaterial(options.tls_cert, options.tls_key, options.tls_client_ca);
  };
  files.report = [count = CounterOf(metrics)](const absl::Status& result, const TlsMaterial&,
                                              const TlsMaterial&) {
    ReportReload("certificates", "tls", result, count);
  };
  files.interval = options.reload_interval;
  S2P_ASSIGN_OR_RETURN(auto reloaded, Reloaded<TlsMaterial>::Create(std::move(files)));
  return MakeTlsServerCredentials(std::move(reloaded));
}

absl::StatusOr<std::unique_ptr<Reloaded<ApiKeys>>> WatchApiKeys(const CredentialOptions& options,
                                                                AuditLog* audit,
                                                                RpcMetrics* metrics) {
  if (options.api_key_file.empty()) return nullptr;
  ReloadedOptions<ApiKeys> keys;
  keys.paths = {options.api_key_file};
  keys.read = [path = options.api_key_file] { return ApiKeys::Read(path); };
  keys.report = [audit, count = CounterOf(metrics)](const absl::Status& result,
                                                    const ApiKeys& former, const ApiKeys& now) {
    ReportReload("API keys", "api_keys", result, count);
    RecordKeys(former.Descriptions(), now.Descriptions(), audit);
  };
  keys.interval = options.reload_interval;
  return Reloaded<ApiKeys>::Create(std::move(keys));
}

absl::StatusOr<KeyHolder> AuthorizeCall(
    const ApiKeys* keys, const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  if (keys == nullptr) return KeyHolder{kAnonymous, {Role::kAdmin}};
  const auto [begin, end] = metadata.equal_range("authorization");
  if (begin == end) return keys->Authorize("");
  if (std::next(begin) != end) {
    return absl::UnauthenticatedError("the header authorization is given more than once");
  }
  return keys->Authorize(absl::string_view(begin->second.data(), begin->second.size()));
}

}  // namespace s2p
