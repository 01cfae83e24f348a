// The objects that the services share.
#ifndef S2P_SERVER_RPC_SERVICE_CONTEXT_H_
#define S2P_SERVER_RPC_SERVICE_CONTEXT_H_

#include "daemon/callers/call_places.h"
#include "rpc/call_gate.h"
#include "rpc/worker_pool.h"
#include "server/decoder/image_decoder.h"
#include "server/faults/faults.h"
#include "server/feedback/feedback_collection.h"
#include "server/gallery/gallery.h"
#include "server/gallery/snapshot.h"
#include "server/rpc/byte_budget.h"
#include "server/rpc/metrics.h"
#include "server/search/batcher.h"
#include "server/search/limits.h"
#include "server/versions/snapshot_loader.h"

namespace s2p {

// All are borrowed and outlive the services; all are thread-safe.
struct ServiceContext {
  Limits limits;
  // The limit for a message of Search or AddPhotos.
  uint64_t max_message_bytes = 0;
  CallGate* gate = nullptr;
  const SnapshotSlot* slot = nullptr;
  Gallery* gallery = nullptr;
  SnapshotLoader* loader = nullptr;
  Batcher* batcher = nullptr;
  Metrics* metrics = nullptr;
  Faults* faults = nullptr;
  // Null: feedback is not collected.
  FeedbackCollection* feedback = nullptr;
  // Counts the bytes of photos that AddPhotos has read and not yet answered.
  ByteBudget* add_bytes = nullptr;
  // For GetPhoto, and for ExportFeedback.
  CallPlaces* photo_places = nullptr;
  CallPlaces* export_places = nullptr;
  // Photos that are added, thumbnails and feedback share decoders, and each has its own memory.
  // Searches wait for none of them.
  DecodeLane search_decoding;
  DecodeLane add_decoding;
  DecodeLane thumbnail_decoding;
  DecodeLane feedback_decoding;
  // Decodes images of searches.
  WorkerPool* decode_pool = nullptr;
  // Adds photos: decodes, waits for the encoder, writes.
  WorkerPool* add_pool = nullptr;
  // Makes thumbnails: reads, decodes, encodes.
  WorkerPool* thumbnail_pool = nullptr;
  // Records feedback: decodes, writes.
  WorkerPool* feedback_pool = nullptr;
  // Reviews and forgets feedback: waits for the data set.
  WorkerPool* review_pool = nullptr;
  // Deletes photos and changes their metadata: may wait for the data set.
  WorkerPool* change_pool = nullptr;
  // Everything else that touches the disk. Waits for no data set.
  WorkerPool* storage_pool = nullptr;
};

}  // namespace s2p

#endif  // S2P_SERVER_RPC_SERVICE_CONTEXT_H_
