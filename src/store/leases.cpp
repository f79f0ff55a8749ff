#include "store/leases.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "base/json.h"

namespace pome::store {
namespace {

constexpr std::string_view ending = ".json";
constexpr std::size_t longest_lease = 64 << 10;

fs::path leases_folder(const Paths& paths) { return paths.state / "leases"; }
fs::path gate_file(const Paths& paths) { return leases_folder(paths) / "gate.lock"; }

// A model's folder as a file's name: FNV-1a of its path, which need not be undone.
std::string used_name(const fs::path& folder) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : folder.string()) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}
// By the path as it is written: a last use is asked for of every model that is listed.
fs::path used_file(const Paths& paths, const fs::path& folder) {
  return paths.state / "used" / used_name(fs::absolute(folder).lexically_normal());
}

// "pome run": the program's name and the first word after it. Sizes in /proc are 0, so it is read as a
// stream.
std::string program_name() {
  std::ifstream stream("/proc/self/cmdline", std::ios::binary);
  std::string program, word;
  if (!std::getline(stream, program, '\0')) return "pome";
  program = fs::path(program).filename().string();
  std::getline(stream, word, '\0');
  return word.empty() || word.starts_with('-') ? program : program + " " + word.substr(0, 100);
}

std::int64_t seconds(Time time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace

std::shared_ptr<const Lease> Lease::acquire(const Paths& paths, const std::string& model,
                                            const fs::path& folder) {
  static std::atomic<unsigned> number = 0;
  try {
    std::error_code failed;
    fs::create_directories(leases_folder(paths), failed);
    fs::create_directories(paths.state / "used", failed);
    const fs::path file = leases_folder(paths) / fmt::format("{}.{}{}", ::getpid(), ++number, ending);
    const fs::path real = fs::weakly_canonical(folder, failed);
    write_file_atomic(used_file(paths, folder), real.string() + "\n");
    const Json lease{{"format_version", 1},       {"process", ::getpid()},
                     {"program", program_name()}, {"model", model},
                     {"folder", real.string()},   {"since", seconds(std::chrono::system_clock::now())}};
    // Waits while something is being deleted: what was free a moment ago would go from under us.
    int patience = 300;
    const auto wait = [&] { return patience-- > 0; };
    std::optional<FileLock> gate;
    while (!(gate = FileLock::try_lock(gate_file(paths), FileLock::Mode::shared)) && wait()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    write_file_atomic(file, lease.dump() + "\n");
    auto lock = FileLock::lock(file, wait);  // a reader may be looking whether it is locked
    if (!lock) return nullptr;
    return std::make_shared<const Lease>(std::move(*lock), file);
  } catch (const Error&) {
    return nullptr;
  }
}

Lease::~Lease() {
  std::error_code gone;
  fs::remove(file_, gone);
}

LeaseInfo parse_lease(std::string_view json, std::string_view subject) {
  const Json lease = parse_json(json, subject, 8);
  try {
    if (!lease.is_object() || json_value(lease, "format_version", 0) != 1) {
      fail(ErrorKind::corrupt, "expected an object with \"format_version\" 1");
    }
    LeaseInfo info{.process = json_value(lease, "process", 0),
                   .program = json_value<std::string>(lease, "program", ""),
                   .model = json_value<std::string>(lease, "model", ""),
                   .folder = json_value<std::string>(lease, "folder", "")};
    const auto since = json_value<std::int64_t>(lease, "since", 0);
    constexpr std::int64_t latest = std::int64_t{1} << 33;  // the year 2242; a clock counts in finer parts
    if (info.process < 1 || info.folder.empty() || since < 0 || since > latest) {
      fail(ErrorKind::corrupt, "\"process\", \"folder\" or \"since\" is missing or out of range");
    }
    info.since = Time(std::chrono::seconds(since));
    return info;
  } catch (Error& error) {
    throw std::move(error).in(std::string(subject));
  }
}

std::vector<LeaseInfo> leases_in_use(const Paths& paths) {
  std::vector<LeaseInfo> result;
  std::error_code none;
  if (!fs::exists(leases_folder(paths), none)) return result;
  // A lease is written before it is locked, behind the gate: only who holds that may take it for a dead one.
  const auto gate = FileLock::try_lock(gate_file(paths));
  for (fs::directory_iterator it(leases_folder(paths), none), end; !none && it != end; it.increment(none)) {
    const fs::path file = it->path();
    if (file.extension() != ending) continue;
    try {
      LeaseInfo info = parse_lease(read_file(file, longest_lease), file.string());
      if (const auto lock = FileLock::try_lock(file)) {
        // Nobody holds it. Where the file system knows no locks everybody gets one, so the process is asked.
        const bool no_locks = FileLock::try_lock(file).has_value();
        const bool alive = ::kill(info.process, 0) == 0 || errno == EPERM;
        if (!no_locks || !alive) {
          std::error_code gone;
          if (gate) fs::remove(file, gone);
          continue;
        }
      }
      result.push_back(std::move(info));
    } catch (const Error&) {
      // Gone meanwhile, or no lease.
    }
  }
  std::sort(result.begin(), result.end(), [](const LeaseInfo& a, const LeaseInfo& b) {
    return std::tie(a.folder, a.process) < std::tie(b.folder, b.process);
  });
  return result;
}

std::optional<FileLock> block_leases(const Paths& paths) {
  std::error_code failed;
  fs::create_directories(leases_folder(paths), failed);
  return FileLock::try_lock(gate_file(paths));
}

Time last_opened(const Paths& paths, const fs::path& folder) {
  struct stat info{};
  if (::stat(used_file(paths, folder).c_str(), &info) != 0) return {};
  return Time(std::chrono::seconds(info.st_mtim.tv_sec));
}

}  // namespace pome::store
