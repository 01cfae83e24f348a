// Measures how data sets scale: the time in which an epoch of many identities is planned, and the
// memory and time that images of a packed file take.
//
//   data_benchmark [IDENTITIES [IMAGES [SIDE]]]      1000000 100000 160
//
// The packed file, IMAGES x SIDE x SIDE bytes, is written to the folder of temporary files.
//
//   data_benchmark --pairs FILE [IMAGES [SIDE]]      1000000 160
//
// Writes a packed data set to train on, half photos and half sketches of as many identities, as
// shoes-resnet18 prepares them (docs/benchmarks.md).
#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/hardware_threads.h"
#include "image/preprocessor.h"
#include "model/tensor_file.h"
#include "tests/benchmarks/timing.h"
#include "trainer/data/batch_loader.h"
#include "trainer/data/data_set.h"
#include "trainer/data/random.h"
#include "trainer/data/sampler.h"
#include "trainer/spec/training_spec.h"

namespace s2p {
namespace {

constexpr int kBatch = 64;

template <typename T>
T Value(absl::StatusOr<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "data_benchmark: %s\n", std::string(result.status().message()).c_str());
    std::exit(1);
  }
  return *std::move(result);
}

void Check(const absl::Status& status) {
  if (!status.ok()) Value(absl::StatusOr<int>(status));
}

// A line of /proc/self/status, in MB.
double Memory(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":", 0) == 0) return std::atof(line.c_str() + name.size() + 1) / 1024;
  }
  return 0;
}

void PrintMemory(const char* when) {
  std::printf("  %-28s resident %7.0f MB, of which files %7.0f MB; most so far %7.0f MB\n", when,
              Memory("VmRSS"), Memory("RssFile"), Memory("VmHWM"));
}

void MeasureSamplers(int identities) {
  std::vector<int> labels(static_cast<size_t>(identities));
  std::iota(labels.begin(), labels.end(), 0);
  std::vector<int> images = labels;
  images.insert(images.end(), labels.begin(), labels.end());
  const auto pairs = Value(PairSampler::Create(labels, labels, 32, 1));
  const auto groups = Value(IdentitySampler::Create(images, 16, 4, 1));
  std::printf(
      "an epoch of %d identities is planned in %.2f s (pairs, goal: 2 s), %.2f s (groups)\n",
      identities, test::SecondsOf([&] { pairs.Epoch(0); }),
      test::SecondsOf([&] { groups.Epoch(0); }));
}

v1::Preprocessing GreySquare(int side) {
  v1::Preprocessing preprocessing;
  preprocessing.set_height(static_cast<uint32_t>(side));
  preprocessing.set_width(static_cast<uint32_t>(side));
  preprocessing.set_grey(true);
  preprocessing.set_filter(v1::RESIZE_FILTER_BILINEAR);
  for (int channel = 0; channel < 3; ++channel) {
    preprocessing.add_mean(0.5F);
    preprocessing.add_std(0.25F);
  }
  return preprocessing;
}

// A part of a packed file: this many grey images of one shade each.
struct PackedPart {
  const char* modality;
  int images;
};

std::string LinesOf(const std::vector<PackedPart>& parts) {
  std::string lines;
  for (const PackedPart& part : parts) {
    for (int i = 0; i < part.images; ++i) {
      absl::StrAppend(&lines, "{\"path\":\"", part.modality, "/", i, ".png\",\"identity\":\"", i,
                      "\",\"modality\":\"", part.modality, "\",\"split\":\"train\"}\n");
    }
  }
  return lines;
}

std::string JsonOf(const v1::Preprocessing& preprocessing) {
  std::string json;
  static_cast<void>(google::protobuf::util::MessageToJsonString(preprocessing, &json));
  return json;
}

// Writes a packed data set without decoding any image. Both preprocessings have squares of `side`.
void WritePacked(const std::string& path, const std::vector<PackedPart>& parts, int side,
                 const v1::Preprocessing& photo, const v1::Preprocessing& sketch) {
  const int64_t format = kPackedImagesFormat;
  const std::map<std::string, std::string> texts = {
      {"format", std::string(reinterpret_cast<const char*>(&format), sizeof(format))},
      {"dataset.json", R"({"format":1,"name":"grey","attributes":[]})"},
      {"dataset.jsonl", LinesOf(parts)},
      {"preprocessing.photo", JsonOf(photo)},
      {"preprocessing.sketch", JsonOf(sketch)}};
  std::vector<SafetensorsEntry> entries = {{"format", TensorType::kI64, {}}};
  for (const PackedPart& part : parts) {
    entries.push_back({part.modality, TensorType::kU8, {part.images, side, side, 1}});
  }
  for (const auto& [name, text] : texts) {
    if (name == "format") continue;
    entries.push_back({name, TensorType::kU8, {static_cast<int64_t>(text.size())}});
  }
  auto writer = Value(TensorFileWriter::Create(path, entries));
  for (const SafetensorsEntry& entry : writer.entries()) {
    if (const auto text = texts.find(entry.name); text != texts.end()) {
      Check(writer.Append(text->second));
      continue;
    }
    for (int64_t i = 0; i < entry.shape[0]; ++i) {
      Check(writer.Append(std::string(static_cast<size_t>(side) * static_cast<size_t>(side),
                                      static_cast<char>(i))));
    }
  }
  Check(writer.Finish());
}

int WritePairs(const std::string& path, int images, int side) {
  v1::TrainingSpec spec;
  spec.set_preset("shoes-resnet18");
  for (auto* input : {spec.mutable_photo(), spec.mutable_sketch()}) {
    input->set_height(static_cast<uint32_t>(side));
    input->set_width(static_cast<uint32_t>(side));
  }
  const auto manifest = Value(ManifestOf(Value(ResolveSpec(spec)), {}));
  WritePacked(path, {{"photo", images / 2}, {"sketch", images / 2}}, side, manifest.photo(),
              manifest.sketch());
  return 0;
}

std::vector<BatchLoader::Parts> ShuffledBatches(const PreparedImages& images) {
  std::vector<int> order(static_cast<size_t>(images.size()));
  std::iota(order.begin(), order.end(), 0);
  Random random(1);
  random.Shuffle(order);
  std::vector<BatchLoader::Parts> batches;
  for (size_t begin = 0; begin < order.size(); begin += kBatch) {
    std::vector<LoadItem> items;
    for (size_t i = begin; i < std::min(order.size(), begin + kBatch); ++i) {
      items.push_back({&images, order[i], v1::MODALITY_PHOTO, i});
    }
    batches.push_back({std::move(items)});
  }
  return batches;
}

void MeasurePacked(const std::string& path, int images, int side) {
  PrintMemory("before");
  WritePacked(path, {{"photo", images}}, side, GreySquare(side), GreySquare(side));
  PrintMemory("file written");
  const auto data_set = Value(DataSet::Open(path));
  PrintMemory("data set open");
  const auto preprocessor = Value(Preprocessor::Create(GreySquare(side)));
  const auto prepared = Value(PreparedImages::Load(data_set, data_set.images(), preprocessor, 1));
  int64_t loaded = 0;
  const double seconds = test::SecondsOf([&] {
    BatchLoader loader({}, ShuffledBatches(*prepared), HardwareThreads());
    for (auto parts = Value(loader.Next()); !parts.empty(); parts = Value(loader.Next())) {
      loaded += parts[0].n;
    }
  });
  PrintMemory("after an epoch, shuffled");
  std::printf("%lld images of %d x %d, %.0f MB packed: %.0f images/s, not augmented\n",
              static_cast<long long>(loaded), side, side,
              static_cast<double>(std::filesystem::file_size(path)) / 1e6,
              static_cast<double>(loaded) / seconds);
}

int Main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) {
    return argc > i ? std::max(2, std::atoi(argv[i])) : otherwise;
  };
  if (argc > 2 && std::string(argv[1]) == "--pairs") {
    return WritePairs(argv[2], argument(3, 1'000'000), argument(4, 160));
  }
  const std::string path =
      (std::filesystem::temp_directory_path() / absl::StrCat("s2p_data_benchmark_", getpid()))
          .string();
  MeasurePacked(path, argument(2, 100'000), argument(3, 160));
  std::filesystem::remove(path);
  MeasureSamplers(argument(1, 1'000'000));
  return 0;
}

}  // namespace
}  // namespace s2p

int main(int argc, char** argv) { return s2p::Main(argc, argv); }
