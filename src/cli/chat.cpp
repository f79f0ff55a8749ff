// A conversation in the terminal, or through a pipe.
#include "services/chat.h"

#include "base/nearest.h"
#include "cli/answer.h"
#include "cli/conversation.h"
#include "cli/line_reader.h"
#include "cli/output.h"
#include "cli/settings_options.h"
#include "cli/verb.h"
#include "text/utf8.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome chat", "with the bundled model"},
    {"pome chat ./my-model --system-prompt \"Answer in one sentence.\"", ""},
    {"pome chat demo < questions.txt", "each line is a message"},
};

constexpr std::string_view quotes = "\"\"\"";

class Chat {
 public:
  Chat(services::Library& library, std::shared_ptr<const services::OpenModel> model, const Conversation& c)
      : session_(library, std::move(model), c.settings, c.adapter),
        reader_(library.paths().state / "chat_history"),
        show_stats_(c.stats),
        shows_reasoning_(c.shows_reasoning()) {
    session_.tools() = c.read_tools();
  }

  void run();

  // The commands.
  void help(const std::string&);
  void system(const std::string& text);
  void save(const std::string& file);
  void load(const std::string& file);
  void clear(const std::string&);
  void set(const std::string& words);
  void retry(const std::string&);
  void stats(const std::string&);
  void exit(const std::string&) { over_ = true; }

 private:
  bool read_message(std::string& message);
  void command(const std::string& line);
  template <class Ask>
  void answer(Ask ask);

  services::ChatSession session_;
  LineReader reader_;
  bool show_stats_;
  bool shows_reasoning_;
  std::optional<services::Stats> stats_;  // of the last answer
  bool over_ = false;
};

struct Command {
  std::string_view name;
  std::string_view words;
  std::string_view about;
  void (Chat::*run)(const std::string& words);
};

constexpr Command commands[]{
    {"/help", "", "this list", &Chat::help},
    {"/system", "[TEXT]", "show or set the system prompt", &Chat::system},
    {"/set", "[KEY [VALUE]]", "show or set a setting: /set temperature 0.7", &Chat::set},
    {"/retry", "", "answer the last message again", &Chat::retry},
    {"/clear", "", "forget the messages", &Chat::clear},
    {"/save", "FILE", "write the conversation", &Chat::save},
    {"/load", "FILE", "continue a written conversation", &Chat::load},
    {"/stats", "", "speed and memory of the last answer", &Chat::stats},
    {"/exit", "", "leave (so does Ctrl-D)", &Chat::exit},
};

void Chat::run() {
  if (reader_.interactive()) {
    talk(fmt::format("{}: /help lists commands, {} begins a message of several lines, Ctrl-D leaves\n",
                     session_.model().place.name, quotes));
  }
  for (std::string message; !over_ && read_message(message);) {
    if (message.find_first_not_of(" \t\n") == std::string::npos) continue;
    try {
      if (message.front() == '/') {
        command(message);
      } else {
        answer([&](const services::OnPiece& on_piece) { return session_.send(message, on_piece); });
      }
    } catch (const Error& e) {
      if (!reader_.interactive()) throw;
      print_error(e, false);
    }
  }
}

// One line, or what stands between triple quotes. False at the end of input, or after Ctrl-C twice.
bool Chat::read_message(std::string& message) {
  message.clear();
  bool inside = false, interrupted = false;
  for (std::string line;;) {
    const auto result = reader_.read(inside ? "… " : "> ", line);
    if (result == LineReader::Result::interrupted) {
      if (interrupted && line.empty()) return false;
      if (line.empty() && !inside) talk("(Ctrl-C again leaves)\n");
      interrupted = line.empty() && !inside;
      inside = false;
      message.clear();
      continue;
    }
    if (result == LineReader::Result::end) return !message.empty();
    interrupted = false;
    std::string valid;
    text::take_utf8(line, valid, true);
    if (!inside && valid.starts_with(quotes)) {
      inside = true;
      valid.erase(0, quotes.size());
      if (valid.empty()) continue;
    }
    if (!inside) {
      message = std::move(valid);
      return true;
    }
    const bool closes = valid.ends_with(quotes);
    if (closes) valid.resize(valid.size() - quotes.size());
    if (!message.empty()) message += '\n';
    message += valid;
    if (closes) return true;
  }
}

void Chat::command(const std::string& line) {
  const std::size_t blank = std::min(line.find_first_of(" \t"), line.size());
  const std::string name = line.substr(0, blank);
  const std::size_t words = std::min(line.find_first_not_of(" \t", blank), line.size());
  std::vector<std::string> names;
  for (const Command& c : commands) {
    if (c.name == name) return (this->*c.run)(line.substr(words));
    names.emplace_back(c.name);
  }
  const auto near = nearest(name, names);
  throw error(ErrorKind::usage, "unknown command {}", name)
      .with_hint(!near ? "/help lists the commands; a blank in front makes it a message"
                       : fmt::format("did you mean {}? A blank in front makes it a message", *near));
}

template <class Ask>
void Chat::answer(Ask ask) {
  AnswerPrinter printer(shows_reasoning_);
  const services::Answer answer = ask([&](const services::Piece& piece) { return printer(piece); });
  printer.finish(answer);
  stats_ = answer.stats;
  if (printer.interrupted()) {
    if (!reader_.interactive()) throw Error(ErrorKind::interrupted, "interrupted; the answer is incomplete");
    talk("(stopped)\n");
  }
  if (show_stats_) talk(stats_text(answer.stats));
}

void Chat::help(const std::string&) {
  std::vector<std::vector<std::string>> rows;
  for (const Command& c : commands)
    rows.push_back({fmt::format("{} {}", c.name, c.words), std::string(c.about)});
  talk(table(rows));
}

void Chat::system(const std::string& text) {
  auto& prompt = session_.settings().system_prompt;
  if (!text.empty()) prompt = text;
  talk(prompt ? fmt::format("system prompt: {}\n", *prompt) : "no system prompt\n");
}

void Chat::save(const std::string& file) {
  if (file.empty()) throw Error(ErrorKind::usage, "/save: FILE missing");
  session_.save(file);
  talk(fmt::format("{} messages written to {}\n", session_.messages().size(), file));
}

void Chat::load(const std::string& file) {
  if (file.empty()) throw Error(ErrorKind::usage, "/load: FILE missing");
  session_.load(file);
  talk(fmt::format("{} messages read from {}\n", session_.messages().size(), file));
}

void Chat::clear(const std::string&) {
  session_.clear();
  talk("the conversation begins anew\n");
}

void Chat::set(const std::string& words) {
  const std::size_t blank = std::min(words.find_first_of(" \t"), words.size());
  std::string key = words.substr(0, blank);
  if (key == "temp") key = "temperature";
  const std::size_t value = words.find_first_not_of(" \t", blank);
  services::Settings changed = session_.settings();
  if (value != std::string::npos) {
    changed.set(key, json_or_text(words.substr(value)));
    check_settings(changed);
    session_.settings() = changed;
  }
  const Json all = changed.over(session_.model().defaults).to_json();
  std::vector<std::vector<std::string>> rows;
  const bool show_all = !all.contains(key) && (key.empty() || value != std::string::npos);
  for (const auto& [name, setting] : all.items()) {
    if (show_all || key == name) rows.push_back({name, setting.dump()});
  }
  talk(rows.empty() ? (key.empty() ? "nothing is set\n" : key + " is not set\n") : table(rows));
}

void Chat::retry(const std::string&) {
  answer([&](const services::OnPiece& on_piece) { return session_.retry(on_piece); });
}

void Chat::stats(const std::string&) { talk(stats_ ? stats_text(*stats_) : "no answer yet\n"); }

Action declare(Options& options) {
  auto conversation = std::make_shared<Conversation>();
  options.words({"MODEL"}, conversation->words, 0, 1);
  declare_conversation(options, *conversation);
  return [conversation] {
    check_settings(conversation->settings);
    services::LibraryOptions library_options;
    if (conversation->model.empty() && !conversation->words.empty()) {
      conversation->model =
          conversation->words.front();  // a name, even where nothing has it: the error says so
      conversation->words.clear();
    }
    choose_model(*conversation, library_options.paths);
    if (!conversation->words.empty()) {
      fail(ErrorKind::usage, "\"{}\" is one word too many beside --model", conversation->words.front());
    }
    services::Library library(library_options);
    chat(*conversation, library);
  };
}

}  // namespace

void chat(Conversation conversation, services::Library& library) {
  auto model = library.open(conversation.model, 0, conversation.settings.cache());
  Chat(library, std::move(model), conversation).run();
}

extern constexpr Verb chat_verb{"chat", Group::use, "a conversation, with commands like /retry and /save",
                                examples, declare};

}  // namespace pome::cli
