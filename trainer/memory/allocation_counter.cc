#include "trainer/memory/allocation_counter.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstddef>
#include <mutex>

namespace s2p {
namespace {

// LibTorch calls it for each allocation (positive) and each deallocation (negative) of tensors.
class Meter : public c10::MemoryReportingInfoBase {
 public:
  bool memoryProfilingEnabled() const override { return true; }
  // LibTorch declares the first before 2.2, and the second since then.
  virtual void reportMemoryUsage(void* address, int64_t bytes, int64_t allocated, int64_t reserved,
                                 c10::Device device) {
    (void)address, (void)allocated, (void)reserved;
    Count(bytes, device);
  }
  virtual void reportMemoryUsage(void* address, int64_t bytes, size_t allocated, size_t reserved,
                                 c10::Device device) {
    (void)address, (void)allocated, (void)reserved;
    Count(bytes, device);
  }

  void Count(int64_t bytes, c10::Device device) {
    if (!device.is_cpu()) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    live_ += bytes;
    peak_ = std::max(peak_, live_);
  }
  int64_t live() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return live_;
  }
  int64_t peak() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return peak_;
  }
  void ResetPeak() {
    const std::lock_guard<std::mutex> lock(mutex_);
    peak_ = live_;
  }

 private:
  // Autograd's own threads inherit the meter.
  std::mutex mutex_;
  int64_t live_ = 0, peak_ = 0;
};

uint64_t Bytes(int64_t count) { return static_cast<uint64_t>(std::max<int64_t>(0, count)); }

}  // namespace

struct AllocationCounter::Impl {
  std::shared_ptr<Meter> meter = std::make_shared<Meter>();
  c10::DebugInfoGuard guard{c10::DebugInfoKind::PROFILER_STATE, meter};
};

AllocationCounter::AllocationCounter() : impl_(std::make_unique<Impl>()) {}
AllocationCounter::~AllocationCounter() = default;
uint64_t AllocationCounter::live_bytes() const { return Bytes(impl_->meter->live()); }
uint64_t AllocationCounter::peak_bytes() const { return Bytes(impl_->meter->peak()); }
void AllocationCounter::ResetPeak() { impl_->meter->ResetPeak(); }

}  // namespace s2p
