#include "services/tokenizer_kind.h"

#include <string_view>

#include "base/json.h"

namespace pome::services {
namespace {

// Stops at the type, or in doubt at the first nesting that no tokenizer.json needs.
class FindKind : public nlohmann::json_sax<Json> {
 public:
  std::string kind;
  bool null() override { return scalar(); }
  bool boolean(bool) override { return scalar(); }
  bool number_integer(number_integer_t) override { return scalar(); }
  bool number_unsigned(number_unsigned_t) override { return scalar(); }
  bool number_float(number_float_t, const string_t&) override { return scalar(); }
  bool binary(binary_t&) override { return scalar(); }
  bool string(string_t& value) override {
    if (at_type_) kind = value;
    return scalar() && kind.empty();
  }
  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool key(string_t& name) override {
    if (depth_ == 1) in_model_ = name == "model";
    at_type_ = depth_ == 2 && in_model_ && name == "type";
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool scalar() {
    at_type_ = false;
    return true;
  }
  bool enter() {
    at_type_ = false;
    return ++depth_ < 64;
  }
  bool leave() {
    --depth_;
    return true;
  }

  int depth_ = 0;
  bool in_model_ = false;
  bool at_type_ = false;
};

}  // namespace

std::string tokenizer_kind(const fs::path& tokenizer_json) {
  std::error_code none;
  if (!fs::exists(tokenizer_json, none)) return {};
  const std::shared_ptr<const MappedFile> file = MappedFile::open(tokenizer_json);
  const auto bytes = file->bytes();
  FindKind sax;
  Json::sax_parse(reinterpret_cast<const char*>(bytes.data()),
                  reinterpret_cast<const char*>(bytes.data() + bytes.size()), &sax);
  return sax.kind;
}

}  // namespace pome::services
