// Completion scripts, written from the table of verbs: verbs first, then the options of the verb, then the
// values of an option that has a fixed set; files everywhere else.
#include "cli/output.h"
#include "cli/verb.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome completion bash > ~/.local/share/bash-completion/completions/pome", "bash"},
    {"pome completion zsh > ~/.zfunc/_pome", "zsh, with ~/.zfunc in fpath"},
    {"pome completion fish > ~/.config/fish/completions/pome.fish", "fish"},
};

struct Words {
  const Verb* verb;
  std::vector<OptionRow> rows;
  std::string names;    // of every option, separated by blanks
  std::string choices;  // of the first word, likewise; empty: files
};

std::vector<Words> words_of_verbs() {
  std::vector<Words> all;
  for (const Verb* verb : verbs()) {
    Options options;
    const Action action = verb->declare(options);
    Words words{verb, options.rows(), "--help", fmt::format("{}", fmt::join(options.word_choices(), " "))};
    for (const OptionRow& row : words.rows) {
      for (const std::string& name : split_names(row.names)) words.names += " " + name;
    }
    all.push_back(std::move(words));
  }
  return all;
}

std::string verb_names() {
  std::string names;
  for (const Verb* verb : verbs()) names += (names.empty() ? "" : " ") + std::string(verb->name);
  return names;
}

std::string bash_script() {
  std::string cases, values;
  const auto add_values = [&](const Words& words, std::string_view after, const std::string& list) {
    values += fmt::format("    {}:{}) COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return ;;\n",
                          words.verb->name, after, list);
  };
  for (const Words& words : words_of_verbs()) {
    cases += fmt::format("    {}) options=\"{}\" ;;\n", words.verb->name, words.names);
    if (!words.choices.empty()) add_values(words, words.verb->name, words.choices);
    for (const OptionRow& row : words.rows) {
      if (row.choices.empty()) continue;
      for (const std::string& name : split_names(row.names)) {
        add_values(words, name, fmt::format("{}", fmt::join(row.choices, " ")));
      }
    }
  }
  return fmt::format(R"(# bash completion of pome
_pome() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} verb=${{COMP_WORDS[1]}} options=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{0} --help --version" -- "$word"))
    return
  fi
  case $verb:${{COMP_WORDS[COMP_CWORD-1]}} in
{2}  esac
  case $verb in
{1}  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}}
complete -o filenames -F _pome pome
)",
                     verb_names(), cases, values);
}

// Text inside single quotes, for both shells below.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// _arguments gives brackets and colons a meaning of their own.
std::string zsh_plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_script() {
  std::string descriptions, cases;
  for (const Words& words : words_of_verbs()) {
    descriptions +=
        fmt::format("    {}\n", shell_quoted(fmt::format("{}:{}", words.verb->name, words.verb->summary)));
    cases +=
        fmt::format("    {}) _arguments -S \\\n      '--help[options and examples]' \\\n", words.verb->name);
    for (const OptionRow& row : words.rows) {
      std::string value;
      if (!row.choices.empty()) {
        value = fmt::format(":{}:({})", "value", fmt::join(row.choices, " "));
      } else if (!row.value.empty()) {
        value = fmt::format(":{}:_files", zsh_plain(row.value));
      }
      for (const std::string& name : split_names(row.names)) {
        cases += fmt::format("      {} \\\n",
                             shell_quoted(fmt::format("*{}[{}]{}", name, zsh_plain(row.help), value)));
      }
    }
    cases +=
        fmt::format("      '*:word:{}' ;;\n", words.choices.empty() ? "_files" : "(" + words.choices + ")");
  }
  return fmt::format(R"(#compdef pome
_pome() {{
  local -a verbs=(
{0}  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
{1}  esac
}}
if [ "$funcstack[1]" = _pome ]; then _pome "$@"; else compdef _pome pome; fi
)",
                     descriptions, cases);
}

std::string fish_script() {
  std::string script =
      "# fish completion of pome\ncomplete -c pome -n __fish_use_subcommand -l version -d 'versions'\n";
  for (const Words& words : words_of_verbs()) {
    const std::string_view verb = words.verb->name;
    script += fmt::format("complete -c pome -f -n __fish_use_subcommand -a {} -d {}\n", verb,
                          shell_quoted(words.verb->summary));
    if (!words.choices.empty()) {
      script += fmt::format("complete -c pome -f -n '__fish_seen_subcommand_from {}' -a '{}'\n", verb,
                            words.choices);
    }
    for (const OptionRow& row : words.rows) {
      script += fmt::format("complete -c pome -n '__fish_seen_subcommand_from {}'", verb);
      for (const std::string& name : split_names(row.names)) {
        script += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (!row.choices.empty()) {
        script += fmt::format(" -x -a '{}'", fmt::join(row.choices, " "));
      } else if (!row.value.empty()) {
        script += row.value == "FILE" || row.value == "FOLDER" ? " -r -F" : " -x";
      }
      script += fmt::format(" -d {}\n", shell_quoted(row.help));
    }
  }
  return script;
}

Action declare(Options& options) {
  auto words = std::make_shared<std::vector<std::string>>();
  options.words({"bash|zsh|fish"}, *words, 1, 1, {"bash", "zsh", "fish"});
  return [words] {
    const std::string& shell = words->front();
    if (shell == "bash") return print(bash_script());
    if (shell == "zsh") return print(zsh_script());
    if (shell == "fish") return print(fish_script());
    throw error(ErrorKind::usage, "no completion for \"{}\", only for bash, zsh and fish", shell)
        .with_hint("pome help completion");
  };
}

}  // namespace

extern constexpr Verb completion_verb{"completion", Group::help, "a shell's completion script", examples,
                                      declare};

}  // namespace pome::cli
