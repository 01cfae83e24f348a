// The bytes of the tensors that a piece of code makes.
#ifndef S2P_TRAINER_MEMORY_ALLOCATION_COUNTER_H_
#define S2P_TRAINER_MEMORY_ALLOCATION_COUNTER_H_

#include <cstdint>
#include <memory>

namespace s2p {

// Counts the memory of tensors in main memory that this thread allocates and frees from its
// construction to its destruction, also on the way back through autograd's graph. Memory that
// libraries such as oneDNN use inside a call is not counted. Counters nest like scopes; an outer
// one does not see the allocations of an inner one. One thread only.
class AllocationCounter {
 public:
  AllocationCounter();
  ~AllocationCounter();
  AllocationCounter(const AllocationCounter&) = delete;
  AllocationCounter& operator=(const AllocationCounter&) = delete;

  // The bytes that are allocated now.
  uint64_t live_bytes() const;
  // The most that were since the construction or the last call of ResetPeak.
  uint64_t peak_bytes() const;
  // Makes peak_bytes() what live_bytes() is now.
  void ResetPeak();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace s2p

#endif  // S2P_TRAINER_MEMORY_ALLOCATION_COUNTER_H_
