#include "fakehub/fake_hub.h"

#include <algorithm>
#include <cctype>
#include <ctime>

#include "base/error.h"
#include "hub/digest.h"
#include "hub/headers.h"

namespace pome::fakehub {
namespace {

std::string digest(hub::DigestKind kind, std::span<const std::byte> bytes) {
  hub::Digest d(kind, bytes.size());
  d.update(bytes);
  return d.finish();
}

Answer refuse(int status, std::string code, std::string message) {
  Answer answer;
  answer.status = status;
  answer.headers = {{"X-Error-Code", std::move(code)}, {"X-Error-Message", message}};
  answer.body = Json{{"error", message}}.dump();
  return answer;
}

Answer json_answer(const Json& json) {
  Answer answer;
  answer.headers = {{"Content-Type", "application/json"}};
  answer.body = json.dump();
  return answer;
}

std::string query_value(const std::string& query, const std::string& key) {
  const std::string text = "&" + query;
  const auto at = text.find("&" + key + "=");
  if (at == std::string::npos) return {};
  const auto start = at + key.size() + 2;
  return text.substr(start, text.find('&', start) - start);
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> result;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(at, begin), text.size());
    result.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// %2F as /, + as a blank
std::string decoded(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      result += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      result += text[i] == '+' ? ' ' : text[i];
    }
  }
  return result;
}

std::vector<std::string> parts(const std::string& path) {
  std::vector<std::string> result;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (end > at) result.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return result;
}

std::string join(const std::vector<std::string>& words, std::size_t first) {
  std::string text;
  for (std::size_t i = first; i < words.size(); ++i) text += (text.empty() ? "" : "/") + words[i];
  return text;
}

Json tree_entry(const std::string& name, const Content& content) {
  Json row{{"type", "file"}, {"path", name}, {"size", content.bytes.size()}, {"oid", content.git_sha1}};
  if (content.large) {
    row["lfs"] = {{"oid", content.sha256}, {"size", content.bytes.size()}, {"pointerSize", 134}};
  }
  if (!content.xet_hash.empty()) row["xetHash"] = content.xet_hash;
  return row;
}

const std::string* commit_of(const Model& model, const std::string& revision) {
  if (revision == "main" || revision == model.commit) return &model.commit;
  const auto found = model.revisions.find(revision);
  if (found != model.revisions.end()) return &found->second;
  for (const auto& [name, commit] : model.revisions) {
    if (commit == revision) return &commit;
  }
  return nullptr;
}

// What a fault does to an answer that would have been right.
struct Spoiler {
  const char* kind;
  void (*apply)(const Fault& fault, std::size_t first, Answer& answer);  // first: of the file's bytes
};

void set_header(Answer& answer, const std::string& name, std::string value) {
  std::erase_if(answer.headers, [&](const auto& row) { return row.first == name; });
  answer.headers.emplace_back(name, std::move(value));
}

constexpr Spoiler spoilers[]{
    {"cut", [](const Fault& f, std::size_t, Answer& a) { a.cut_after = f.value; }},
    {"stall", [](const Fault& f, std::size_t, Answer& a) { a.stall_after = f.value; }},
    {"corrupt",  // at a byte of the file
     [](const Fault& f, std::size_t first, Answer& a) {
       if (f.value >= first) a.corrupt_at = f.value - first;
     }},
    {"slow", [](const Fault& f, std::size_t, Answer& a) { a.bytes_per_second = f.value; }},
    {"status",
     [](const Fault& f, std::size_t, Answer& a) {
       a = refuse(static_cast<int>(f.value), "", "");
       if (!f.text.empty()) a.headers.emplace_back("Retry-After", f.text);
     }},
    {"etag",
     [](const Fault&, std::size_t, Answer& a) {
       set_header(a, "ETag", "\"" + std::string(40, '0') + "\"");
       set_header(a, "X-Linked-Etag", "\"" + std::string(64, '0') + "\"");
     }},
    {"hostile-etag",
     [](const Fault&, std::size_t, Answer& a) {
       set_header(a, "ETag", "\"../../../etc/passwd\"");
       set_header(a, "X-Linked-Etag", "\"../../../etc/passwd\"");
     }},
    {"hostile-commit",
     [](const Fault&, std::size_t, Answer& a) { set_header(a, "X-Repo-Commit", "../../../tmp"); }},
    {"length",  // the answer ends early, and says so
     [](const Fault& f, std::size_t, Answer& a) {
       a.bytes = a.bytes.first(a.bytes.size() - std::min<std::size_t>(f.value, a.bytes.size()));
     }},
    {"range",  // other bytes than asked for
     [](const Fault&, std::size_t, Answer& a) { set_header(a, "Content-Range", "bytes 7-8/9"); }},
    {"loop",
     [](const Fault&, std::size_t, Answer& a) { a.status = 302, set_header(a, "Location", "?again"); }},
    {"date",  // seconds since 1970
     [](const Fault& f, std::size_t, Answer& a) {
       const auto time = static_cast<std::time_t>(f.value);
       char text[64];
       std::tm parts{};
       std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", ::gmtime_r(&time, &parts));
       set_header(a, "Date", text);
     }},
    {"redirect",  // to the text
     [](const Fault& f, std::size_t, Answer& a) { a.status = 302, set_header(a, "Location", f.text); }},
    {"scheme", [](const Fault&, std::size_t,
                  Answer& a) { a.status = 302, set_header(a, "Location", "file:///etc/passwd"); }},
};

// What the Hub reads from a model's files itself.
Json search_row(const std::string& id, const Model& model) {
  Json row{{"id", id},
           {"modelId", id},
           {"sha", model.commit},
           {"gated", model.gated ? Json("auto") : Json(false)},
           {"tags", Json::array({"mlx", "safetensors"})},
           {"pipeline_tag", "text-generation"},
           {"downloads", 0},
           {"likes", 0},
           {"lastModified", "2026-11-20T00:00:00.000Z"}};
  const auto text = [](const Content& c) {
    return std::string_view(reinterpret_cast<const char*>(c.bytes.data()), c.bytes.size());
  };
  if (const auto config = model.files.find("config.json"); config != model.files.end()) {
    Json parsed = Json::parse(text(config->second), nullptr, false);
    if (!parsed.is_discarded()) row["config"] = std::move(parsed);
  }
  const auto weights = model.files.find("model.safetensors");
  if (weights != model.files.end() && weights->second.bytes.size() > 8) {
    const std::string_view all = text(weights->second);
    const std::size_t end = all.find("}}", 8);  // of the last tensor
    const Json header = Json::parse(all.substr(8, end == all.npos ? 0 : end - 6), nullptr, false);
    Json counts = Json::object();
    std::uint64_t total = 0;
    if (header.is_object()) {
      for (const auto& [name, tensor] : header.items()) {
        if (name == "__metadata__") continue;
        std::uint64_t elements = 1;
        for (const Json& length : tensor.at("shape")) elements *= length.get<std::uint64_t>();
        const std::string type = tensor.at("dtype").get<std::string>();
        counts[type] = counts.value(type, std::uint64_t{0}) + elements;
        total += elements;
      }
    }
    row["safetensors"] = {{"parameters", counts}, {"total", total}};
  }
  row.update(model.info);
  return row;
}

}  // namespace

Content content_of(std::string text, bool large) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  Content content{.bytes = std::as_bytes(std::span(*owner)), .owner = owner, .large = large};
  content.git_sha1 = digest(hub::DigestKind::git_sha1, content.bytes);
  if (large) content.sha256 = digest(hub::DigestKind::sha256, content.bytes);
  return content;
}

Content content_of(const fs::path& file) {
  const auto mapped = MappedFile::open(file);
  const std::string ending = file.extension().string();
  Content content{
      .bytes = mapped->bytes(),
      .owner = mapped,
      .large = ending == ".safetensors" || ending == ".bin" || ending == ".gguf" || ending == ".model"};
  // git keeps only a pointer to a large file, whose own digest nobody looks at.
  content.git_sha1 = content.large ? std::string(40, 'f') : digest(hub::DigestKind::git_sha1, content.bytes);
  if (content.large) content.sha256 = digest(hub::DigestKind::sha256, content.bytes);
  return content;
}

FakeHub::FakeHub(int port, const Certificate* certificate)
    : scheme_(certificate != nullptr ? "https" : "http"),
      hub_(
          std::make_unique<Server>([this](const Request& r) { return answer(r, false); }, port, certificate)),
      cdn_(std::make_unique<Server>([this](const Request& r) { return answer(r, true); }, 0, certificate)) {}

std::string FakeHub::endpoint() const { return fmt::format("{}://127.0.0.1:{}", scheme_, hub_->port()); }
std::string FakeHub::cdn_address() const {
  return cdn_name_.empty() ? fmt::format("{}://127.0.0.1:{}", scheme_, cdn_->port()) : cdn_name_;
}

void FakeHub::add(const std::string& id, Model model) {
  const std::lock_guard lock(mutex_);
  models_[id] = std::move(model);
}

void FakeHub::add_folder(const std::string& id, const fs::path& folder) {
  Model model;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    model.files[entry.path().lexically_relative(folder).generic_string()] = content_of(entry.path());
  }
  // A commit for this content and no other.
  std::string names;
  for (const auto& [name, content] : model.files) names += name + content.git_sha1 + content.sha256;
  model.commit = digest(hub::DigestKind::git_sha1, std::as_bytes(std::span(names)));
  add(id, std::move(model));
}

void FakeHub::change(const std::string& id, const std::function<void(Model&)>& change) {
  const std::lock_guard lock(mutex_);
  change(models_.at(id));
}

void FakeHub::add(Fault fault) {
  const std::lock_guard lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FakeHub::clear_faults() {
  const std::lock_guard lock(mutex_);
  faults_.clear();
}

std::vector<Seen> FakeHub::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

void FakeHub::forget() {
  const std::lock_guard lock(mutex_);
  seen_.clear();
}

Answer FakeHub::answer(const Request& request, bool cdn) {
  const std::lock_guard lock(mutex_);
  const auto header = [&](const char* name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? std::string() : found->second;
  };
  seen_.push_back({request.method, request.path, header("range"), header("authorization"), cdn});
  Answer result = route(request);
  spoil(request, cdn, result);
  return result;
}

void FakeHub::spoil(const Request& request, bool cdn, Answer& answer) {
  std::size_t first = 0;
  for (const auto& [name, value] : answer.headers) {
    if (name != "Content-Range") continue;
    if (const auto range = hub::parse_content_range(value)) first = range->first;
  }
  const bool is_file = cdn || request.path.find("/resolve/") != std::string::npos;
  for (Fault& fault : faults_) {
    if (fault.times == 0) continue;
    if (fault.path.empty() ? !is_file : request.path.find(fault.path) == std::string::npos) continue;
    // What happens to bytes happens where they are sent.
    const bool bytes = fault.kind == "cut" || fault.kind == "stall" || fault.kind == "corrupt" ||
                       fault.kind == "slow" || fault.kind == "length" || fault.kind == "range";
    if (bytes && (answer.status >= 300 || request.method == "HEAD")) continue;
    if (fault.kind == "corrupt" && (fault.value < first || fault.value >= first + answer.bytes.size()))
      continue;
    for (const Spoiler& spoiler : spoilers) {
      if (fault.kind == spoiler.kind) spoiler.apply(fault, first, answer);
    }
    if (fault.kind != "whole") --fault.times;
  }
}

Answer FakeHub::route(const Request& request) {
  const std::string& path = request.path;
  if (path.starts_with("/api/whoami")) {
    const auto sent = request.headers.find("authorization");
    if (token_.empty() || sent == request.headers.end() || sent->second != "Bearer " + token_) {
      return refuse(401, "", "Invalid credentials in Authorization header");
    }
    return json_answer({{"name", "tester"},
                        {"fullname", "A Tester"},
                        {"orgs", Json::array({{{"name", "example"}}})},
                        {"auth", {{"accessToken", {{"displayName", "laptop"}, {"role", "read"}}}}}});
  }
  if (path == "/api/models") return search(request);
  if (path.starts_with("/api/models/")) return api(request, path.substr(12));
  if (path.find("/resolve/") != std::string::npos) return resolve(request, path);
  if (path.starts_with("/cdn/")) {
    for (const auto& [id, model] : models_) {
      for (const auto& [name, content] : model.files) {
        if (path != "/cdn/" + content.sha256) continue;
        Answer answer = send(content, request);
        answer.headers.emplace_back("ETag", "\"" + content.sha256 + "\"");
        return answer;
      }
    }
  }
  return refuse(404, "", "Not Found");
}

std::optional<Answer> FakeHub::gate(const Model& model, const Request& request) const {
  const auto sent = request.headers.find("authorization");
  const bool known = !token_.empty() && sent != request.headers.end() && sent->second == "Bearer " + token_;
  if (model.is_private && !known) return refuse(401, "RepoNotFound", "Repository not found");
  if (model.gated && !known) return refuse(401, "GatedRepo", "Access to this model is restricted");
  return std::nullopt;
}

Answer FakeHub::search(const Request& request) const {
  const std::vector<std::string> wanted = split(lower(decoded(query_value(request.query, "search"))), ' ');
  const std::string author = query_value(request.query, "author");
  const std::string limit = query_value(request.query, "limit");
  const std::string cursor = query_value(request.query, "cursor");
  std::vector<std::string> filters;
  for (const std::string& part : split(request.query, '&')) {
    if (part.starts_with("filter=")) filters.push_back(decoded(part.substr(7)));
  }
  std::vector<Json> rows;
  for (const auto& [id, model] : models_) {
    const auto names = [name = lower(id)](const std::string& word) { return name.find(word) != name.npos; };
    if (!std::all_of(wanted.begin(), wanted.end(), names) || model.is_private || !model.renamed_to.empty())
      continue;
    if (!author.empty() && !id.starts_with(author + "/")) continue;
    Json row = search_row(id, model);
    const Json& tags = row["tags"];
    if (std::all_of(filters.begin(), filters.end(), [&](const std::string& filter) {
          return std::find(tags.begin(), tags.end(), Json(filter)) != tags.end();
        })) {
      rows.push_back(std::move(row));
    }
  }
  const std::string sort = query_value(request.query, "sort");
  if (!sort.empty()) {
    std::stable_sort(rows.begin(), rows.end(), [&](const Json& a, const Json& b) {
      return a.value(sort, Json(0)) > b.value(sort, Json(0));
    });
  }
  const std::size_t first = cursor.empty() ? 0 : std::stoul(cursor);
  const std::size_t count = std::min(page_, limit.empty() ? std::size_t{1000} : std::stoul(limit));
  Json page = Json::array();
  for (std::size_t i = first; i < std::min(rows.size(), first + count); ++i) page.push_back(rows[i]);
  Answer answer = json_answer(page);
  if (first + count < rows.size()) {
    std::string query = request.query.substr(0, request.query.find("&cursor="));
    answer.headers.emplace_back("Link", fmt::format("<{}{}?{}&cursor={}>; rel=\"next\"", endpoint(),
                                                    request.path, query, first + count));
  }
  return answer;
}

// org/name, org/name/revision/R, org/name/tree/R, org/name/paths-info/R
Answer FakeHub::api(const Request& request, const std::string& path) {
  const std::vector<std::string> words = parts(path);
  const std::string id = words.size() < 2 ? path : words[0] + "/" + words[1];
  const auto found = models_.find(id);
  if (found == models_.end()) return refuse(401, "RepoNotFound", "Repository not found");
  const Model& model = found->second;
  if (!model.renamed_to.empty()) {
    Answer answer;
    answer.status = 307;
    answer.headers = {{"Location", "/api/models/" + model.renamed_to + path.substr(id.size()) +
                                       (request.query.empty() ? "" : "?" + request.query)}};
    return answer;
  }
  if (model.is_private) {
    if (auto refused = gate(model, request)) return *refused;
  }
  const std::string revision = words.size() > 3 ? join(words, 3) : "main";
  const std::string* commit = commit_of(model, revision);
  if (commit == nullptr) return refuse(404, "RevisionNotFound", "Invalid rev id: " + revision);
  if (words.size() > 2 && words[2] == "tree") return tree(model, request);
  if (words.size() > 2 && words[2] == "paths-info") {
    Json list = Json::array();
    const Json asked = Json::parse(request.body);
    for (const Json& wanted : asked.at("paths")) {
      const auto file = model.files.find(wanted.get<std::string>());
      if (file == model.files.end()) continue;
      list.push_back(tree_entry(file->first, file->second));
      list.back()["lastCommit"] = {
          {"id", *commit}, {"title", "a commit"}, {"date", "2026-11-20T00:00:00.000Z"}};
    }
    return json_answer(list);
  }
  Json info = search_row(id, model);
  info["sha"] = *commit;
  info["private"] = model.is_private;
  info["siblings"] = Json::array();
  if (model.gated) info["gated"] = "auto";
  for (const auto& [name, content] : model.files) info["siblings"].push_back({{"rfilename", name}});
  info.update(model.info);
  return json_answer(info);
}

Answer FakeHub::tree(const Model& model, const Request& request) const {
  if (!model.tree.empty()) return json_answer(Json::parse(model.tree));
  const std::string cursor = query_value(request.query, "cursor");
  const std::size_t first = cursor.empty() ? 0 : std::stoul(cursor);
  Json page = Json::array();
  std::size_t index = 0;
  for (const auto& [name, content] : model.files) {
    if (index >= first && index < first + page_) {
      page.push_back(tree_entry(name, content));
    }
    ++index;
  }
  Answer answer = json_answer(page);
  if (first + page_ < model.files.size()) {
    answer.headers.emplace_back("Link", fmt::format("<{}{}?recursive=true&cursor={}>; rel=\"next\"",
                                                    endpoint(), request.path, first + page_));
  }
  return answer;
}

// /org/name/resolve/R/file
Answer FakeHub::resolve(const Request& request, const std::string& path) {
  const std::vector<std::string> words = parts(path);
  if (words.size() < 5) return refuse(404, "", "Not Found");
  const std::string id = words[0] + "/" + words[1];
  const auto found = models_.find(id);
  if (found == models_.end()) return refuse(401, "RepoNotFound", "Repository not found");
  const Model& model = found->second;
  if (!model.renamed_to.empty()) {
    Answer answer;
    answer.status = 307;
    answer.headers = {{"Location", "/" + model.renamed_to + path.substr(1 + id.size())}};
    return answer;
  }
  if (auto refused = gate(model, request)) return *refused;
  const std::string* commit = commit_of(model, words[3]);
  if (commit == nullptr) return refuse(404, "RevisionNotFound", "Invalid rev id");
  const auto file = model.files.find(join(words, 4));
  if (file == model.files.end()) {
    Answer answer = refuse(404, "EntryNotFound", "Entry not found");
    answer.headers.emplace_back("X-Repo-Commit", *commit);
    return answer;
  }
  const Content& content = file->second;
  Answer answer;
  if (content.large) {
    answer.status = 302;
    answer.headers = {{"Location", fmt::format("{}/cdn/{}?signature=1", cdn_address(), content.sha256)},
                      {"X-Linked-Etag", "\"" + content.sha256 + "\""},
                      {"X-Linked-Size", std::to_string(content.bytes.size())}};
  } else {
    answer = send(content, request);
    answer.headers.emplace_back("ETag", "\"" + content.git_sha1 + "\"");
  }
  answer.headers.emplace_back("X-Repo-Commit", *commit);
  return answer;
}

Answer FakeHub::send(const Content& content, const Request& request) const {
  Answer answer;
  answer.bytes = content.bytes;
  answer.owner = content.owner;
  const auto range = request.headers.find("range");
  const bool whole =
      std::any_of(faults_.begin(), faults_.end(), [](const Fault& f) { return f.kind == "whole"; });
  if (range == request.headers.end() || whole || !range->second.starts_with("bytes=")) return answer;
  const std::string text = range->second.substr(6);
  const auto dash = text.find('-');
  const std::size_t size = content.bytes.size();
  const std::size_t first = std::stoul(text.substr(0, dash));
  const std::size_t last = dash + 1 < text.size() ? std::stoul(text.substr(dash + 1)) : size - 1;
  if (first >= size || last < first) {
    answer.status = 416;
    answer.bytes = {};
    answer.headers = {{"Content-Range", fmt::format("bytes */{}", size)}};
    return answer;
  }
  const std::size_t end = std::min(last + 1, size);
  answer.status = 206;
  answer.bytes = content.bytes.subspan(first, end - first);
  answer.headers = {{"Content-Range", fmt::format("bytes {}-{}/{}", first, end - 1, size)}};
  return answer;
}

}  // namespace pome::fakehub
