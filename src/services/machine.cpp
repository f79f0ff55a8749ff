// What this machine has: memory, threads, instructions, a GPU, room on disk.
#include "base/thread_pool.h"
#include "kernels/isa.h"
#include "services/bench.h"
#include "services/memory.h"
#include "services/recommend.h"

namespace pome::services {
namespace {

// As NVIDIA's driver names it: "Model: \t\t NVIDIA H100".
std::string nvidia_gpu() {
  std::error_code failed;
  for (fs::directory_iterator it("/proc/driver/nvidia/gpus", failed), end; !failed && it != end;
       it.increment(failed)) {
    std::FILE* file = std::fopen((it->path() / "information").c_str(), "re");
    if (file == nullptr) continue;
    char text[256] = {};
    const std::string line = std::fgets(text, sizeof text, file) != nullptr ? text : "";
    std::fclose(file);
    const auto begin = line.find_first_not_of(" \t", line.find(':') + 1);
    if (begin == std::string::npos) continue;
    return line.substr(begin, line.find_last_not_of(" \t\n") + 1 - begin);
  }
  return {};
}

std::uint64_t free_on_disk(fs::path folder) {
  std::error_code failed;
  while (!fs::exists(folder, failed) && folder != folder.parent_path()) folder = folder.parent_path();
  const fs::space_info space = fs::space(folder, failed);
  return failed ? 0 : static_cast<std::uint64_t>(space.available);
}

}  // namespace

Machine measure_machine(const store::Paths& paths) {
  Machine machine;
  machine.memory_bytes = total_memory();
  machine.available_bytes = available_memory();
  machine.threads = default_threads();
  machine.instructions = kernels::isa_name(kernels::active_isa());
  machine.gpu = nvidia_gpu();
  machine.disk_bytes = free_on_disk(paths.hf_cache);
  machine.read_gbps = measure_read_bandwidth(machine.threads);
  return machine;
}

Json Machine::to_json() const {
  return {
      {"memory_bytes", memory_bytes}, {"available_bytes", available_bytes},      {"threads", threads},
      {"instructions", instructions}, {"gpu", gpu.empty() ? Json() : Json(gpu)}, {"disk_bytes", disk_bytes},
      {"read_gbps", read_gbps}};
}

}  // namespace pome::services
