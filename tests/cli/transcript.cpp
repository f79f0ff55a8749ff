// Runs a transcript and compares what the commands say with what the file says they say.
//
//   transcript [--update] FILE PROGRAM SOURCE_ROOT FAKEHUB
//
// A transcript (*.t) is text in which lines that begin with two blanks are a session:
//
//     $ pome show nowhere          a command, run by bash
//     > …                          its further lines
//     error: nowhere: …            what it prints, stdout and stderr together
//     [exit 3: not_found]          how it ends, where that is not 0
//
// In a Markdown file the blocks marked ```console are the sessions, without the blanks. In expected output
// "…" stands for any text within a line, a line "…" for any lines; a last line without line end is marked
// "(no eol)". All commands of a file share one shell, in a scratch folder that is its HOME, with the folders
// of the source tree linked into it and PROGRAM's folder first in PATH. The Hub is tests/fakehub, which has
// the models listed in hub_models. --update rewrites what differs.
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/scratch_folder.h"

namespace {

using pome::fs::path;
using Lines = std::vector<std::string>;

constexpr std::string_view any = "…";
constexpr std::string_view marker = "\n--- transcript: command ended with ";

constexpr std::string_view hub_models =
    "--model example/tiny=tests/golden/broken/sound --model example/gated=tests/golden/broken/sound "
    "--gated example/gated --renamed example/old-name=example/tiny --token hf_example";

struct Command {
  std::string text;
  std::size_t first = 0, last = 0;  // lines of the file with what it is expected to print: [first, last)
};

struct Transcript {
  Lines lines;
  std::string indent;
  std::vector<Command> commands;
};

Lines split_lines(const std::string& text) {
  Lines lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

Transcript parse(const path& file) {
  Transcript t{split_lines(pome::read_file(file)), {}, {}};
  const bool markdown = file.extension() == ".md";
  t.indent = markdown ? "" : "  ";
  bool inside = !markdown;  // of a session block
  for (std::size_t i = 0; i < t.lines.size(); ++i) {
    const std::string& line = t.lines[i];
    if (markdown && line.starts_with("```")) inside = line == "```console";
    const bool ours = inside && line.starts_with(t.indent) && !line.starts_with("```");
    if (!ours) {
      continue;
    } else if (line.starts_with(t.indent + "$ ")) {
      t.commands.push_back({line.substr(t.indent.size() + 2), i + 1, i + 1});
    } else if (!t.commands.empty() && t.commands.back().last == i) {
      Command& command = t.commands.back();
      if (line.starts_with(t.indent + "> ") && command.first == i) {
        command.text += "\n" + line.substr(t.indent.size() + 2);
        command.first = i + 1;
      }
      command.last = i + 1;
    }
  }
  return t;
}

std::string exit_line(int code) {
  for (const pome::ErrorRow& row : pome::error_table()) {
    if (row.exit_code == code) return fmt::format("[exit {}: {}]", code, row.name);
  }
  return fmt::format("[exit {}]", code);
}

// Runs all commands in one shell and returns what each printed.
std::vector<Lines> run(const Transcript& t, const path& program, const path& root, const path& fakehub) {
  const pome::ScratchFolder scratch;
  for (const char* name : {"assets", "tests", "examples", "docs"}) {
    if (pome::fs::exists(root / name)) pome::fs::create_symlink(root / name, scratch.path() / name);
  }
  pome::fs::create_directories(scratch.path() / "build/release");
  pome::fs::create_symlink(program.parent_path(), scratch.path() / "build/release/bin");
  std::string script = fmt::format(
      "cd '{0}'\nexport HOME='{0}' PATH='{1}':'{2}':\"$PATH\" LC_ALL=C.UTF-8 TERM=dumb COLUMNS=80\n"
      "unset ${{!XDG_*}} ${{!HF_*}} ${{!POME_*}} HUGGINGFACE_HUB_CACHE\n"
      "unset SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE\n"
      "unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY\n"
      "export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1\nexec 2>&1\n"
      "eval \"$(fakehub {3} --background)\"\n",
      scratch.path().string(), program.parent_path().string(), fakehub.parent_path().string(), hub_models);
  for (const Command& command : t.commands) {
    script += fmt::format("{{ {}\n}} </dev/null\nprintf '{}%d\\n' $?\n", command.text,
                          "\\n" + std::string(marker.substr(1)));
  }
  const path file = scratch.path() / ".transcript.sh";
  pome::write_file_atomic(file, script);
  std::FILE* pipe = ::popen(fmt::format("bash '{}'", file.string()).c_str(), "r");
  if (pipe == nullptr) pome::fail(pome::ErrorKind::internal, "bash: cannot start");
  std::string all;
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) all.append(buffer, n);
  ::pclose(pipe);

  for (std::size_t at = 0; (at = all.find(scratch.path().string(), at)) != std::string::npos;) {
    all.replace(at, scratch.path().string().size(), "~");
  }

  std::vector<Lines> outputs;
  for (std::size_t at = 0; outputs.size() < t.commands.size();) {
    const std::size_t end = all.find(marker, at);
    if (end == std::string::npos) {
      pome::fail(pome::ErrorKind::internal, "the shell ended in command {}: {}", outputs.size() + 1,
                 all.substr(at));
    }
    const std::string text = all.substr(at, end - at);
    Lines lines = split_lines(text);
    if (!text.empty() && text.back() != '\n') lines.back() += " (no eol)";
    const std::size_t code_at = end + marker.size();
    const std::size_t code_end = all.find('\n', code_at);
    const int code = std::stoi(all.substr(code_at, code_end - code_at));
    if (code != 0) lines.push_back(exit_line(code));
    outputs.push_back(std::move(lines));
    at = code_end + 1;
  }
  return outputs;
}

bool line_matches(std::string_view expected, std::string_view found) {
  const std::size_t hole = expected.find(any);
  if (hole == std::string_view::npos) return expected == found;
  if (!found.starts_with(expected.substr(0, hole))) return false;
  const std::string_view rest = expected.substr(hole + any.size());
  for (std::size_t at = hole; at <= found.size(); ++at) {
    if (line_matches(rest, found.substr(at))) return true;
  }
  return false;
}

bool matches(std::span<const std::string> expected, std::span<const std::string> found) {
  if (expected.empty()) return found.empty();
  if (expected.front() == any) {
    for (std::size_t skipped = 0; skipped <= found.size(); ++skipped) {
      if (matches(expected.subspan(1), found.subspan(skipped))) return true;
    }
    return false;
  }
  return !found.empty() && line_matches(expected.front(), found.front()) &&
         matches(expected.subspan(1), found.subspan(1));
}

int check(const path& file, const path& program, const path& root, const path& fakehub, bool update) {
  const Transcript t = parse(file);
  if (t.commands.empty()) pome::fail(pome::ErrorKind::usage, "{}: no commands", file.string());
  const std::vector<Lines> outputs = run(t, program, root, fakehub);
  Lines updated;
  std::size_t copied = 0, failures = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Command& command = t.commands[i];
    Lines expected;
    for (std::size_t j = command.first; j < command.last; ++j) {
      expected.push_back(t.lines[j].substr(t.indent.size()));
    }
    updated.insert(updated.end(), t.lines.begin() + copied, t.lines.begin() + command.first);
    copied = command.last;
    if (matches(expected, outputs[i])) {
      updated.insert(updated.end(), t.lines.begin() + command.first, t.lines.begin() + command.last);
      continue;
    }
    ++failures;
    std::cout << file.string() << ":" << command.first << ": $ " << command.text << "\n--- expected\n";
    for (const std::string& line : expected) std::cout << line << "\n";
    std::cout << "--- found\n";
    for (const std::string& line : outputs[i]) std::cout << line << "\n";
    std::cout << "---\n";
    for (const std::string& line : outputs[i]) updated.push_back(t.indent + line);
  }
  updated.insert(updated.end(), t.lines.begin() + copied, t.lines.end());
  if (update && failures > 0) {
    std::string text;
    for (const std::string& line : updated) text += line + "\n";
    pome::write_file_atomic(file, text);
    return 0;
  }
  std::cout << outputs.size() << " commands, " << failures << " differ\n";
  return failures == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const bool update = !words.empty() && words.front() == "--update";
  if (update) words.erase(words.begin());
  if (words.size() != 4) {
    std::cerr << "usage: transcript [--update] FILE PROGRAM SOURCE_ROOT FAKEHUB\n";
    return 2;
  }
  try {
    return check(words[0], pome::fs::absolute(words[1]), pome::fs::absolute(words[2]),
                 pome::fs::absolute(words[3]), update);
  } catch (const pome::Error& e) {
    std::cerr << e.what() << "\n";
    return 2;
  }
}
