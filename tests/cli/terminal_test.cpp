// The program in front of a terminal: a pseudo-terminal types, reads what appears, and presses Ctrl-C.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <vector>
#ifdef __APPLE__
#include <util.h>
#else
#include <pty.h>
#endif

#include "base/json.h"
#include "base/scratch_folder.h"

namespace pome {
namespace {

constexpr char control_c[] = "\x03";
constexpr char control_d[] = "\x04";
constexpr std::chrono::seconds patience{60};

// A program on a pseudo-terminal of its own.
class Terminal {
 public:
  Terminal(const std::vector<std::string>& words, const fs::path& home) {
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const std::string home_text = home.string();
    winsize size{};
    size.ws_row = 24;
    size.ws_col = 80;
    child_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (child_ == 0) {
      ::setenv("HOME", home_text.c_str(), 1);
      ::setenv("TERM", "xterm", 1);
      for (const char* name : {"XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
                               "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_TOKEN", "HF_HUB_OFFLINE"})
        ::unsetenv(name);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }

  ~Terminal() {
    if (child_ > 0) {
      ::kill(child_, SIGKILL);
      ::waitpid(child_, nullptr, 0);
    }
    ::close(terminal_);
  }

  void type(const std::string& text) {
    ASSERT_EQ(::write(terminal_, text.data(), text.size()), ssize_t(text.size()));
  }

  // Waits until `text` appears after what earlier calls waited for.
  bool appears(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (screen_.find(text, seen_) == std::string::npos) {
      if (std::chrono::steady_clock::now() > deadline || !read_some()) return false;
    }
    seen_ = screen_.find(text, seen_) + text.size();
    return true;
  }

  // Waits for the prompt, and until the editor has taken the terminal over: it prints the prompt first, and
  // keys pressed in between would go the terminal's usual way.
  bool prompts() {
    if (!appears("> ")) return false;
    for (termios mode{}; ::tcgetattr(terminal_, &mode) == 0 && (mode.c_lflag & ECHO) != 0;) ::usleep(1000);
    return true;
  }

  // Waits for the end; the exit code, or -signal: that of SIGKILL where it does not end.
  int wait() {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (read_some()) {
      if (std::chrono::steady_clock::now() > deadline) ::kill(child_, SIGKILL);
    }
    int status = 0;
    ::waitpid(child_, &status, 0);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  const std::string& screen() const { return screen_; }

 private:
  // False at the end of the program's output.
  bool read_some() {
    pollfd wanted{terminal_, POLLIN, 0};
    if (::poll(&wanted, 1, 1000) == 0) return true;
    char buffer[4096];
    const ssize_t n = ::read(terminal_, buffer, sizeof buffer);
    if (n <= 0) return false;
    screen_.append(buffer, static_cast<std::size_t>(n));
    return true;
  }

  int terminal_ = -1;
  pid_t child_ = -1;
  std::string screen_;
  std::size_t seen_ = 0;
};

class TerminalTest : public testing::Test {
 protected:
  // The tiny model of the goldens, with room for an answer that nobody waits for: a bias makes it say "aaa…".
  void SetUp() override {
    fs::copy(fs::path(POME_SOURCE_DIR) / "tests/golden/broken/sound", model_);
    Json config = load_json(model_ / "config.json");
    config["max_position_embeddings"] = 1000000;
    write_file_atomic(model_ / "config.json", config.dump());
  }

  std::vector<std::string> endless(std::vector<std::string> words) const {
    words.insert(words.begin(), POME_PROGRAM);
    words.insert(words.end(), {"--model", model_.string(), "--logit-bias", "6=1000"});
    return words;
  }

  ScratchFolder scratch_;
  fs::path model_ = scratch_.path() / "model";
};

TEST_F(TerminalTest, ControlCStopsTheAnswerAndNotTheChat) {
  Terminal t(endless({"chat"}), scratch_.path());
  ASSERT_TRUE(t.prompts()) << t.screen();
  t.type("hello\r");
  ASSERT_TRUE(t.appears("hello\r\n")) << t.screen();
  ASSERT_TRUE(t.appears("a")) << t.screen();  // the answer has begun
  t.type(control_c);
  ASSERT_TRUE(t.appears("(stopped)")) << t.screen();
  ASSERT_TRUE(t.prompts()) << t.screen();
  t.type("/stats\r");
  EXPECT_TRUE(t.appears("generation: ")) << t.screen();
  ASSERT_TRUE(t.prompts()) << t.screen();
  t.type("half a line");
  t.type(control_c);
  ASSERT_TRUE(t.appears("^C")) << t.screen();
  ASSERT_TRUE(t.prompts()) << t.screen();
  t.type(control_c);
  ASSERT_TRUE(t.appears("(Ctrl-C again leaves)")) << t.screen();
  ASSERT_TRUE(t.prompts()) << t.screen();
  t.type(control_c);
  EXPECT_EQ(t.wait(), 0) << t.screen();
}

TEST_F(TerminalTest, RunWithoutPromptIsAChatThatRemembersItsLines) {
  for (int round = 0; round < 2; ++round) {
    Terminal t(endless({"run", "-n", "5"}), scratch_.path());
    ASSERT_TRUE(t.prompts()) << t.screen();
    if (round == 0) {
      t.type("/set top_k 7\r");
      ASSERT_TRUE(t.appears("top_k  7")) << t.screen();
    } else {
      t.type("\x1b[A\r");  // the line above
      ASSERT_TRUE(t.appears("top_k  7")) << t.screen();
    }
    ASSERT_TRUE(t.prompts()) << t.screen();
    t.type(control_d);
    EXPECT_EQ(t.wait(), 0) << t.screen();
  }
}

TEST_F(TerminalTest, ControlCEndsRunWithItsExitCode) {
  Terminal t(endless({"run", "hello"}), scratch_.path());
  ASSERT_TRUE(t.appears("a")) << t.screen();
  t.type(control_c);
  ASSERT_TRUE(t.appears("error: interrupted")) << t.screen();
  EXPECT_EQ(t.wait(), 130) << t.screen();
}

TEST_F(TerminalTest, ReasoningIsDimmed) {
  const fs::path file = scratch_.path() / "thinking.jinja";
  write_file_atomic(file, "{# <think> #}{{ messages[-1].content }}");
  Terminal t(endless({"run", "hello", "-n", "3", "--chat-template", file.string(), "--prefill-response",
                      "<think>hm</think>so "}),
             scratch_.path());
  EXPECT_TRUE(t.appears("\x1b[2mhm\x1b[0m\r\n\r\nso aaa")) << t.screen();
  EXPECT_EQ(t.wait(), 0) << t.screen();
}

TEST_F(TerminalTest, APullShowsABarAndControlCKeepsWhatIsThere) {
  const std::string served = "example/tiny=" + std::string(POME_SOURCE_DIR) + "/tests/golden/broken/sound";
  Terminal t({POME_FAKEHUB, "--model", served, "--fault", "stall=5000@/cdn/", "--", POME_PROGRAM, "pull",
              "example/tiny"},
             scratch_.path());
  ASSERT_TRUE(t.appears("4 files, 14.9 KiB; 14.9 KiB to fetch")) << t.screen();
  ASSERT_TRUE(t.appears(" % ")) << t.screen();
  ASSERT_TRUE(t.appears("of 14.9 KiB")) << t.screen();
  t.type(control_c);
  ASSERT_TRUE(t.appears("error: example/tiny: interrupted; what has arrived is kept")) << t.screen();
  EXPECT_EQ(t.wait(), error_row(ErrorKind::interrupted).exit_code) << t.screen();
  const fs::path repo = scratch_.path() / ".cache/huggingface/hub/models--example--tiny";
  EXPECT_FALSE(fs::exists(repo / "refs/main"));
  EXPECT_FALSE(fs::is_empty(repo / ".pome"));
}

TEST_F(TerminalTest, APullShowsNoBarWhereNoneIsWanted) {
  const std::string served = "example/tiny=" + std::string(POME_SOURCE_DIR) + "/tests/golden/broken/sound";
  // Slow enough for a few bars.
  Terminal t({POME_FAKEHUB, "--model", served, "--fault", "slow=20000@/cdn/", "--", "env",
              "HF_HUB_DISABLE_PROGRESS_BARS=1", POME_PROGRAM, "pull", "example/tiny"},
             scratch_.path());
  ASSERT_TRUE(t.appears("model.safetensors  13.8 KiB")) << t.screen();
  EXPECT_EQ(t.wait(), 0) << t.screen();
  EXPECT_EQ(t.screen().find(" % "), std::string::npos) << t.screen();
}

}  // namespace
}  // namespace pome
