#include "trainer/spec/training_spec.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/text_file.h"
#include "model/checkpoint.h"
#include "trainer/spec/presets.h"

namespace s2p {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr uint64_t kMaxSpecBytes = 1 << 20;
constexpr char kDefaultPreset[] = "shoes";
// Hidden width of C_att: the paper's (section III-B) and the release's.
constexpr uint32_t kPaperHidden = 512;
constexpr uint32_t kReleaseHidden = 128;

// What word processors and web pages make of a quote or a blank.
constexpr absl::string_view kNotAscii =
    "a character that is not ASCII stands outside of a text in \"quotes\"; is it a typographic "
    "quote or blank?";

// Keeps the first error of the text format's parser.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    if (!text_.empty()) return;
    text_ = absl::StrCat(line + 1, ":", column + 1, ": ",
                         absl::StartsWith(message, "Interpreting non ascii") ? kNotAscii : message);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

absl::StatusOr<v1::TrainingSpec> ParseText(const std::string& text, const std::string& where) {
  v1::TrainingSpec spec;
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (!parser.ParseFromString(text, &spec)) {
    return absl::InvalidArgumentError(absl::StrCat(where, ":", error.text()));
  }
  return spec;
}

absl::StatusOr<v1::TrainingSpec> ParseJson(const std::string& text, const std::string& where) {
  v1::TrainingSpec spec;
  const auto status = google::protobuf::util::JsonStringToMessage(text, &spec);
  if (!status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": ", std::string(status.message().data(), status.message().size())));
  }
  return spec;
}

std::vector<std::string> FieldNames(const Message& message) {
  std::vector<std::string> names;
  const auto* descriptor = message.GetDescriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) names.push_back(descriptor->field(i)->name());
  return names;
}

// "RECIPE_" of RECIPE_UNSPECIFIED.
std::string EnumPrefix(const EnumDescriptor& type) {
  const std::string& zero = type.value(0)->name();
  return zero.substr(0, zero.size() - std::string("UNSPECIFIED").size());
}

absl::Status SetEnum(const FieldDescriptor& field, const std::string& text, Message& message) {
  const EnumDescriptor& type = *field.enum_type();
  const std::string upper = absl::AsciiStrToUpper(text), prefix = EnumPrefix(type);
  for (const std::string& name : {upper, absl::StrCat(prefix, upper)}) {
    if (const auto* value = type.FindValueByName(name)) {
      message.GetReflection()->SetEnum(&message, &field, value);
      return absl::OkStatus();
    }
  }
  std::vector<std::string> choices;
  for (int i = 1; i < type.value_count(); ++i) {
    choices.push_back(type.value(i)->name().substr(prefix.size()));
  }
  return absl::InvalidArgumentError(absl::StrCat("must be one of ", absl::StrJoin(choices, ", ")));
}

absl::Status SetScalar(const FieldDescriptor& field, const std::string& text, Message& message) {
  const Reflection& reflection = *message.GetReflection();
  const auto wrong = [](const char* what) { return absl::InvalidArgumentError(what); };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      if (ValidUtf8Length(text) < text.size())
        return wrong("must be UTF-8; rename the file or folder");
      reflection.SetString(&message, &field, text);
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_BOOL: {
      bool value = false;
      if (!absl::SimpleAtob(text, &value)) return wrong("must be true or false");
      reflection.SetBool(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      uint32_t value = 0;
      if (!absl::SimpleAtoi(text, &value)) return wrong("must be a whole number of 0 or more");
      reflection.SetUInt32(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      uint64_t value = 0;
      if (!absl::SimpleAtoi(text, &value)) return wrong("must be a whole number of 0 or more");
      reflection.SetUInt64(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      int64_t value = 0;
      if (!absl::SimpleAtoi(text, &value)) return wrong("must be a whole number");
      reflection.SetInt64(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      double value = 0;
      if (!absl::SimpleAtod(text, &value)) return wrong("must be a number");
      reflection.SetDouble(&message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(field, text, message);
    default:
      return wrong("is a group of fields: set one of them");
  }
}

}  // namespace

absl::StatusOr<v1::TrainingSpec> ReadSpec(const std::string& path) {
  const auto text = ReadTextFile(path, kMaxSpecBytes);
  if (!text.ok()) return text.status();
  const absl::string_view content = absl::StripLeadingAsciiWhitespace(*text);
  const bool is_json = !content.empty() && content.front() == '{';
  return is_json ? ParseJson(*text, path) : ParseText(*text, path);
}

absl::Status SetField(absl::string_view assignment, v1::TrainingSpec& spec) {
  const size_t equals = assignment.find('=');
  if (equals == absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat(assignment, ": expected FIELD=VALUE"));
  }
  const std::string path(assignment.substr(0, equals)), value(assignment.substr(equals + 1));
  const std::vector<std::string> names = absl::StrSplit(path, '.');
  Message* message = &spec;
  for (size_t i = 0; i < names.size(); ++i) {
    const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(names[i]);
    if (field == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("there is no field ", path, "; known are ",
                                                     absl::StrJoin(FieldNames(*message), ", ")));
    }
    if (i + 1 < names.size()) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
        return absl::InvalidArgumentError(absl::StrCat(path, ": ", names[i], " has no fields"));
      }
      message = message->GetReflection()->MutableMessage(message, field);
      continue;
    }
    if (absl::Status status = SetScalar(*field, value, *message); !status.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", status.message()));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  for (const Preset& preset : Presets()) names.emplace_back(preset.name);
  return names;
}

absl::StatusOr<v1::TrainingSpec> ResolveSpec(const v1::TrainingSpec& spec) {
  const std::string name = spec.preset().empty() ? kDefaultPreset : spec.preset();
  for (const Preset& preset : Presets()) {
    if (name != preset.name) continue;
    auto resolved = ParseText(std::string(preset.textproto), absl::StrCat("preset ", name));
    if (!resolved.ok()) return resolved.status();
    resolved->MergeFrom(spec);
    resolved->set_preset(name);
    return resolved;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "preset: there is none called ", name, "; known are ", absl::StrJoin(PresetNames(), ", ")));
}

absl::Status ValidateSpec(const v1::TrainingSpec& resolved) {
  const std::vector<std::string> errors = SpecErrors(resolved);
  if (errors.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the spec is wrong: ", absl::StrJoin(errors, "; ")));
}

namespace {

// ImageNet's statistics, which the backbones' published weights were trained with.
v1::Preprocessing PreprocessingOf(const v1::TrainingSpec::InputSpec& input) {
  v1::Preprocessing preprocessing;
  preprocessing.set_height(input.height());
  preprocessing.set_width(input.width());
  preprocessing.set_grey(input.grey());
  preprocessing.set_edges(input.edges());
  preprocessing.set_thicken(input.thicken());
  preprocessing.set_filter(input.filter());
  preprocessing.set_resize_first(input.resize_first());
  preprocessing.set_fit(input.fit());
  for (const float mean : {0.485F, 0.456F, 0.406F}) preprocessing.add_mean(mean);
  for (const float std : {0.229F, 0.224F, 0.225F}) preprocessing.add_std(std);
  return preprocessing;
}

}  // namespace

absl::StatusOr<v1::CheckpointManifest> ManifestOf(const v1::TrainingSpec& resolved,
                                                  const std::vector<std::string>& attributes) {
  v1::CheckpointManifest manifest;
  v1::Backbone& backbone = *manifest.mutable_backbone();
  backbone.set_arch(resolved.backbone().arch());
  backbone.set_last_stage(resolved.backbone().last_stage());
  backbone.set_last_stride(
      resolved.backbone().last_stage() == 3 ? 2 : resolved.backbone().last_stride());
  backbone.set_shared(resolved.backbone().shared());
  v1::Embedding& embedding = *manifest.mutable_embedding();
  embedding.set_pooling(resolved.embedding().pooling());
  if (embedding.pooling() == v1::POOLING_GRID) {
    embedding.set_grid(resolved.embedding().grid());
    embedding.set_fine_grid(resolved.embedding().fine_grid());
  }
  embedding.set_neck(resolved.embedding().neck());
  embedding.set_retrieval_feature(resolved.embedding().retrieval_feature());
  const auto pooled = PooledDimension(backbone, embedding);
  if (!pooled.ok()) return pooled.status();
  embedding.set_projection(resolved.embedding().dimension() > 0);
  embedding.set_dimension(embedding.projection() ? resolved.embedding().dimension()
                                                 : static_cast<uint32_t>(*pooled));
  *manifest.mutable_photo() = PreprocessingOf(resolved.photo());
  *manifest.mutable_sketch() = PreprocessingOf(resolved.sketch());
  for (const std::string& attribute : attributes) manifest.add_attributes(attribute);
  if (!attributes.empty()) {
    manifest.set_attribute_hidden(resolved.recipe() == v1::RECIPE_RELEASE ? kReleaseHidden
                                                                          : kPaperHidden);
  }
  return manifest;
}

std::string SpecDigest(const v1::TrainingSpec& spec) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    spec.SerializeToCodedStream(&coded);
  }
  return Sha256(bytes);
}

}  // namespace s2p
