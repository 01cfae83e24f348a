#include "server/decoder/decoder_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <filesystem>
#include <iterator>
#include <opencv2/imgcodecs.hpp>
#include <thread>
#include <vector>

#include "tests/server/decoder/decoder_fixture.h"
#include "tests/testing/status_matchers.h"

namespace s2p::test {
namespace {

using testing::Each;
using testing::HasSubstr;

// A call that ends once its process is certain to be busy: it has been asked before.
CallLife UntilAskedTwice() {
  CallLife life;
  life.cancelled = [asked = 0]() mutable { return ++asked >= 2; };
  return life;
}

class DecoderProcessTest : public testing::Test {
 protected:
  void Start(const DecoderProcessOptions& options) {
    auto process = DecoderProcess::Start(options);
    ASSERT_THAT(process, IsOk());
    process_ = *std::move(process);
    pid_ = process_->pid();
  }
  absl::StatusOr<Image> Decode(const std::string& bytes, const CallLife& life = {}) {
    const auto header = ReadImageHeader(bytes);
    EXPECT_THAT(header, IsOk());
    return process_->Decode(bytes, *header, life);
  }
  void ExpectDecoded(const std::string& bytes) {
    const auto image = Decode(bytes);
    ASSERT_THAT(image, IsOk());
    const auto expected = DecodeImage(bytes);
    ASSERT_EQ(image->width(), expected->width());
    EXPECT_TRUE(image->pixels() == expected->pixels());
  }
  void ExpectEnded(DecoderEnd end) {
    EXPECT_FALSE(process_->IsAlive());
    EXPECT_EQ(process_->end(), end);
    EXPECT_FALSE(Exists(pid_));
  }

  std::unique_ptr<DecoderProcess> process_;
  pid_t pid_ = -1;
};

std::string TurnedJpeg() {
  const std::string jpeg = *EncodeJpeg(Pattern(37, 21));
  return absl::StrCat(jpeg.substr(0, 2), JpegExif(ExifTiff(6)), jpeg.substr(2));
}

TEST_F(DecoderProcessTest, ImagesAreThoseOfDecodeImage) {
  Start(RealDecoder());
  ExpectDecoded(*EncodePng(Pattern(37, 21)));
  ExpectDecoded(*EncodeJpeg(Pattern(300, 200)));
  ExpectDecoded(TurnedJpeg());
  ExpectDecoded(Png({2, 1, 8, 4}, {Bytes({100, 0, 100, 128})}));
  EXPECT_TRUE(process_->IsAlive());
}

TEST_F(DecoderProcessTest, PixelsBelongToTheCaller) {
  Start(RealDecoder());
  auto image = Decode(*EncodePng(Image(3, 2, 7)));
  ASSERT_THAT(image, IsOk());
  process_.reset();
  image->row(1)[2] = 9;
  EXPECT_EQ(image->row(1)[2], 9);
  EXPECT_EQ(image->row(0)[0], 7);
}

TEST_F(DecoderProcessTest, DamagedImageIsRefusedAndTheProcessStays) {
  Start(RealDecoder());
  EXPECT_THAT(Decode(Png({1, 2, 8, 3}, {Bytes({7})})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("the PNG image")));
  ExpectDecoded(*EncodePng(Pattern(3, 2)));
  EXPECT_EQ(process_->pid(), pid_);
}

TEST_F(DecoderProcessTest, ProcessHasGivenUpItsRights) {
  Start(RealDecoder());
  EXPECT_EQ(StatusOfProcess(pid_, "NoNewPrivs"), 1);
  EXPECT_EQ(StatusOfProcess(pid_, "Threads"), 1);
  if (kIsSanitized) GTEST_SKIP() << "sanitizers run without the filter";
  constexpr int kFiltered = 2;
  EXPECT_EQ(StatusOfProcess(pid_, "Seccomp"), kFiltered);
}

TEST_F(DecoderProcessTest, ProcessInheritsNoDescriptorsAndNoEnvironment) {
  if (kIsSanitized) GTEST_SKIP() << "sanitizers read the environment";
  setenv("S2P_TEST_SECRET", "key", 1);
  Start(RealDecoder());
  std::error_code error;
  const std::filesystem::directory_iterator folder(absl::StrCat("/proc/", pid_, "/fd"), error);
  if (error) GTEST_SKIP() << "only the superuser may look at it";
  // The standard streams and the socket.
  EXPECT_EQ(std::distance(begin(folder), end(folder)), 4);
  std::ifstream environment(absl::StrCat("/proc/", pid_, "/environ"));
  const std::string text((std::istreambuf_iterator<char>(environment)), {});
  EXPECT_THAT(text, testing::Not(HasSubstr("S2P_TEST_SECRET")));
}

TEST_F(DecoderProcessTest, CrashIsTheImagesFault) {
  Start(FakeDecoder());
  EXPECT_THAT(Decode(Order("crash")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("the image ended the decoder (signal 11, SIGSEGV)")));
  ExpectEnded(DecoderEnd::kCrashed);
}

TEST_F(DecoderProcessTest, ExitIsTheImagesFault) {
  Start(FakeDecoder());
  EXPECT_THAT(Decode(Order("exit")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("the image ended the decoder (exit code 7)")));
  ExpectEnded(DecoderEnd::kCrashed);
}

TEST_F(DecoderProcessTest, KillFromOutsideIsNotTheImagesFault) {
  Start(FakeDecoder());
  CallLife life;
  life.cancelled = [this] {
    kill(pid_, SIGKILL);
    return false;
  };
  EXPECT_THAT(Decode(Order("hang"), life),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("when memory runs out")));
  ExpectEnded(DecoderEnd::kCrashed);
}

TEST_F(DecoderProcessTest, DeadlineEndsADecoderThatHangs) {
  Start(FakeDecoder());
  CallLife life;
  life.deadline = SteadyTime::Now() + absl::Milliseconds(1);
  EXPECT_THAT(Decode(Order("hang"), life),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       HasSubstr("the deadline passed before the image was decoded")));
  ExpectEnded(DecoderEnd::kCallEnded);
}

TEST_F(DecoderProcessTest, CancellationEndsADecoderThatHangs) {
  Start(FakeDecoder());
  EXPECT_THAT(Decode(Order("hang"), UntilAskedTwice()), StatusIs(absl::StatusCode::kCancelled));
  ExpectEnded(DecoderEnd::kCallEnded);
}

TEST_F(DecoderProcessTest, DecoderThatIsStoppedIsEndedAndTheImageIsNotBlamed) {
  Start(RealDecoder());
  ASSERT_EQ(kill(pid_, SIGSTOP), 0);
  EXPECT_THAT(Decode(*EncodePng(Pattern(3, 2))),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("the decoder was stopped")));
  ExpectEnded(DecoderEnd::kStopped);
}

TEST_F(DecoderProcessTest, DecoderThatIsStoppedWhileIdleIsNotAlive) {
  Start(RealDecoder());
  ASSERT_EQ(kill(pid_, SIGSTOP), 0);
  while (process_->IsAlive()) std::this_thread::yield();
  ExpectEnded(DecoderEnd::kStopped);
}

TEST_F(DecoderProcessTest, ImageThatTakesTooLongIsRefused) {
  DecoderProcessOptions options = FakeDecoder();
  options.max_decode_time = absl::Milliseconds(1);
  // The start has its own limit.
  Start(options);
  const absl::Status status = Decode(Order("hang")).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("takes more than 1ms to decode")));
  EXPECT_TRUE(IsTooSlow(status));
  ExpectEnded(DecoderEnd::kTooSlow);
}

TEST_F(DecoderProcessTest, AnswersThatNoDecoderGivesEndTheProcess) {
  for (const auto& [order, words] : {std::pair(Order("other size"), "answered with another size"),
                                     {LargeOrder("other size"), "answered with another size"},
                                     {Order("nonsense"), "answered nonsense"},
                                     {Order("wrong code"), "answered nonsense"},
                                     {LargeOrder("keep memory"), "kept the memory of an image"}}) {
    Start(FakeDecoder());
    EXPECT_THAT(Decode(order), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(words)));
    ExpectEnded(DecoderEnd::kMisbehaved);
  }
}

TEST_F(DecoderProcessTest, ImageShowsNothingOfTheOneBefore) {
  Start(FakeDecoder());
  const auto filled = Decode(Order("fill"));
  ASSERT_THAT(filled, IsOk());
  EXPECT_THAT(filled->pixels(), Each(255));
  const auto untouched = Decode(Order(""));
  ASSERT_THAT(untouched, IsOk());
  EXPECT_THAT(untouched->pixels(), Each(0));
  EXPECT_THAT(filled->pixels(), Each(255)) << "the pixels are the caller's own";
}

TEST_F(DecoderProcessTest, ImageShowsNothingOfOneThatWasRefused) {
  Start(FakeDecoder());
  EXPECT_THAT(Decode(Order("fill and refuse")),
              StatusIs(absl::StatusCode::kInvalidArgument, "refused"));
  const auto untouched = Decode(Order(""));
  ASSERT_THAT(untouched, IsOk());
  EXPECT_THAT(untouched->pixels(), Each(0));
}

TEST_F(DecoderProcessTest, KeptMemoryCannotBeTakenFromTheServer) {
  Start(FakeDecoder());
  EXPECT_THAT(Decode(Order("shrink")), IsOk());
  EXPECT_THAT(Decode(Order("")), IsOk());
}

TEST_F(DecoderProcessTest, SmallAndLargeImagesTakeTurns) {
  Start(RealDecoder());
  for (int i = 0; i < 3; ++i) {
    ExpectDecoded(*EncodePng(Pattern(20 + i, 30)));
    ExpectDecoded(*EncodeJpeg(Pattern(1200 + i, 900)));
  }
  EXPECT_TRUE(process_->IsAlive());
}

TEST_F(DecoderProcessTest, ProcessThatWasKilledWhileIdleIsNotAlive) {
  Start(RealDecoder());
  ASSERT_EQ(kill(pid_, SIGKILL), 0);
  while (process_->IsAlive()) std::this_thread::yield();
  ExpectEnded(DecoderEnd::kIdle);
}

TEST_F(DecoderProcessTest, ProcessEndsWithItsObject) {
  Start(RealDecoder());
  process_.reset();
  EXPECT_FALSE(Exists(pid_));
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), -1) << "a zombie was left";
}

TEST_F(DecoderProcessTest, NothingStaysOpen) {
  const auto descriptors = [] {
    const std::filesystem::directory_iterator folder("/proc/self/fd");
    return std::distance(begin(folder), end(folder));
  };
  const auto before = descriptors();
  for (const std::string& order :
       {Order(""), Order("crash"), Order("hang"), LargeOrder("keep memory")}) {
    Start(FakeDecoder());
    (void)Decode(order, UntilAskedTwice());
  }
  process_.reset();
  EXPECT_EQ(descriptors(), before);
}

TEST_F(DecoderProcessTest, ImageBeyondTheMemoryOfTheProcessIsRefusedAndTheProcessStays) {
  if (kIsSanitized) GTEST_SKIP() << "sanitizers run without the limit";
  DecoderProcessOptions options = RealDecoder();
  options.memory_bytes = 16 << 20;
  Start(options);
  EXPECT_THAT(Decode(*EncodePng(Image(3000, 3000))),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("more memory")));
  ExpectDecoded(*EncodePng(Pattern(3, 2)));
}

TEST(DecoderStartTest, ProgramThatIsMissingIsNamed) {
  DecoderProcessOptions options = RealDecoder();
  options.program = "/nowhere/s2p-decoder";
  EXPECT_THAT(DecoderProcess::Start(options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("/nowhere/s2p-decoder cannot be started: No such file")));
}

TEST(DecoderStartTest, ProgramThatIsNoDecoderIsNamed) {
  DecoderProcessOptions options = RealDecoder();
  options.program = "/bin/true";
  EXPECT_THAT(DecoderProcess::Start(options), StatusIs(absl::StatusCode::kFailedPrecondition,
                                                       HasSubstr("/bin/true does not start")));
}

// 12 megapixels in each format.
class DecoderMemoryTest : public DecoderProcessTest {
 protected:
  static constexpr int kWidth = 4000, kHeight = 3000;
  static constexpr int64_t kPixels = int64_t{kWidth} * kHeight;

  // Most memory that the process took at one time beyond what it had before.
  int64_t Peak(const std::string& bytes) {
    Start(RealDecoder());
    const int64_t before = StatusOfProcess(pid_, "VmHWM");
    EXPECT_THAT(Decode(bytes), IsOk());
    return (StatusOfProcess(pid_, "VmHWM") - before) * 1024;
  }
  static std::string Encode(const char* extension, int type, const std::vector<int>& parameters) {
    cv::Mat image(kHeight, kWidth, type);
    for (int y = 0; y < kHeight; ++y) image.row(y).setTo(cv::Scalar::all(y % 251));
    std::vector<uint8_t> bytes;
    EXPECT_TRUE(cv::imencode(extension, image, bytes, parameters));
    return std::string(bytes.begin(), bytes.end());
  }
  void ExpectAsStated(const std::string& bytes) {
    if (kIsSanitized) GTEST_SKIP() << "sanitizers take memory of their own";
    EXPECT_LE(Peak(bytes), ReadImageHeader(bytes)->decode_bytes);
  }
  void ExpectFourBytesAPixel(const std::string& bytes) {
    if (kIsSanitized) GTEST_SKIP() << "sanitizers take memory of their own";
    EXPECT_LE(Peak(bytes), 4 * kPixels + static_cast<int64_t>(bytes.size()));
  }
};

TEST_F(DecoderMemoryTest, BaselineJpegTakesFourBytesAPixel) {
  const std::string jpeg = Encode(".jpg", CV_8UC3, {});
  ExpectFourBytesAPixel(jpeg);
  ExpectAsStated(jpeg);
}

TEST_F(DecoderMemoryTest, TurnedJpegTakesFourBytesAPixel) {
  const std::string jpeg = Encode(".jpg", CV_8UC3, {});
  ExpectFourBytesAPixel(absl::StrCat(jpeg.substr(0, 2), JpegExif(ExifTiff(6)), jpeg.substr(2)));
}

TEST_F(DecoderMemoryTest, SmallFileOfA16BitPngWithAlphaTakesFourBytesAPixel) {
  const std::string png = Encode(".png", CV_16UC4, {cv::IMWRITE_PNG_COMPRESSION, 4});
  EXPECT_LT(png.size(), 1'000'000);
  ExpectFourBytesAPixel(png);
  ExpectAsStated(png);
}

TEST_F(DecoderMemoryTest, ProgressiveJpegTakesWhatItsHeaderStates) {
  ExpectAsStated(Encode(".jpg", CV_8UC3, {cv::IMWRITE_JPEG_PROGRESSIVE, 1}));
}

TEST_F(DecoderMemoryTest, WebPTakesWhatItsHeaderStates) {
  ExpectAsStated(Encode(".webp", CV_8UC3, {cv::IMWRITE_WEBP_QUALITY, 50}));
  ExpectAsStated(Encode(".webp", CV_8UC4, {cv::IMWRITE_WEBP_QUALITY, 50}));
}

TEST_F(DecoderMemoryTest, LosslessWebPTakesWhatItsHeaderStates) {
  // More than 100 means lossless.
  ExpectAsStated(Encode(".webp", CV_8UC3, {cv::IMWRITE_WEBP_QUALITY, 101}));
}

TEST_F(DecoderMemoryTest, LargeImageLeavesNothingBehind) {
  if (kIsSanitized) GTEST_SKIP() << "sanitizers keep memory";
  const std::string jpeg = Encode(".jpg", CV_8UC3, {cv::IMWRITE_JPEG_PROGRESSIVE, 1});
  Start(RealDecoder());
  const int64_t before = StatusOfProcess(pid_, "VmRSS");
  ASSERT_THAT(Decode(jpeg), IsOk());
  EXPECT_LT(StatusOfProcess(pid_, "VmRSS"), before + 8 * 1024);
}

TEST(MostDecodeBytesTest, CoversTheCostliestKindsOfImage) {
  const ImageLimits limits;
  const auto lossless = ReadImageHeader(
      WebP(absl::StrCat(WebPCanvas(8000, 5000, 0x18), WebPLosslessHeader(8000, 5000),
                        RiffChunk("EXIF", ExifTiff(6)))));
  ASSERT_THAT(lossless, IsOk());
  EXPECT_LE(lossless->decode_bytes, MostDecodeBytes(limits));
  const auto cmyk = ReadImageHeader(Jpeg(8000, 5000, 4, 0xC2));
  ASSERT_THAT(cmyk, IsOk());
  EXPECT_LE(cmyk->decode_bytes, MostDecodeBytes(limits));
}

}  // namespace
}  // namespace s2p::test
