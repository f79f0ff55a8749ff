// The one error type that the library throws.
//
// An Error carries its kind, a message whose subject comes first ("config.json: num_attention_heads is 0,
// …"), the frames it passed through (file, tensor, layer), and optionally one command that helps. The kind
// alone decides the program's exit code and a server's HTTP status, through the one table behind error_row().
#pragma once

#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pome {

enum class ErrorKind : std::uint8_t {
  internal,     // our own fault
  usage,        // the caller's words or values are wrong
  not_found,    // no such model, revision or file
  corrupt,      // bytes that contradict their format or digest
  unsupported,  // well-formed, but nothing here implements it
  resource,     // not enough memory, disk or context
  network,      // the other side cannot be reached
  refused,      // the other side, or policy, says no
  interrupted,  // cancelled by the user
};

struct ErrorRow {
  ErrorKind kind;
  std::string_view name;  // stable, for "error.kind" in JSON
  int exit_code;
  int http_status;
};

std::span<const ErrorRow> error_table();
const ErrorRow& error_row(ErrorKind kind);

class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message);

  // One command, or one short sentence, that helps.
  Error&& with_hint(std::string hint) &&;
  Error& with_hint(std::string hint) &;

  // Adds the next outer frame, for example "model-00002-of-00004.safetensors" around a tensor's message.
  Error&& in(std::string frame) &&;
  Error& in(std::string frame) &;

  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  const std::vector<std::string>& context() const { return context_; }  // innermost first
  const std::string& hint() const { return hint_; }                     // may be empty
  const char* what() const noexcept override {
    return what_.c_str();
  }  // frames and message, without the hint

 private:
  void compose();

  ErrorKind kind_;
  std::string message_;
  std::vector<std::string> context_;
  std::string hint_;
  std::string what_;
};

}  // namespace pome
