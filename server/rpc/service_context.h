// What the services share.
#ifndef S2P_SERVER_RPC_SERVICE_CONTEXT_H_
#define S2P_SERVER_RPC_SERVICE_CONTEXT_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rpc/api_keys.h"
#include "rpc/call_log.h"
#include "rpc/call_record.h"
#include "rpc/worker_pool.h"
#include "server/gallery/gallery.h"
#include "server/gallery/snapshot.h"
#include "server/rpc/metrics.h"
#include "server/search/batcher.h"
#include "server/search/limits.h"
#include "server/search/pixel_budget.h"
#include "server/versions/snapshot_loader.h"

namespace s2p {

// All are borrowed and outlive the services; all are thread-safe.
struct ServiceContext {
  Limits limits;
  // Null: no key is asked for.
  const ApiKeys* keys = nullptr;
  const SnapshotSlot* slot = nullptr;
  Gallery* gallery = nullptr;
  SnapshotLoader* loader = nullptr;
  Batcher* batcher = nullptr;
  Metrics* metrics = nullptr;
  CallLog* log = nullptr;
  PixelBudget* pixels = nullptr;
  // Decodes images of searches.
  WorkerPool* decode_pool = nullptr;
  // Adds photos: decodes, waits for the encoder, writes.
  WorkerPool* add_pool = nullptr;
  // Everything else that touches the disk.
  WorkerPool* storage_pool = nullptr;
};

// Ok, or Unauthenticated: the first thing every method asks.
absl::Status Admit(const ServiceContext& service, const grpc::ServerContextBase& context);

// Counts and logs a call that has ended, adds its request id to the trailing metadata, and gives
// its gRPC status. Every call ends so, once.
grpc::Status EndCall(const ServiceContext& service, grpc::ServerContextBase& context,
                     const CallRecord& call, const absl::Status& status);

// Admits, runs `work` on the storage pool, and finishes with its status. What `work` refers to must
// live until the call ends, as request and response do.
grpc::ServerUnaryReactor* StartStorageCall(const ServiceContext& service,
                                           grpc::CallbackServerContext* context, const char* method,
                                           std::function<absl::Status()> work);

}  // namespace s2p

#endif  // S2P_SERVER_RPC_SERVICE_CONTEXT_H_
