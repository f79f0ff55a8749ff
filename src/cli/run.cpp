#include "cli/answer.h"
#include "cli/conversation.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "text/utf8.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome run \"how do I convert a model to 4 bit?\"", "ask the bundled model"},
    {"pome run ./my-model --temp 0.7 --seed 1 Tell me a story", "a folder's model, drawn with a seed"},
    {"pome run demo summarize: - < notes.txt", "- stands for what comes through the pipe"},
    {"pome run demo --json --logprobs 3 hello", "events, one JSON object per line"},
};

struct Run {
  Conversation conversation;
  fs::path prompt_cache_file;
  fs::path json_schema;
  std::optional<std::string> regex;
  std::optional<int> logprobs;
  bool json = false;
  bool verbose = false;
};

void answer(const Run& run, services::Library& library) {
  std::string bytes = read_text({}, run.conversation.words);
  std::string prompt;
  text::take_utf8(bytes, prompt, true);
  if (prompt.empty()) {
    throw Error(ErrorKind::usage, "the prompt is empty").with_hint("pome run demo \"what can you do?\"");
  }
  services::GenerateRequest request;
  request.messages = Json::array({services::message("user", prompt)});
  request.tools = run.conversation.read_tools();
  request.settings = run.conversation.settings;
  request.adapter = run.conversation.adapter;
  request.prompt_cache_file = run.prompt_cache_file;
  if (!run.json_schema.empty()) request.json_schema = load_json(run.json_schema);
  request.regex = run.regex;
  request.logprobs = run.logprobs.value_or(-1);

  const auto model = library.open(run.conversation.model, 0, run.conversation.settings.cache());
  request.on_memory = [&](const services::MemoryNeed& need, int context_tokens) {
    if (run.conversation.stats || run.verbose) talk(memory_text(need, library.available_memory()));
    if (const int own = model->info().context_length; context_tokens < own) {
      talk(fmt::format("note: the answer ends at {} of {} tokens of context, where memory does\n",
                       context_tokens, own));
    }
  };

  if (run.verbose) {
    const std::string seen =
        model->text->render(request.messages, run.conversation.settings.over(model->defaults), request.tools);
    talk(fmt::format("{}\n----------\n", seen));
  }
  AnswerPrinter printer(run.conversation.shows_reasoning(),
                        run.json ? AnswerPrinter::Form::json_events : AnswerPrinter::Form::text);
  const services::Answer answer = services::generate(
      library, *model, request, [&](const services::Piece& piece) { return printer(piece); });
  printer.finish(answer);
  if (run.conversation.stats || run.verbose) talk(stats_text(answer.stats));
  if (printer.interrupted()) throw Error(ErrorKind::interrupted, "interrupted; the answer is incomplete");
}

void run(Run run) {
  check_settings(run.conversation.settings);
  if (run.logprobs && !run.json) {
    throw Error(ErrorKind::usage, "--logprobs shows in --json events only")
        .with_hint("pome run --json --logprobs 3");
  }
  services::LibraryOptions options;
  choose_model(run.conversation, options.paths);
  services::Library library(options);
  if (run.conversation.words.empty() && input_is_terminal()) {
    chat(std::move(run.conversation), library);
  } else {
    answer(run, library);
  }
}

Action declare(Options& options) {
  auto run_options = std::make_shared<Run>();
  Run& o = *run_options;
  options.words({"MODEL", "PROMPT…"}, o.conversation.words, 0, std::string::npos);
  options.flag("--json", o.json, "events instead of text, one JSON object per line");
  options.option("--logprobs", o.logprobs, "N",
                 "with --json: each token's log probability and the N likeliest");
  options.flag("--verbose", o.verbose, "the prompt as the model sees it, and --stats, on stderr");
  options.option("--prompt-cache-file", o.prompt_cache_file, "FILE", "continue from this file, and write it");
  options.option("--json-schema", o.json_schema, "FILE", "the answer is JSON that satisfies this schema");
  options.option("--regex", o.regex, "REGEX", "the whole answer matches this regular expression");
  declare_conversation(options, o.conversation);
  return [run_options] { run(*run_options); };
}

}  // namespace

extern constexpr Verb run_verb{"run", Group::use, "answer a prompt; without one, chat", examples, declare};

}  // namespace pome::cli
