// The most memory that tensors take at a time while a scope lasts, as torch's allocators report it.

#pragma once

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>

namespace egraff {

class PeakMemory {
 public:
  PeakMemory() :
      record_(std::make_shared<Record>()), guard_(c10::DebugInfoKind::PROFILER_STATE, record_)
  {}

  // Bytes on top of what was allocated before.
  int64_t bytes() const { return record_->peak(); }

 private:
  // Threads of a parallel loop report too.
  class Record : public c10::MemoryReportingInfoBase {
   public:
    void reportMemoryUsage(void *, int64_t size, size_t, size_t, c10::Device) override
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      now_ += size;
      peak_ = std::max(peak_, now_);
    }
    bool memoryProfilingEnabled() const override { return true; }
    int64_t peak() const { return peak_; }

   private:
    std::mutex mutex_;
    int64_t now_ = 0, peak_ = 0;
  };

  std::shared_ptr<Record> record_;
  c10::DebugInfoGuard guard_;
};

}    // namespace egraff
