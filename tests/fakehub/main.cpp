// The fake Hub as a program.
//
//   fakehub --model ID=FOLDER [options] -- COMMAND…    runs COMMAND with HF_ENDPOINT set; its exit code is
//   ours fakehub --model ID=FOLDER [options] --background   prints "export HF_ENDPOINT=…" and serves until
//   the shell
//                                                      that started it is gone
//   fakehub --model ID=FOLDER [options]                serves until it is killed
//
//   --line BYTES_PER_SECOND   for all connections together
//   --tag ID=TAG              such as base_model:org/name, for the search
//   --xet ID                  its large files have Xet hashes
//   --tls FILE                speaks TLS; FILE gets the certificate of its authority
//   --port N --token TOKEN --gated ID --private ID --renamed OLD=NEW --page FILES
//   --fault KIND[=VALUE[:TEXT]][@PATH][xTIMES]         once, for files, unless said otherwise; x0: always
//       cut=BYTES stall=BYTES corrupt=OFFSET slow=BYTES_PER_SECOND status=CODE[:RETRY_AFTER] whole etag
//       hostile-etag hostile-commit length=BYTES range loop date=UNIX_TIME redirect=:ADDRESS scheme
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iostream>

#include "base/error.h"
#include "fakehub/fake_hub.h"

namespace {

using namespace pome;
using fakehub::FakeHub;
using fakehub::Fault;

std::pair<std::string, std::string> split(const std::string& text, char at) {
  const auto middle = text.find(at);
  if (middle == std::string::npos) return {text, ""};
  return {text.substr(0, middle), text.substr(middle + 1)};
}

Fault parse_fault(std::string text) {
  Fault fault{.kind = {}};
  if (const auto x = text.rfind('x'); x != std::string::npos && x + 1 < text.size() &&
                                      text.find_first_not_of("0123456789", x + 1) == std::string::npos) {
    fault.times = std::stoi(text.substr(x + 1));
    if (fault.times == 0) fault.times = -1;
    text.resize(x);
  }
  std::tie(text, fault.path) = split(text, '@');
  std::string value;
  std::tie(fault.kind, value) = split(text, '=');
  std::tie(value, fault.text) = split(value, ':');
  if (!value.empty()) fault.value = std::stoull(value);
  return fault;
}

struct Arguments {
  int port = 0;
  std::string token, tls;
  std::size_t page = 1000;
  std::uint64_t line = 0;
  bool background = false;
  std::vector<std::pair<std::string, std::string>> models, renamed, tags;
  std::vector<std::string> gated, hidden, xet, command;
  std::vector<Fault> faults;
};

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") {
      a.command.assign(argv + i + 1, argv + argc);
      break;
    }
    if (word == "--background") {
      a.background = true;
      continue;
    }
    if (i + 1 == argc) fail(ErrorKind::usage, "{}: value missing, or no option", word);
    const std::string value = argv[++i];
    if (word == "--model")
      a.models.push_back(split(value, '='));
    else if (word == "--port")
      a.port = std::stoi(value);
    else if (word == "--token")
      a.token = value;
    else if (word == "--tls")
      a.tls = value;
    else if (word == "--gated")
      a.gated.push_back(value);
    else if (word == "--private")
      a.hidden.push_back(value);
    else if (word == "--line")
      a.line = std::stoull(value);
    else if (word == "--xet")
      a.xet.push_back(value);
    else if (word == "--renamed")
      a.renamed.push_back(split(value, '='));
    else if (word == "--tag")
      a.tags.push_back(split(value, '='));
    else if (word == "--page")
      a.page = std::stoul(value);
    else if (word == "--fault")
      a.faults.push_back(parse_fault(value));
    else
      fail(ErrorKind::usage, "unknown option {}", word);
  }
  return a;
}

void set_up(FakeHub& hub, const Arguments& a) {
  for (const auto& [id, folder] : a.models) hub.add_folder(id, folder);
  for (const std::string& id : a.gated) hub.change(id, [](fakehub::Model& m) { m.gated = true; });
  for (const std::string& id : a.hidden) hub.change(id, [](fakehub::Model& m) { m.is_private = true; });
  for (const std::string& id : a.xet) {
    hub.change(id, [](fakehub::Model& model) {
      for (auto& [name, content] : model.files) content.xet_hash = content.sha256;  // any 64 hex digits do
    });
  }
  for (const auto& [id, tag] : a.tags) {
    hub.change(id, [&added = tag](fakehub::Model& model) {
      if (!model.info.contains("tags")) model.info["tags"] = {"mlx", "safetensors"};
      model.info["tags"].push_back(added);
    });
  }
  for (const auto& [old, now] : a.renamed) {
    fakehub::Model model;
    model.renamed_to = now;
    hub.add(old, std::move(model));
  }
  hub.set_token(a.token);
  hub.set_page(a.page);
  hub.set_line(a.line);
  for (const Fault& fault : a.faults) hub.add(fault);
}

int run(const std::vector<std::string>& command, const std::string& endpoint) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("HF_ENDPOINT", endpoint.c_str(), 1);
    // 127.0.0.1 is not asked through the machine's proxy.
    for (const char* name : {"no_proxy", "NO_PROXY"}) ::setenv(name, "127.0.0.1", 1);
    std::vector<char*> words;
    for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    std::cerr << words[0] << ": cannot be run\n";
    ::_exit(127);
  }
  ::signal(SIGINT, SIG_IGN);  // Ctrl-C is for the command
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void serve_while_alive(pid_t shell) {
  while (::kill(shell, 0) == 0) ::usleep(200'000);
}

int main_of(int argc, char** argv) {
  const Arguments a = parse(argc, argv);
  int ready[2] = {-1, -1};
  const pid_t shell = ::getppid();
  if (a.background) {
    if (::pipe(ready) != 0) fail(ErrorKind::internal, "no pipe");
    if (::fork() > 0) {  // before any thread is started
      ::close(ready[1]);
      char line[256] = {};
      if (::read(ready[0], line, sizeof line - 1) <= 0) return 1;
      std::cout << line;
      return 0;
    }
    ::close(ready[0]);
  }
  std::optional<fakehub::Certificate> certificate;
  if (!a.tls.empty()) {
    const fakehub::Certificate authority = fakehub::make_authority();
    write_file_atomic(a.tls, authority.pem);
    certificate = fakehub::make_certificate(authority);
  }
  FakeHub hub(a.port, certificate ? &*certificate : nullptr);
  set_up(hub, a);
  if (!a.command.empty()) return run(a.command, hub.endpoint());
  const std::string line = "export HF_ENDPOINT=" + hub.endpoint() + "\n";
  if (a.background) {
    static_cast<void>(!::write(ready[1], line.data(), line.size()));
    ::close(ready[1]);
    const int null = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(null, fd);
    serve_while_alive(shell);
    return 0;
  }
  std::cout << line << std::flush;
  while (true) ::pause();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return main_of(argc, argv);
  } catch (const std::exception& e) {
    std::cerr << "fakehub: " << e.what() << "\n";
    return 2;
  }
}
