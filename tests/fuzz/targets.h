// The readers of bytes that come from elsewhere, each as a function that a fuzzer can call.
#ifndef S2P_TESTS_FUZZ_TARGETS_H_
#define S2P_TESTS_FUZZ_TARGETS_H_

#include "absl/strings/string_view.h"

namespace s2p::fuzz {

// Each reads `bytes` as its reader would and checks what the reader promises about the result. Any
// bytes may be refused; none may crash, hang, or take memory without bound. One thread only.

// Keys of callers (rpc/api_keys.h).
void ApiKeys(absl::string_view bytes);
// v1.AddPhotoRequest up to the decoded picture.
void AddPhoto(absl::string_view bytes);
// Comma-separated values of the importers (trainer/data/csv.h).
void Csv(absl::string_view bytes);
// A data set: the first line is its dataset.json, the rest its dataset.jsonl.
void DataSet(absl::string_view bytes);
// A run's log for TensorBoard, from which a run resumes. If the first byte is 'r', the rest is one
// record's data, which is given its checksums.
void EventLog(absl::string_view bytes);
// v1.RecordFeedbackRequest up to the drawing that is kept.
void Feedback(absl::string_view bytes);
// A body in gzip's format (daemon/http/gzip.h).
void Gzip(absl::string_view bytes);
// All that a client of HTTP sends over one connection; the first byte says in what portions it
// comes.
void Http(absl::string_view bytes);
// A picture: its header, then its pixels (image/image.h).
void Image(absl::string_view bytes);
// A trained index. If the first byte is 'b', the rest is the body, which is given its header.
void IndexFile(absl::string_view bytes);
// The JSON of a request to the gateway; the first byte chooses the request.
void Json(absl::string_view bytes);
// A job's events (trainer/jobs/job_events.h).
void JobEvents(absl::string_view bytes);
// A job's file (trainer/jobs/job_file.h).
void JobFile(absl::string_view bytes);
// The manifest of a checkpoint.
void Manifest(absl::string_view bytes);
// The attributes of Market-1501: a MATLAB file.
void Mat(absl::string_view bytes);
// A packed data set (trainer/data/packed_images.h).
void PackedImages(absl::string_view bytes);
// Tensors (model/safetensors.h).
void Safetensors(absl::string_view bytes);
// v1.SearchRequest up to the decoded pictures.
void Search(absl::string_view bytes);
// A training spec in protobuf's text format or in JSON, and one --set of its first line.
void Spec(absl::string_view bytes);
// Strokes (image/strokes.h): 32-bit words, see strokes_target.cc.
void Strokes(absl::string_view bytes);
// A program's configuration file (daemon/toml.h).
void Toml(absl::string_view bytes);
// The index of weights in several files (model/weights/weight_files.h).
void WeightIndex(absl::string_view bytes);

}  // namespace s2p::fuzz

#endif  // S2P_TESTS_FUZZ_TARGETS_H_
