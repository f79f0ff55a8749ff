#include "services/search.h"

#include "base/units.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "services/memory.h"

namespace pome::cli {
namespace {

constexpr Example examples[]{
    {"pome search qwen3 --bits 4", "the most downloaded first"},
    {"pome search --author mlx-community --sort date", "the newest of one account"},
    {"pome search coder --fits", "whose weights fit into the memory that is free now"},
    {"pome search --task embed --max-size 500M --json", "one object per line"},
};

struct Search {
  std::vector<std::string> words;
  services::SearchRequest request;
  std::string max_size;
  bool fits = false, json = false;
};

// "500M", "7.5G", "4GiB", "1000000": powers of 1024, as sizes are shown.
std::uint64_t parse_bytes(const std::string& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string unit = text.substr(end);
  constexpr std::string_view letters = "KMGT";
  std::uint64_t factor = 1;
  if (!unit.empty() && unit != "B") {
    const auto at = letters.find(unit.front());
    const std::string rest = unit.substr(1);
    if (at == std::string_view::npos || (!rest.empty() && rest != "B" && rest != "iB")) {
      fail(ErrorKind::usage, "--max-size: \"{}\" is no size: expected one such as 500M or 7.5G", text);
    }
    factor = std::uint64_t{1} << (10 * (at + 1));
  }
  const double bytes = parse_value<double>("--max-size", text.substr(0, end)) * static_cast<double>(factor);
  if (bytes < 1 || bytes > 1e15) fail(ErrorKind::usage, "--max-size: {} is no size of a model", text);
  return static_cast<std::uint64_t>(bytes);
}

std::string marks(const services::FoundModel& model) {
  std::string text = model.here ? "here" : "";
  const auto add = [&](std::string_view word) { text += (text.empty() ? "" : ", ") + std::string(word); };
  if (model.runs) add("runs");
  if (model.gated) add("gated");
  return text;
}

void search(Search& o) {
  o.request.words = fmt::format("{}", fmt::join(o.words, " "));
  if (!o.max_size.empty()) o.request.max_bytes = parse_bytes(o.max_size);
  if (o.request.limit < 1 || o.request.limit > 1000) {
    fail(ErrorKind::usage, "--limit is {}, expected 1 to 1000", o.request.limit);
  }
  if (o.fits) {
    const std::uint64_t free = services::available_memory();
    o.request.max_bytes = o.request.max_bytes == 0 ? free : std::min(free, o.request.max_bytes);
  }
  hub::Hub hub(hub::Options::from_environment());
  const auto models = services::search(o.request, hub, store::Paths::from_environment());
  std::vector<std::vector<std::string>> rows;
  for (const services::FoundModel& model : models) {
    if (o.json) {
      print_json(model.to_json());
      continue;
    }
    const auto or_dash = [](const std::string& text) { return text.empty() ? "-" : text; };
    rows.push_back({model.name, or_dash(model.task), or_dash(model.family),
                    model.bits > 0 ? std::to_string(model.bits) : "-",
                    model.bytes > 0 ? size_text(model.bytes) : "-", std::to_string(model.downloads),
                    std::to_string(model.likes), or_dash(model.modified.substr(0, 10)), marks(model)});
  }
  if (o.json) return;
  if (rows.empty()) {
    talk("no such model in MLX format\n");
    return;
  }
  rows.insert(rows.begin(),
              {"model", "task", "family", "bits", "weights", "downloads", "likes", "changed", ""});
  print(table(rows));
}

Action declare(Options& options) {
  auto o = std::make_shared<Search>();
  options.words({"WORD…"}, o->words, 0, std::string::npos);
  options.option("--author", o->request.author, "NAME", "only of this organization or user");
  options.option("--task", o->request.task, "TASK", "only these: chat, embed, rerank, image, music, …");
  options.option("--family", o->request.family, "FAMILY", "only these: llama, qwen3, …");
  options.option("--bits", o->request.bits, "N", "only with weights of so many bits");
  options.option("--max-size", o->max_size, "SIZE", "only with weights up to this: 500M, 7.5G");
  options.flag("--fits", o->fits, "only with weights that fit into the memory available now");
  options.choice("--sort", o->request.sort, {"downloads", "likes", "date"}, "the most, or the newest, first");
  options.option("--limit", o->request.limit, "N", "how many (default: 20)");
  options.flag("--json", o->json, "one object per line");
  return [o] { search(*o); };
}

}  // namespace

extern constexpr Verb search_verb{"search", Group::get_and_keep,
                                  "models on the Hub that are in MLX format, and what runs here", examples,
                                  declare};

}  // namespace pome::cli
