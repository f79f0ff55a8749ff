// Chats with a model: ./chat [MODEL]
#include <pome/pome.h>

#include <iostream>
#include <string>

int main(int argc, char** argv) try {
  const pome::Library library;
  pome::Session session = library.open(argc > 1 ? argv[1] : "demo").chat();
  for (std::string line; std::cout << "> " && std::getline(std::cin, line);) {
    session.send(line, [](std::string_view text) { return bool(std::cout << text << std::flush); });
    std::cout << "\n";
  }
} catch (const pome::Error& error) {
  std::cerr << "error: " << error.what() << "\n";
  return pome::error_row(error.kind()).exit_code;
}
