// Every environment variable that pome reads: `pome help environment`.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pome::cli {

struct EnvironmentRow {
  std::string_view names;  // that mean the same, the one that counts first in front, by ", "
  std::string_view about;
};

struct EnvironmentGroup {
  std::string_view title;
  std::span<const EnvironmentRow> rows;
};

std::span<const EnvironmentGroup> environment_table();
std::string environment_text();

}  // namespace pome::cli
