#include "pome/session.h"

#include "api/convert.h"
#include "api/handles.h"
#include "base/error.h"

namespace pome {

Session::Impl::Impl(std::shared_ptr<const Model::Impl> opened, const GenerateOptions& options)
    : model(std::move(opened)),
      chat(model->library->library, model->model, api::settings(options), options.adapter) {
  if (!options.prompt_cache_file.empty()) fail(ErrorKind::usage, "a session takes no prompt_cache_file");
  if (!options.json_schema.empty()) fail(ErrorKind::usage, "a session takes no json_schema");
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Answer Session::send(std::string_view text, const OnText& on_text) {
  return api::answer(impl_->chat.send(text, api::on_piece(on_text)));
}

Answer Session::retry(const OnText& on_text) {
  return api::answer(impl_->chat.retry(api::on_piece(on_text)));
}

void Session::clear() { impl_->chat.clear(); }

std::vector<Message> Session::messages() const {
  std::vector<Message> result;
  for (const Json& item : impl_->chat.messages()) {
    result.push_back({item["role"].get<std::string>(), item["content"].get<std::string>()});
  }
  return result;
}

void Session::save(const std::string& file) const { impl_->chat.save(file); }
void Session::load(const std::string& file) { impl_->chat.load(file); }

}  // namespace pome
