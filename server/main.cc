// s2p-server: searches photos by sketch, over gRPC.
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/standard_streams.h"
#include "base/status_macros.h"
#include "daemon/daemon_options.h"
#include "daemon/disk_space.h"
#include "daemon/health_check.h"
#include "daemon/library_environment.h"
#include "daemon/log.h"
#include "daemon/options.h"
#include "daemon/reload_signal.h"
#include "daemon/shutdown.h"
#include "model/blas.h"
#include "model/encoder.h"
#include "rpc/grpc_host.h"
#include "server/decoder/decoder_pool.h"
#include "server/rpc/server.h"
#include "server/versions/backup.h"
#include "server/versions/rebuild.h"

namespace s2p {
namespace {

struct Flags {
  ServerOptions server;
  EncoderOptions encoder;
  DaemonOptions daemon;
  // As the option types have them.
  uint64_t max_image_bytes = 0;
  int32_t max_strokes = 0, max_points = 0;
  uint64_t search_image_bytes = 0, add_image_bytes = 0, thumbnail_image_bytes = 0;
  double max_image_megapixels = 0, max_megapixels_in_flight = 0;
  std::string min_free = "5%,1GiB";
  bool decode_in_process = false;
};

void AddFlags(Options& options, Flags& flags) {
  ServerOptions& server = flags.server;
  Limits& limits = server.limits;
  options.Add("checkpoint-root", &server.checkpoint_root, "folder of published checkpoints")
      .Required();
  options.Add("data-dir", &server.data_dir, "folder of the gallery; one server at a time")
      .Required();
  options.Add("set-aside-orphans", &server.set_aside_orphans,
              "start even if many photos belong to no item of gallery.db; they move to "
              "photos/.orphans");
  options
      .Add("min-free", &flags.min_free,
           "free space of the disk below which photos and metadata are refused, so that deletions "
           "still work: a share, a size, or both, of which the lesser counts")
      .Check([](const std::string& text) { return ParseMinFree(text).status(); });
  AddPortFlags(options, "server", &server.host, &flags.daemon);
  options.Add("device", &flags.encoder.device, "auto, cpu or cuda:N");
  options.Add("layout", &flags.encoder.layout,
              "of feature maps: contiguous, channels_last, onednn, or auto: the fastest");
  options.Add(
      "precision", &flags.encoder.precision,
      "of the networks: fp32; bf16 (a CPU with AVX512-BF16, or CUDA); half (CUDA only); "
      "auto: bf16 on such a CPU, for each model that is faster in it and agrees with itself "
      "in fp32");
  options
      .Add("threads", &flags.encoder.threads,
           "threads of the networks on the CPU; 0: one per physical core")
      .Range(0, 1024);
  options
      .Add("decode-threads", &server.decode_threads,
           "threads that decode and preprocess for searches, and decoders for searches and for the "
           "gallery each; 0: one per core")
      .Range(0, 1024);
  options.Add("max-batch", &server.batcher.max_batch, "images in one forward pass").Range(1, 256);
  options.Add("max-delay", &server.batcher.max_delay,
              "longest wait for a batch to fill, if the one before it had more than one search, no "
              "longer ago than this");
  options.Add(
      "max-add-time", &server.batcher.max_background_time,
      "by which photos that are added may lengthen the encoding of a batch of searches, or "
      "by one photo, once that has waited a second; also of their own batches, for a second "
      "after a search");
  options.Add("max-queue", &server.batcher.max_queue, "images of searches that may wait")
      .Range(1, 100000);
  options
      .AddBytes("max-message-bytes", &server.host.max_message_bytes,
                "of one gRPC message; at least what the largest photo allowed takes")
      .Range(1024, 1 << 30);
  options.AddBytes("max-image-bytes", &flags.max_image_bytes, "of one encoded image");
  options.Add("max-image-megapixels", &flags.max_image_megapixels, "of one image, from its header")
      .Range(0.001, 1000);
  options
      .AddBytes(
          "search-image-bytes", &flags.search_image_bytes,
          "memory for images of searches; at least what the largest image allowed takes. Copies in "
          "the size of the network come on top if they are larger than the images")
      .Range(0, 1e12);
  options.AddBytes("add-image-bytes", &flags.add_image_bytes, "memory for photos that are added")
      .Range(0, 1e12);
  options
      .AddBytes("thumbnail-image-bytes", &flags.thumbnail_image_bytes,
                "memory for photos of which thumbnails are made")
      .Range(0, 1e12);
  options
      .Add("max-megapixels-in-flight", &flags.max_megapixels_in_flight,
           "sets the three above to 4 bytes a pixel; 0: they hold")
      .Range(0, 100000);
  options
      .AddBytes("max-add-bytes", &server.max_add_bytes,
                "of photos that were received and are not added yet; then streams wait. While one "
                "caller fills it, the others have up to as much again")
      .Range(1, 1e15);
  options
      .Add("max-decode-time", &server.max_decode_time, "of one image; its decoder is killed then")
      .Range(0.1, 3600);
  options.Add("decoder", &server.decoder_program,
              "file of s2p-decoder; empty: in the folder of this program, or where it was "
              "installed with it");
  options.Add(
      "decode-in-process", &flags.decode_in_process,
      "decode in this process, if decoders cannot run here: an image can then hold a thread "
      "or end the server");
  options.Add("max-top-k", &limits.max_top_k, "matches of one search").Range(1, 100000);
  options.Add("max-examples", &limits.max_examples, "examples of one search").Range(1, 1024);
  options.Add("max-strokes", &flags.max_strokes, "strokes of one drawing").Range(1, 1000000);
  options.Add("max-points", &flags.max_points, "points of one drawing").Range(1, 10000000);
  options.Add("max-page-size", &limits.max_page_size, "photos of one page").Range(1, 100000);
  options.Add("max-metadata-pairs", &limits.max_metadata_pairs, "of one photo").Range(0, 100000);
  options.Add("max-metadata-key-bytes", &limits.max_metadata_key_bytes, "of one key")
      .Range(1, 100000);
  options.Add("max-metadata-value-bytes", &limits.max_metadata_value_bytes, "of one value")
      .Range(0, 10000000);
  options.Add("default-deadline", &limits.default_deadline, "of a search whose client sets none");
  options.Add("collect-feedback", &server.collect_feedback,
              "keep what people say about photos, with their drawings, until an operator forgets "
              "it; without this, drawings are kept nowhere");
  options.Add("feedback-dataset", &server.feedback_data_set,
              "folder that has the accepted matches as a data set; empty: none");
  options
      .AddBytes("max-feedback-bytes", &server.max_feedback_bytes,
                "of drawings that are kept, with 1,024 for each entry; more are refused")
      .Range(0, 1e15);
  options.Add("slow-query", &server.host.call_log.slow,
              "calls that take longer are logged, with each stage's time; 0: none");
  AddDrainFlags(options, &flags.daemon);
  options.Add("poll-interval", &server.poll_interval, "between two looks at the store");
  options
      .Add("reembed-share", &server.reembed_share,
           "share of the time that embedding with a new model takes while searches wait")
      .Range(0.05, 1);
  options.Add(
      "index", &server.index,
      "Flat (exact), auto (exact below 100,000 photos, then IVF), or a FAISS factory string "
      "that begins with IVF, such as IVF1024,Flat");
  options
      .Add("index-recall", &server.index_recall,
           "share of the true 10 best that an IVF index is to find")
      .Range(0.01, 1);
  options.Add("keep-versions", &server.keep_versions, "versions kept for rolling back")
      .Range(1, 100);
  AddCredentialOptions(&options, &server.host.credentials);
  AddAccessOptions(&options, &server.host.access);
  AddLogOptions(&options, &flags.daemon.log);
}

void ReadDefaults(Flags& flags) {
  const Limits& limits = flags.server.limits;
  flags.max_image_bytes = limits.image.max_bytes;
  flags.max_strokes = static_cast<int32_t>(limits.strokes.max_strokes);
  flags.max_points = static_cast<int32_t>(limits.strokes.max_points);
  flags.max_image_megapixels = static_cast<double>(limits.image.max_pixels) / 1e6;
  flags.search_image_bytes = static_cast<uint64_t>(flags.server.search_image_bytes);
  flags.add_image_bytes = static_cast<uint64_t>(flags.server.add_image_bytes);
  flags.thumbnail_image_bytes = static_cast<uint64_t>(flags.server.thumbnail_image_bytes);
}

void ApplyLimits(Flags& flags) {
  Limits& limits = flags.server.limits;
  limits.image.max_bytes = flags.max_image_bytes;
  limits.strokes.max_strokes = static_cast<size_t>(flags.max_strokes);
  limits.strokes.max_points = static_cast<size_t>(flags.max_points);
  limits.image.max_pixels = static_cast<int64_t>(flags.max_image_megapixels * 1e6);
  if (flags.max_megapixels_in_flight > 0) {
    flags.search_image_bytes = static_cast<uint64_t>(flags.max_megapixels_in_flight * 4e6);
    flags.add_image_bytes = flags.thumbnail_image_bytes = flags.search_image_bytes;
  }
  flags.server.search_image_bytes = static_cast<int64_t>(flags.search_image_bytes);
  flags.server.add_image_bytes = static_cast<int64_t>(flags.add_image_bytes);
  flags.server.thumbnail_image_bytes = static_cast<int64_t>(flags.thumbnail_image_bytes);
}

void ChooseDecoder(Flags& flags) {
  std::string& program = flags.server.decoder_program;
  if (flags.decode_in_process) {
    LogWarning("images are decoded in this process: one can hold a thread or end the server");
    program.clear();
  } else if (program.empty()) {
    program = DecoderOfThisProgram();
  }
}

absl::StatusOr<std::unique_ptr<const Encoder>> Load(const Checkpoint& checkpoint,
                                                    const EncoderOptions& options) {
  auto encoder = LoadEncoder(checkpoint, options);
  if (!encoder.ok()) return encoder;
  const PrecisionChoice choice = (*encoder)->precision_choice();
  if (choice.reason.empty()) return encoder;
  const LogField fields[] = {{"version", (*encoder)->version()},
                             {"precision", NameOf(choice.precision)},
                             {"reason", choice.reason}};
  if (choice.doubtful) {
    LogWarning("--precision auto would compute this model in float32", fields);
  } else {
    LogInfo("chose the precision of a model", fields);
  }
  return encoder;
}

absl::Status Serve(Flags& flags) {
  S2P_RETURN_IF_ERROR(ConfigureLog(flags.daemon.log));
  S2P_RETURN_IF_ERROR(CheckEncoderOptions(flags.encoder));
  if (!flags.server.feedback_data_set.empty() && !flags.server.collect_feedback) {
    return absl::InvalidArgumentError("--feedback-dataset needs --collect-feedback");
  }
  if (std::string blas; UsesReferenceBlas(&blas)) {
    LogWarning(
        "the reference BLAS makes networks a hundred times slower: install libopenblas0-openmp",
        {{"file", blas}});
  }
  S2P_ASSIGN_OR_RETURN(auto shutdown, Shutdown::Install());
  S2P_RETURN_IF_ERROR(CatchReloadSignal());
  flags.server.version = S2P_VERSION;
  S2P_ASSIGN_OR_RETURN(flags.server.min_free, ParseMinFree(flags.min_free));
  ChooseDecoder(flags);
  flags.server.batcher.before_search = AdoptEncoderThreads;
  flags.server.load_encoder = [encoder_options = flags.encoder](const Checkpoint& checkpoint) {
    return Load(checkpoint, encoder_options);
  };
  S2P_ASSIGN_OR_RETURN(auto server, SearchServer::Start(flags.server));
  return ServeUntilShutdown(flags.daemon, server->address(), server->http_address(), *shutdown,
                            {[&server] { server->StopServing(); },
                             [&server](absl::Duration drain) { server->Shutdown(drain); }});
}

int Report(const absl::Status& status) {
  if (status.ok()) return 0;
  std::cerr << "s2p-server: " << status.message() << " (" << absl::StatusCodeToString(status.code())
            << ")\n";
  return 1;
}

absl::Status Print(const absl::StatusOr<DataFolderReport>& report) {
  if (!report.ok()) return report.status();
  std::cout << report->items << " items, " << report->bytes << " bytes, model versions: "
            << (report->versions.empty() ? "none" : absl::StrJoin(report->versions, ", ")) << '\n';
  if (report->feedback > 0) std::cout << report->feedback << " entries of feedback\n";
  if (report->linked > 0) std::cout << report->linked << " photos share files with the base\n";
  for (const std::string& problem : report->problems) std::cout << problem << '\n';
  if (!std::cout.flush()) return absl::DataLossError("standard output is closed or full");
  if (report->problems.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      report->problems.size(), " problems; restore a backup, or add those photos again"));
}

absl::Status Print(const absl::StatusOr<RebuildReport>& report) {
  if (!report.ok()) return report.status();
  if (!report->kept.empty()) std::cout << "kept the old catalogue as " << report->kept << '\n';
  std::cout << report->from_journal << " items with their ids and metadata, from the journal\n"
            << report->with_new_ids
            << " photos that the journal does not know, as photo-<digest>\n";
  if (report->missing > 0) {
    std::cout << report->missing << " of the items have no photo any more\n";
  }
  for (const std::string& problem : report->problems) std::cout << problem << '\n';
  std::cout
      << "the next start computes all embeddings; a version that was pinned is not any more\n";
  return std::cout.flush() ? absl::OkStatus()
                           : absl::DataLossError("standard output is closed or full");
}

int RunRebuild(int argc, char** argv) {
  std::string data_dir;
  Options options("s2p-server rebuild",
                  "makes a new catalogue of the photos in a data folder that has lost its own",
                  S2P_VERSION);
  options.Add("data-dir", &data_dir, "folder of the gallery").Required();
  if (const auto exit_code = options.Parse(argc, argv, std::cout, std::cerr)) return *exit_code;
  return Report(Print(RebuildCatalogue(data_dir)));
}

// A command that works on a data folder and ends.
int RunFolderCommand(const std::string& command, int argc, char** argv) {
  std::string data_dir, other, base;
  const bool is_restore = command == "restore";
  Options options("s2p-server " + command,
                  command == "backup" ? "copies a data folder while it is served"
                  : is_restore        ? "puts a backup into a new data folder"
                               : "reads a data folder or backup whole and names what is wrong",
                  S2P_VERSION);
  options.Add("data-dir", &data_dir, "folder of the gallery").Required();
  if (command == "backup") {
    options.Add("out", &other, "new folder of the backup").Required();
    options.Add("base", &base, "an earlier backup, whose files of the same photos are shared");
  }
  if (is_restore) options.Add("from", &other, "folder of the backup").Required();
  if (const auto exit_code = options.Parse(argc, argv, std::cout, std::cerr)) return *exit_code;
  if (command == "backup") return Report(Print(BackUp(data_dir, other, base)));
  return Report(Print(is_restore ? RestoreBackup(other, data_dir) : CheckDataFolder(data_dir)));
}

int Main(int argc, char** argv) {
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "backup" || command == "restore" || command == "check") {
    return RunFolderCommand(command, argc - 1, argv + 1);
  }
  if (command == "rebuild") return RunRebuild(argc - 1, argv + 1);
  Flags flags;
  ReadDefaults(flags);
  Options options(
      "s2p-server",
      "searches photos by sketch, over gRPC; s2p-server backup, restore, check and rebuild "
      "look after its data folder",
      S2P_VERSION);
  AddFlags(options, flags);
  if (const auto exit_code = options.Parse(argc, argv, std::cout, std::cerr)) return *exit_code;
  ApplyLimits(flags);
  return Report(flags.daemon.health
                    ? CheckHealth(flags.server.host.http, flags.server.host.http_tls)
                    : Serve(flags));
}

}  // namespace
}  // namespace s2p

// The loader calls it before it starts the shared libraries.
using StartFunction = void (*)(int, char**, char**);
__attribute__((section(".preinit_array"), used)) const StartFunction choose_blas_kernels =
    s2p::ChooseBlasKernels;

int main(int argc, char** argv) {
  s2p::OpenStandardStreams();
  return s2p::Main(argc, argv);
}
