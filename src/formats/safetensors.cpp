#include "formats/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/error.h"
#include "formats/safetensors_sax.h"

namespace pome::formats {
namespace {

constexpr std::string_view lfs_pointer = "version https://git-lfs.github.com/";

void check_unique_names(const std::vector<SafetensorsEntry>& entries, std::string_view subject) {
  std::vector<std::string_view> names;
  names.reserve(entries.size());
  for (const SafetensorsEntry& entry : entries) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  const auto twin = std::adjacent_find(names.begin(), names.end());
  if (twin != names.end()) fail(ErrorKind::corrupt, "{}: tensor {} occurs twice", subject, shown_name(*twin));
}

// Sorts the entries by offset and makes sure that they cover data_bytes without a hole or an overlap.
void check_coverage(std::vector<SafetensorsEntry>& entries, std::uint64_t data_start,
                    std::uint64_t file_size_bytes, std::string_view subject) {
  std::sort(entries.begin(), entries.end(), [](const SafetensorsEntry& a, const SafetensorsEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t covered = 0;
  const SafetensorsEntry* last = nullptr;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin < covered) {
      fail(ErrorKind::corrupt, "{}: tensor {} begins at data byte {}, inside tensor {}, which ends at {}",
           subject, shown_name(entry.name), entry.begin, shown_name(last->name), covered);
    }
    if (entry.begin > covered) {
      fail(ErrorKind::corrupt, "{}: data bytes {} to {} belong to no tensor; tensor {} begins after them",
           subject, covered, entry.begin, shown_name(entry.name));
    }
    covered = entry.end;
    last = &entry;
  }
  if (covered > file_size_bytes - data_start) {
    fail(ErrorKind::corrupt, "{}: tensor {} ends at byte {}, file has {} (download incomplete?)", subject,
         shown_name(last->name), data_start + covered, file_size_bytes);
  }
  if (covered < file_size_bytes - data_start) {
    fail(ErrorKind::corrupt, "{}: tensors end at byte {}, file has {}", subject, data_start + covered,
         file_size_bytes);
  }
}

}  // namespace

std::uint64_t parse_safetensors_prefix(std::span<const std::byte> start, std::uint64_t file_size_bytes,
                                       std::string_view subject) {
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  if (text.starts_with(lfs_pointer.substr(0, std::min(text.size(), lfs_pointer.size()))) &&
      text.size() >= 8) {
    throw error(ErrorKind::corrupt, "{}: a Git LFS pointer, not the weights it stands for", subject)
        .with_hint("git lfs pull");
  }
  if (file_size_bytes < safetensors_prefix_bytes || start.size() < safetensors_prefix_bytes) {
    fail(ErrorKind::corrupt, "{}: {} bytes, a safetensors file has at least {} (download incomplete?)",
         subject, file_size_bytes, safetensors_prefix_bytes);
  }
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i)
    length = length << 8 | std::to_integer<std::uint64_t>(start[static_cast<std::size_t>(i)]);
  if (length > safetensors_max_header_bytes) {
    fail(ErrorKind::corrupt, "{}: header of {} bytes, at most {} are allowed; not a safetensors file?",
         subject, length, safetensors_max_header_bytes);
  }
  if (length > file_size_bytes - safetensors_prefix_bytes) {
    fail(ErrorKind::corrupt, "{}: header ends at byte {}, file has {} (download incomplete?)", subject,
         length + safetensors_prefix_bytes, file_size_bytes);
  }
  return length;
}

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t file_size_bytes,
                                           std::string_view subject) {
  // The JSON library skips a byte order mark and stops at a NUL; other readers do neither, and a file must
  // not mean two things.
  const std::size_t first = json.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || json[first] != '{') {
    fail(ErrorKind::corrupt, "{}: header does not begin with {{", subject);
  }
  if (json.find('\0') != std::string_view::npos) {
    fail(ErrorKind::corrupt, "{}: header holds a NUL byte at {}", subject, json.find('\0'));
  }
  SafetensorsHeader header;
  header.data_start = safetensors_prefix_bytes + json.size();
  SafetensorsSax sax(header, subject);
  nlohmann::json::sax_parse(json, &sax);
  if (header.data_start > file_size_bytes) {
    fail(ErrorKind::corrupt, "{}: header ends at byte {}, file has {} (download incomplete?)", subject,
         header.data_start, file_size_bytes);
  }
  check_unique_names(header.entries, subject);
  check_coverage(header.entries, header.data_start, file_size_bytes, subject);
  return header;
}

SafetensorsFile parse_safetensors(std::span<const std::byte> file, std::shared_ptr<const void> owner,
                                  std::string_view subject) {
  const std::uint64_t length = parse_safetensors_prefix(file, file.size(), subject);
  const std::string_view json(reinterpret_cast<const char*>(file.data()) + safetensors_prefix_bytes, length);
  SafetensorsHeader header = parse_safetensors_header(json, file.size(), subject);
  SafetensorsFile result{TensorTable(std::string(subject)), std::move(header.metadata)};
  for (SafetensorsEntry& entry : header.entries) {
    result.tensors.add({std::move(entry.name), entry.dtype, std::move(entry.shape),
                        file.data() + header.data_start + entry.begin,
                        static_cast<std::size_t>(entry.end - entry.begin), owner, std::string(subject)});
  }
  return result;
}

SafetensorsFile open_safetensors(const fs::path& path) {
  const auto mapped = MappedFile::open(path);
  try {
    return parse_safetensors(mapped->bytes(), mapped, path.string());
  } catch (Error& e) {
    if (e.kind() == ErrorKind::corrupt && e.hint().empty()) {
      const fs::path folder = path.parent_path();
      e.with_hint("pome verify --repair " + shell_word(folder.empty() ? "." : folder));
    }
    throw;
  }
}

}  // namespace pome::formats
