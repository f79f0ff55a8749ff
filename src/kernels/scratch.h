// Memory that a thread keeps from product to product.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace pome::kernels {

class Scratch {
 public:
  void* reserve(std::int64_t bytes) {
    if (bytes > size_) {
      memory_.reset(static_cast<std::byte*>(::operator new(static_cast<std::size_t>(bytes), alignment)));
      size_ = bytes;
    }
    return memory_.get();
  }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(std::byte* memory) const { ::operator delete(memory, alignment); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::int64_t size_ = 0;
};

}  // namespace pome::kernels
