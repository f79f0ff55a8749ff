#include "hub/partial.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/error.h"
#include "base/system_error.h"
#include "hub/names.h"

namespace pome::hub {
namespace {

constexpr std::size_t read_bytes = std::size_t{1}
                                   << 20;  // stays in the second-level cache between read and hash

void close_file(int& fd) {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

// Old or new, never half; what a killed process leaves of it is overwritten by the next one, and goes with
// it.
void replace_text(const fs::path& file, const std::string& text) {
  const std::string made = file.string() + ".new";
  const int fd = ::open(made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) fail_errno(file, "cannot write");
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int code = errno;
  ::close(fd);
  errno = code;
  if (!written) fail_errno(file, "cannot write");
  // Where there are no locks another process may have been quicker, with a text that is as good.
  if (::rename(made.c_str(), file.c_str()) != 0 && errno != ENOENT) fail_errno(file, "cannot write");
}

fs::path beside(const fs::path& folder, const std::string& etag, const char* ending) {
  return folder / (etag + ending);
}

}  // namespace

Partial::Partial(fs::path folder, std::string etag, std::uint64_t size_bytes) : folder_(std::move(folder)) {
  journal_.etag = std::move(etag);
  journal_.size_bytes = size_bytes;
  if (!digest_kind(journal_.etag))
    fail(ErrorKind::corrupt, "\"{}\" is no digest", journal_.etag.substr(0, 100));
  std::error_code failed;
  fs::create_directories(folder_, failed);
  if (failed) {
    fail(error_kind(failed.value()), "{}: cannot create the folder: {}", folder_.string(), failed.message());
  }
  try {
    open();
    start_hashing(journal_.states.empty() ? 0 : journal_.states.rbegin()->first);
  } catch (...) {
    close_file(file_);
    close_file(journal_file_);
    throw;
  }
}

Partial::~Partial() {
  stop_hashing();
  close_file(file_);
  close_file(journal_file_);
}

void Partial::open() {
  const fs::path file = beside(folder_, journal_.etag, ".partial");
  const fs::path log = beside(folder_, journal_.etag, ".journal");
  file_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (file_ < 0) fail_errno(file, "cannot open");
  struct stat info{};
  if (::fstat(file_, &info) != 0 || !S_ISREG(info.st_mode)) fail_errno(file, "not a regular file");

  std::error_code none;
  std::optional<Journal> before;
  // A partial of another size is not the file that its journal speaks of.
  if (static_cast<std::uint64_t>(info.st_size) == size_bytes() && fs::is_regular_file(log, none)) {
    before = parse_journal(read_file(log, std::size_t{1} << 30), journal_.etag, size_bytes());
  }
  if (before) {
    journal_ = std::move(*before);
  } else {
    journal_.written.assign(journal_.blocks(), false);
    journal_.boot = boot_id();
  }
  if (::ftruncate(file_, static_cast<off_t>(size_bytes())) != 0) fail_errno(file, "cannot make room");
  if (journal_.boot != boot_id() || journal_.boot == "unknown") check_after_boot();
  journal_.boot = boot_id();
  // States can be used as far as everything before them is there.
  std::erase_if(journal_.states, [&](const auto& entry) {
    const auto end = journal_.written.begin() + static_cast<std::ptrdiff_t>(entry.first * segment_blocks);
    return std::find(journal_.written.begin(), end, false) != end;
  });
  replace_text(log, journal_text(journal_));
  journal_file_ = ::open(log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (journal_file_ < 0) fail_errno(log, "cannot open");
}

// What was written before the machine went down may or may not have reached the disk. A segment between two
// states is what it was if it leads from one to the other; the rest is fetched again.
void Partial::check_after_boot() {
  std::vector<std::byte> buffer(read_bytes);
  std::vector<bool> good(journal_.written.size(), false);
  for (const auto& [segments, state] : journal_.states) {
    const std::uint64_t before = segments - 1;
    Digest digest(*digest_kind(journal_.etag), size_bytes());
    if (before > 0) {
      const auto start = journal_.states.find(before);
      if (start == journal_.states.end()) continue;
      digest.resume(start->second, before * segment_bytes);
    }
    const std::uint64_t first = before * segment_blocks, end = segments * segment_blocks;
    hash_blocks(digest, first, end, buffer);
    if (digest.state() != state) continue;
    for (std::uint64_t block = first; block < end; ++block) good[block] = journal_.written[block];
  }
  journal_.written = std::move(good);
}

std::uint64_t Partial::bytes_there() const {
  std::uint64_t bytes = size_bytes();
  for (const Span& span : missing()) bytes -= span.size();
  return bytes;
}

std::vector<Span> Partial::missing() const {
  const std::lock_guard lock(mutex_);
  std::vector<Span> spans;
  const std::uint64_t blocks = journal_.blocks();
  for (std::uint64_t first = 0; first < blocks;) {
    std::uint64_t end = first;
    while (end < blocks && !journal_.written[end]) ++end;
    if (end > first) spans.push_back({first * block_bytes, std::min(end * block_bytes, size_bytes())});
    first = end + 1;
  }
  return spans;
}

bool Partial::has(std::uint64_t block) const {
  const std::lock_guard lock(mutex_);
  return journal_.written.at(block);
}

void Partial::write(std::uint64_t at, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(beside(folder_, journal_.etag, ".partial"), "cannot write");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    at += static_cast<std::uint64_t>(n);
  }
}

void Partial::append(const std::string& lines) {
  // At once, so that a killed process leaves whole lines.
  if (::write(journal_file_, lines.data(), lines.size()) != static_cast<ssize_t>(lines.size())) {
    fail_errno(beside(folder_, journal_.etag, ".journal"), "cannot write");
  }
}

void Partial::done(std::uint64_t block, std::uint64_t count) {
  append(written_line(block, count));
  const std::lock_guard lock(mutex_);
  for (std::uint64_t i = 0; i < count; ++i) journal_.written.at(block + i) = true;
  changed_.notify_all();
}

void Partial::hash_blocks(Digest& digest, std::uint64_t first, std::uint64_t end,
                          std::vector<std::byte>& buffer) const {
  const std::uint64_t stop = std::min(end * block_bytes, size_bytes());
  for (std::uint64_t at = first * block_bytes; at < stop;) {
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), stop - at);
    const ssize_t n = ::pread(file_, buffer.data(), wanted, static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_errno(beside(folder_, journal_.etag, ".partial"), "cannot read");
    if (n == 0) {
      fail(ErrorKind::internal, "{}: became shorter while it was hashed",
           beside(folder_, journal_.etag, ".partial").string());
    }
    digest.update({buffer.data(), static_cast<std::size_t>(n)});
    at += static_cast<std::uint64_t>(n);
  }
}

void Partial::start_hashing(std::uint64_t segment) {
  frontier_ = segment * segment_blocks;
  stop_ = false;
  digest_.clear();
  thread_ = std::thread([this] {
    try {
      hash_loop();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failed_ = std::current_exception();
      changed_.notify_all();
    }
  });
}

void Partial::stop_hashing() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Partial::hash_loop() {
  std::vector<std::byte> buffer(
      std::min<std::uint64_t>(read_bytes, std::max<std::uint64_t>(size_bytes(), 1)));
  Digest digest(*digest_kind(journal_.etag), size_bytes());
  std::unique_lock lock(mutex_);
  if (frontier_ > 0) digest.resume(journal_.states.at(frontier_ / segment_blocks), frontier_ * block_bytes);
  const std::uint64_t blocks = journal_.blocks();
  while (frontier_ < blocks) {
    changed_.wait(lock, [&] { return stop_ || journal_.written[frontier_]; });
    if (stop_) return;
    const std::uint64_t segment_end = std::min((frontier_ / segment_blocks + 1) * segment_blocks, blocks);
    std::uint64_t end = frontier_;
    while (end < segment_end && journal_.written[end]) ++end;
    const std::uint64_t first = frontier_;
    lock.unlock();
    hash_blocks(digest, first, end, buffer);
    const bool boundary = end % segment_blocks == 0 && end * block_bytes <= size_bytes();
    std::string state;
    if (boundary) {
      state = digest.state();
      append(state_line(end / segment_blocks, state));
    }
    lock.lock();
    frontier_ = end;
    if (boundary) journal_.states[end / segment_blocks] = std::move(state);
  }
  digest_ = digest.finish();
  changed_.notify_all();
}

bool Partial::verify(const std::function<bool()>& wait) {
  std::unique_lock lock(mutex_);
  while (digest_.empty() && !failed_) {
    changed_.wait_for(lock, std::chrono::milliseconds(100));
    if (digest_.empty() && !failed_ && !wait()) return false;
  }
  if (failed_) std::rethrow_exception(failed_);
  return digest_ == journal_.etag;
}

std::string Partial::state_after(std::uint64_t segments) const {
  const std::lock_guard lock(mutex_);
  const auto found = journal_.states.find(segments);
  return found == journal_.states.end() ? std::string() : found->second;
}

void Partial::replace(std::uint64_t at, std::span<const std::byte> bytes) {
  stop_hashing();
  const std::uint64_t block = at / block_bytes, count = (bytes.size() + block_bytes - 1) / block_bytes;
  append(lost_line(block, count));
  write(at, bytes);
  append(written_line(block, count));
  const std::uint64_t segment = at / segment_bytes;
  {
    const std::lock_guard lock(mutex_);
    journal_.states.erase(journal_.states.upper_bound(segment), journal_.states.end());
  }
  start_hashing(segment == 0 || journal_.states.contains(segment) ? segment : 0);
}

void Partial::discard() {
  stop_hashing();
  const std::lock_guard lock(mutex_);
  ::unlink(beside(folder_, journal_.etag, ".journal").c_str());
  ::unlink(beside(folder_, journal_.etag, ".partial").c_str());
}

void Partial::publish(const fs::path& target) {
  stop_hashing();
  const fs::path file = beside(folder_, journal_.etag, ".partial"),
                 log = beside(folder_, journal_.etag, ".journal");
  if (::fsync(file_) != 0) fail_errno(file, "cannot write");
  if (segments() > 1) {
    Journal states = journal_;
    states.written.assign(states.blocks(), true);
    replace_text(beside(folder_, journal_.etag, ".states"), journal_text(states));
  }
  // Another process may have been as far as we are and have given the same content its name.
  std::error_code failed;
  fs::rename(file, target, failed);
  if (failed && !(failed == std::errc::no_such_file_or_directory && fs::exists(target))) {
    fail(error_kind(failed.value()), "{}: cannot write: {}", target.string(), failed.message());
  }
  ::unlink(log.c_str());
  const int folder = ::open(target.parent_path().c_str(), O_RDONLY | O_CLOEXEC | O_DIRECTORY);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

void begin_with_damaged(const fs::path& folder, const std::string& etag, std::uint64_t size_bytes,
                        const fs::path& damaged) {
  const fs::path states = beside(folder, etag, ".states"), partial = beside(folder, etag, ".partial");
  std::error_code none;
  if (!fs::exists(states, none) || fs::exists(partial, none)) return;
  auto journal = parse_journal(read_file(states, std::size_t{1} << 30), etag, size_bytes);
  if (!journal) return;
  journal->boot = "damaged";  // no boot's name: everything is checked against the states
  fs::path made = partial;
  made += ".new";
  std::error_code failed;
  fs::copy_file(damaged, made, fs::copy_options::overwrite_existing, failed);
  if (!failed)
    fs::permissions(made, fs::perms::owner_read | fs::perms::owner_write, fs::perm_options::add, failed);
  if (!failed) fs::resize_file(made, size_bytes, failed);
  if (!failed) replace_text(beside(folder, etag, ".journal"), journal_text(*journal));
  if (!failed) fs::rename(made, partial, failed);
  if (failed) fs::remove(made, none);  // then all of it is fetched
}

std::vector<std::string> unfinished(const fs::path& folder) {
  std::vector<std::string> etags;
  std::error_code none;
  for (fs::directory_iterator it(folder, none), end; !none && it != end; it.increment(none)) {
    const fs::path file = it->path();
    const std::string etag = file.stem().string();
    if (!is_blob_name(etag)) continue;
    if (file.extension() == ".partial") etags.push_back(etag);
  }
  std::sort(etags.begin(), etags.end());
  return etags;
}

void remove_stray_journals(const fs::path& folder) {
  std::error_code none;
  for (fs::directory_iterator it(folder, none), end; !none && it != end; it.increment(none)) {
    const std::string name = it->path().filename().string();
    const std::string etag = name.substr(0, name.find('.')), ending = name.substr(etag.size());
    std::error_code ignored;
    if ((ending == ".journal" || ending.ends_with(".new")) && is_blob_name(etag) &&
        !fs::exists(beside(folder, etag, ".partial"), ignored)) {
      ::unlink(it->path().c_str());
    }
  }
}

}  // namespace pome::hub
