// A device that has no memory left.
#ifndef S2P_TESTS_TRAINER_NO_TENSOR_MEMORY_H_
#define S2P_TESTS_TRAINER_NO_TENSOR_MEMORY_H_

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <cstddef>
#include <cstring>

namespace s2p::test {

// While it lives, no tensor can be made in main memory: LibTorch throws what it throws for a full
// device. One at a time.
class NoTensorMemory {
 public:
  NoTensorMemory() : former_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(&full_, kPriority); }
  ~NoTensorMemory() { c10::SetCPUAllocator(former_, kPriority); }
  NoTensorMemory(const NoTensorMemory&) = delete;
  NoTensorMemory& operator=(const NoTensorMemory&) = delete;

 private:
  static constexpr uint8_t kPriority = 100;

  class Full : public c10::Allocator {
   public:
    // LibTorch declares the first before 2.2, and the other two since then.
    virtual c10::DataPtr allocate(size_t) const { return Refuse(); }
    virtual c10::DataPtr allocate(size_t) { return Refuse(); }
    virtual void copy_data(void* to, const void* from, size_t bytes) const {
      std::memcpy(to, from, bytes);
    }

   private:
    static c10::DataPtr Refuse() {
      TORCH_CHECK_WITH(OutOfMemoryError, false, "out of memory");
      return {};
    }
  };

  Full full_;
  c10::Allocator* const former_;
};

}  // namespace s2p::test

#endif  // S2P_TESTS_TRAINER_NO_TENSOR_MEMORY_H_
