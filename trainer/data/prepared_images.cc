#include "trainer/data/prepared_images.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "trainer/data/parallel_for.h"

namespace s2p {
namespace {

// A confirmed pair that was forgotten after its line was read has taken its images away.
bool IsForgotten(const DataSetImage& image, const absl::Status& failure) {
  return !image.folder.empty() && absl::IsNotFound(failure);
}

// Writes down which images failed; an error if too many did.
absl::Status LeaveOut(const std::vector<absl::Status>& failures,
                      const std::vector<DataSetImage>& images, UnreadableImages& unreadable) {
  unreadable.left_out.clear();
  size_t forgotten = 0;
  for (size_t i = 0; i < failures.size(); ++i) {
    if (failures[i].ok()) continue;
    if (i < images.size() && IsForgotten(images[i], failures[i])) ++forgotten;
    if (unreadable.left_out.empty()) unreadable.first_error = std::string(failures[i].message());
    unreadable.left_out.push_back(i);
  }
  const size_t asked = images.size();
  const auto allowed = unreadable.allowed_share * static_cast<double>(asked);
  if (static_cast<double>(unreadable.left_out.size() - forgotten) <= allowed) {
    return absl::OkStatus();
  }
  return absl::Status(
      failures[unreadable.left_out[0]].code(),
      absl::StrCat(unreadable.left_out.size(), " of ", asked,
                   " images cannot be read, more than the share of ", unreadable.allowed_share,
                   "; the first: ", unreadable.first_error));
}

// The pixels [height, width, channels] as an image: a single channel stands for all three.
void Unpack(const uint8_t* in, int channels, Image& image) {
  const size_t row_pixels = static_cast<size_t>(image.width());
  for (int y = 0; y < image.height(); ++y) {
    uint8_t* out = image.row(y);
    if (channels == Image::kChannels) {
      std::memcpy(out, in, row_pixels * Image::kChannels);
      in += row_pixels * Image::kChannels;
      continue;
    }
    for (size_t x = 0; x < row_pixels; ++x, out += Image::kChannels) {
      std::fill_n(out, Image::kChannels, *in++);
    }
  }
}

}  // namespace

PreparedImages::PreparedImages(const Preprocessor& preprocessor)
    : preprocessor_(preprocessor),
      channels_(ChannelsOf(preprocessor.spec())),
      image_bytes_(static_cast<size_t>(preprocessor.height()) * preprocessor.width() * channels_) {}

int PreparedImages::ChannelsOf(const v1::Preprocessing& preprocessing) {
  return preprocessing.grey() ? 1 : Image::kChannels;
}

absl::StatusOr<std::shared_ptr<const PreparedImages>> PreparedImages::Load(
    const DataSet& data_set, const std::vector<DataSetImage>& images,
    const Preprocessor& preprocessor, int threads,
    const std::function<void(int64_t, int64_t)>& progress, UnreadableImages* unreadable,
    const std::function<bool()>& stop, const MadeImages& made) {
  std::shared_ptr<PreparedImages> prepared(new PreparedImages(preprocessor));
  const auto count = static_cast<int64_t>(images.size());
  if (data_set.packed() != nullptr) {
    S2P_CHECK(made.items == 0);
    S2P_RETURN_IF_ERROR(prepared->KeepInFile(data_set, images));
    if (progress) progress(count, count);
    return prepared;
  }
  const int64_t total = count + made.items * made.each;
  S2P_RETURN_IF_ERROR(prepared->Allocate(total));
  std::vector<absl::Status> failures(static_cast<size_t>(total));
  S2P_RETURN_IF_ERROR(ParallelFor(
      count + made.items, std::max(1, threads),
      [&](int64_t i) {
        if (i >= count) return prepared->Make(made, i - count, count);
        const auto index = static_cast<size_t>(i);
        const auto image = data_set.Read(images[index]);
        if (image.ok()) prepared->Store(i, preprocessor.Prepare(*image));
        if (unreadable == nullptr) return image.status();
        failures[index] = image.status();
        return absl::OkStatus();
      },
      progress, stop));
  if (unreadable == nullptr) return prepared;
  S2P_RETURN_IF_ERROR(LeaveOut(failures, images, *unreadable));
  prepared->CloseGaps(failures);
  return prepared;
}

absl::Status PreparedImages::KeepInFile(const DataSet& data_set,
                                        const std::vector<DataSetImage>& images) {
  packed_ = data_set.packed();
  size_ = static_cast<int>(images.size());
  if (images.empty()) return absl::OkStatus();
  modality_ = images[0].modality;
  S2P_RETURN_IF_ERROR(packed_->CheckPreprocessing(modality_, preprocessor_.spec()));
  rows_.reserve(images.size());
  for (const DataSetImage& image : images) {
    S2P_CHECK(image.modality == modality_);
    rows_.push_back(image.row);
  }
  return absl::OkStatus();
}

absl::Status PreparedImages::Allocate(int64_t count) {
  size_ = static_cast<int>(count);
  pixels_.reset(new (std::nothrow) uint8_t[image_bytes_ * static_cast<size_t>(count)]);
  if (pixels_ != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("not enough memory for ", count, " images of ", image_bytes_,
                   " bytes; images of a packed data set stay on the disk"));
}

absl::Status PreparedImages::Make(const MadeImages& made, int64_t item, int64_t first) {
  S2P_ASSIGN_OR_RETURN(const auto images, made.make(item));
  S2P_CHECK(images.size() == static_cast<size_t>(made.each));
  int64_t place = first + item * made.each;
  for (const Image& image : images) Store(place++, preprocessor_.Prepare(image));
  return absl::OkStatus();
}

void PreparedImages::Store(int64_t i, const Image& image) {
  S2P_CHECK(image.width() == preprocessor_.width() && image.height() == preprocessor_.height());
  uint8_t* out = pixels_.get() + static_cast<size_t>(i) * image_bytes_;
  const absl::Span<const uint8_t> pixels = image.pixels();
  if (channels_ == Image::kChannels) {
    std::copy(pixels.begin(), pixels.end(), out);
    return;
  }
  for (size_t at = 0; at < pixels.size(); at += Image::kChannels) *out++ = pixels[at];
}

void PreparedImages::CloseGaps(const std::vector<absl::Status>& failures) {
  size_t kept = 0;
  for (size_t i = 0; i < failures.size(); ++i) {
    if (!failures[i].ok()) continue;
    if (kept != i) {
      std::memcpy(pixels_.get() + kept * image_bytes_, pixels_.get() + i * image_bytes_,
                  image_bytes_);
    }
    ++kept;
  }
  size_ = static_cast<int>(kept);
}

absl::StatusOr<Image> PreparedImages::Read(int i) const {
  S2P_CHECK(i >= 0 && i < size_);
  Image image(preprocessor_.width(), preprocessor_.height());
  if (packed_ == nullptr) {
    Unpack(pixels_.get() + static_cast<size_t>(i) * image_bytes_, channels_, image);
    return image;
  }
  std::vector<uint8_t> pixels(image_bytes_);
  S2P_RETURN_IF_ERROR(
      packed_->ReadPixels(modality_, rows_[static_cast<size_t>(i)], absl::MakeSpan(pixels)));
  Unpack(pixels.data(), channels_, image);
  return image;
}

absl::string_view PreparedImages::bytes() const {
  if (pixels_ == nullptr) return {};
  return {reinterpret_cast<const char*>(pixels_.get()), image_bytes_ * static_cast<size_t>(size_)};
}

}  // namespace s2p
