#include "pome/library.h"

#include "api/convert.h"
#include "api/handles.h"
#include "pome/session.h"
#include "services/inspect.h"

namespace pome {
namespace {

services::LibraryOptions service_options(const LibraryOptions& options) {
  services::LibraryOptions result;
  result.backend = options.backend;
  if (!options.hf_cache.empty()) result.paths.hf_cache = options.hf_cache;
  return result;
}

}  // namespace

Library::Library(LibraryOptions options) : impl_(std::make_shared<Impl>(service_options(options))) {}

Model Library::open(std::string_view model) const {
  return Model(std::make_shared<const Model::Impl>(Model::Impl{impl_, impl_->library.open(model)}));
}

Answer Model::generate(std::string_view question, const GenerateOptions& options,
                       const OnText& on_text) const {
  services::GenerateRequest request = api::request(options);
  request.messages = Json::array({services::message("user", question)});
  return api::answer(
      services::generate(impl_->library->library, *impl_->model, request, api::on_piece(on_text)));
}

Answer Model::complete(std::string_view text, const GenerateOptions& options, const OnText& on_text) const {
  services::GenerateRequest request = api::request(options);
  request.prompt = text;
  return api::answer(
      services::generate(impl_->library->library, *impl_->model, request, api::on_piece(on_text)));
}

Session Model::chat(GenerateOptions options) const {
  return Session(std::make_unique<Session::Impl>(impl_, options));
}

std::vector<std::int32_t> Model::tokenize(std::string_view text) const {
  return impl_->model->text->encode(text);
}

std::string Model::detokenize(std::span<const std::int32_t> tokens) const {
  return impl_->model->text->tokenizer().decode(tokens);
}

std::string Model::name() const { return impl_->model->place.name; }
std::string Model::folder() const { return impl_->model->place.folder.string(); }
int Model::context_length() const { return impl_->model->info().context_length; }
std::string Model::facts_json() const {
  return services::inspect(services::local_source(impl_->model->place)).to_json().dump();
}

std::string_view version() { return POME_VERSION; }

}  // namespace pome
